# SPDX-License-Identifier: LGPL-2.1-or-later
"""What zypper on a booted machine finds: the packages that README has people build, and stand-ins for openSUSE's.

But for openSUSE's key a stand-in is empty: what it names is on the machine as Debian's. So zypper solves all that
ours require.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from tests.booted.disk import Disks
from tests.booted.machine import Machine
from tests.lab.packages import Rpm, build_package
from tests.lab.readme import TOP

OURS = "/opt/tukit-sysext"
"""Where README has the repository made."""

THEIRS = "/opt/openSUSE"

_PROVIDED = (
    "glibc = 2.42",  # without it zypper takes the system for broken
    # what the package and the source of openSUSE require
    "/bin/sh",
    "/usr/bin/gpgv",
    "/usr/bin/prlimit",
    "/usr/bin/systemd-dissect",
    "/usr/bin/systemd-sysext",
    *(f"/usr/bin/python3.{minor}" for minor in range(11, 16)),
    "openssl",
    "python3-base = 3.13",
    "python3-btrfsutil",
    "python3-packaging = 25.0",
    "python3-pluggy = 1.6",
    "python3-pycurl = 7.45",
    "python3-python-rpm-spec",
    "python3-rich = 14.0",
    "python3-rpm",
    "python3-zstandard",
    "snapper",
    "systemd = 257",
    "systemd-container",
    # what README has people install for the build
    "createrepo_c",
    "python-rpm-macros",
    "python3-docutils",
    "python3-pip",
    "python3-setuptools = 80",
    "rpm-build",
    "systemd-rpm-macros",
)
_KEY = "gpg-pubkey-29b700a4-6a17fa38.asc"
_STAND_INS = (
    Rpm(name="stand-in-for-openSUSE", version="1", tags=[f"Provides: {each}" for each in _PROVIDED], noarch=False),
    Rpm(
        name="openSUSE-build-key",
        version="1",
        files={f"/usr/lib/rpm/gnupg/keys/{_KEY}": (TOP / "tests/data/opensuse" / _KEY).read_text()},
    ),
    Rpm(name="sysextmgr", version="1"),
)
_REPOSITORY = f"[openSUSE]\nenabled=1\nbaseurl=dir:{THEIRS}\ngpgcheck=0\n"


def lay_out_packages(machine: Machine, disks: Disks, scratch: Path) -> None:
    """Our packages, as built, and a repository of stand-ins that zypper knows.

    Two of these it has, as every MicroOS. The key has to be: zypper looks for it by a path, and repositories say little
    of paths outside bin.
    """
    theirs = machine.path(THEIRS)
    theirs.mkdir()
    for rpm in _STAND_INS:
        build_package(rpm, theirs, scratch / rpm.name)
    ours = machine.path(f"{OURS}/noarch")
    ours.mkdir(parents=True)
    for file in disks.packages():
        shutil.copy(file, ours)
    machine.run(["createrepo_c", "--quiet", THEIRS])
    machine.path("/etc/zypp/repos.d/openSUSE.repo").write_text(_REPOSITORY)
    with machine.unlocked():
        machine.run(["zypper", "--non-interactive", "install", "openSUSE-build-key", "sysextmgr"])
