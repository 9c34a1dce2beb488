# SPDX-License-Identifier: LGPL-2.1-or-later
"""A lab that real zypper updates, from one release of a small distribution to the next."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tests.lab.packages import FILLERS, FIRST, PACKAGES, PLACE, RELEASE_PACKAGES, RELEASES
from tests.on_lab.site import Site

_ZYPPER = ("zypper", "--non-interactive", "--no-gpg-checks")
_REPOSITORY = f"[main]\nenabled=1\nautorefresh=1\nbaseurl=dir:{PLACE}/current\ntype=rpm-md\ngpgcheck=0\n"

_ASK = """
import json, sys
from pathlib import Path
from tukit_sysext.requirements.capabilities import UNKNOWN
from tukit_sysext.requirements.requirement import parse_requirement
from tukit_sysext.system.rpm_database import RpmDatabase
from tukit_sysext.system.tree import Tree
from tukit_sysext.system.tree_packages import TreePackages
root, *requirements = sys.argv[1:]
with Tree(Path(root)) as tree:
    packages = TreePackages(tree, scratch=Path("/var/cache/tukit-sysext"))
    found = {each: packages.provides(parse_requirement(each)) for each in requirements}
    answers = {each: "unknown" if package is UNKNOWN else package and str(package) for each, package in found.items()}
    identity = RpmDatabase(tree).identity if packages.unknown is None else None
    print(json.dumps({"answers": answers, "unknown": packages.unknown, "identity": identity}))
"""


def in_release(version: str) -> dict[str, str]:
    """What an image says that fits a release; ID is the lab's."""
    return {"VERSION_ID": version, "SYSEXT_LEVEL": RELEASES[version]}


@dataclass(kw_only=True)
class ZypperSite(Site):
    """Packages come from the release that is published, the first one at the beginning."""

    def with_packages(self, *, ndb: bool = False) -> ZypperSite:
        """Install all packages in a transaction, and boot it. ``ndb``: rpm's other kind of database."""
        script = f"{'rpmdb --rebuilddb && ' if ndb else ''}{' '.join(self._install())}"
        self.lab.tukit("execute", "sh", "-c", script, check=True)
        self.lab.reboot()
        return self

    def with_packages_in_place(self) -> ZypperSite:
        """Install all packages in the running system, whose root is writable."""
        self.lab.run(self._install(), check=True)
        return self

    def _install(self) -> Sequence[str]:
        self.publish_release(FIRST)
        self.write("/etc/zypp/repos.d/main.repo", _REPOSITORY)
        return [*_ZYPPER, "install", RELEASE_PACKAGES[self.lab.flavour.value], *PACKAGES, *FILLERS]

    def publish_release(self, version: str) -> None:
        """What zypper finds from now on."""
        current = self.lab.path(f"{PLACE}/current")
        current.unlink(missing_ok=True)
        current.symlink_to(version)

    def dup(self, version: str) -> subprocess.CompletedProcess[str]:
        """Update to a release in a transaction."""
        self.publish_release(version)
        return self.lab.tukit("execute", *_ZYPPER, "dup")

    def dup_in_place(self, version: str) -> subprocess.CompletedProcess[str]:
        """Update the running system itself, as it is done where the root is writable."""
        self.publish_release(version)
        return self.lab.run([*_ZYPPER, "dup"], check=True)

    def offers(self, requirements: Sequence[str], *, root: str = "/") -> dict[str, Any]:
        """What our program says that a tree of the lab has."""
        done = self.lab.run(["/usr/bin/python3", "-IBc", _ASK, root, *requirements], check=True)
        answer: dict[str, Any] = json.loads(done.stdout)
        return answer
