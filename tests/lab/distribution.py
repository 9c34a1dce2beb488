# SPDX-License-Identifier: LGPL-2.1-or-later
"""What an RPM distribution's systemd has for packages, and Debian's has not: macros, helper and file triggers.

They come from systemd's own source package of the Debian release that the test machine is made of; what openSUSE
has of its own is stood in for (suse.macros, suse-update-helper).
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.lab import base
from tests.lab.errors import LabError

_HERE = Path(__file__).parent
_TEMPLATES = ("macros.systemd", "systemd-update-helper", "triggers.systemd")
_HELPER = "/usr/lib/systemd/systemd-update-helper"
_UNIT_PLACES = {
    "SYSTEM_DATA_UNIT_DIR": "/usr/lib/systemd/system",
    "SYSTEM_PRESET_DIR": "/usr/lib/systemd/system-preset",
    "SYSTEMD_CATALOG_DIR": "/usr/lib/systemd/catalog",
    "SYSTEMD_UPDATE_HELPER_PATH": _HELPER,
    "LIBEXECDIR": "/usr/lib/systemd",
    "TMPFILES_DIR": "/usr/lib/tmpfiles.d",
    "UPDATE_HELPER_USER_TIMEOUT_SEC": "15",
}
"""What systemd's build puts into its templates, as far as packages with units for the system use it."""

_SPEC = """\
Name: systemd
Version: 1
Release: 0
Summary: What a distribution's systemd does for packages
License: LGPL-2.1-or-later
BuildArch: noarch

%description
The test machine's systemd is Debian's; this has what Debian's has not.

%install
install -D -m 0755 {upstream} %{{buildroot}}{helper}.upstream
install -D -m 0755 {suse} %{{buildroot}}{helper}
mkdir -p %{{buildroot}}{presets}
echo 'disable *' > %{{buildroot}}{presets}/99-default.preset

%files
{helper}
{helper}.upstream
{presets}/99-default.preset

{triggers}
"""


@dataclass(frozen=True, kw_only=True)
class Distribution:
    """Its files are kept beside the disks of labs."""

    folder: Path

    @classmethod
    def of(cls, suite: str = base.SUITE) -> Distribution:
        """That of a Debian release, downloaded first where it is missing (17 MB)."""
        folder = base.CACHE / f"systemd-packaging-{suite}-{base.key_of(_TEMPLATES, _UNIT_PLACES)}"
        if not folder.exists():
            with base.building_alone():
                if not folder.exists():
                    _fetch(suite, folder)
        return cls(folder=folder)

    @property
    def macros(self) -> tuple[Path, ...]:
        """Files of RPM macros, to be loaded in this order."""
        return self.folder / "macros.systemd", _HERE / "suse.macros"

    def build_rpm(self, destination: Path) -> Path:
        """The RPM `systemd`: the helper that packages call, the triggers that their files pull, the last preset."""
        with tempfile.TemporaryDirectory() as top:
            spec = Path(top, "systemd.spec")
            spec.write_text(
                _SPEC.format(
                    upstream=self.folder / "systemd-update-helper",
                    suse=_HERE / "suse-update-helper",
                    helper=_HELPER,
                    presets=_UNIT_PLACES["SYSTEM_PRESET_DIR"],
                    triggers="\n".join(_for_units((self.folder / "triggers.systemd").read_text())),
                )
            )
            definitions = {"_topdir": top, "_rpmdir": str(destination), "_build_name_fmt": "%%{NAME}.rpm"}
            options = [word for name, value in definitions.items() for word in ("--define", f"{name} {value}")]
            _run(["rpmbuild", "-bb", "--quiet", "--nodeps", *options, str(spec)])
        return destination / "systemd.rpm"


def _for_units(triggers: str) -> Iterator[str]:
    """Of systemd's triggers those for units of the system, for tmpfiles.d and for catalogues."""
    folders = [_UNIT_PLACES[place] for place in ("SYSTEM_DATA_UNIT_DIR", "TMPFILES_DIR", "SYSTEMD_CATALOG_DIR")]
    for block in re.split(r"^(?=%trans)", triggers, flags=re.MULTILINE):
        head = block.partition("\n")[0]
        if any(folder in head for folder in folders):
            yield block


def _fetch(suite: str, folder: Path) -> None:
    """Take the templates out of systemd's source package, and fill them in."""
    if shutil.which("apt-get") is None:
        raise LabError("a booted machine needs apt-get, for systemd's source package", hint="use a Debian")
    mirror = base.host_mirror()
    print(f"lab: downloading the source package of systemd ({suite}) from {mirror}", file=sys.stderr)
    with tempfile.TemporaryDirectory(prefix="partial-source-", dir=base.CACHE) as scratch:
        at = Path(scratch)
        for place in ("lists/partial", "cache/archives/partial", "source", "filled"):
            (at / place).mkdir(parents=True)
        keyring = "/usr/share/keyrings/debian-archive-keyring.gpg"
        (at / "sources.list").write_text(f"deb-src [signed-by={keyring}] {mirror} {suite} main\n")
        options = {
            "Dir::Etc::sourcelist": f"{at}/sources.list",
            "Dir::Etc::sourceparts": "/dev/null",
            "Dir::State::lists": f"{at}/lists",
            "Dir::Cache": f"{at}/cache",
            "APT::Sandbox::User": "root",
        }
        apt = ["apt-get", "--quiet", *(word for key, value in options.items() for word in ("-o", f"{key}={value}"))]
        _run([*apt, "update"])
        _run([*apt, "source", "--download-only", "systemd"], at / "source")
        (archive,) = at.glob("source/*.orig.tar.*z")
        with tarfile.open(archive) as source:
            for member in source:
                name = Path(member.name).name.removesuffix(".in")
                if "/src/rpm/" in member.name and name in _TEMPLATES:
                    template = source.extractfile(member)
                    assert template is not None
                    (at / "filled" / name).write_text(_filled(template.read().decode()))
        missing = [name for name in _TEMPLATES if not (at / "filled" / name).exists()]
        if missing:
            raise LabError(f"systemd's source package ({suite}) has no {', '.join(missing)}")
        (at / "filled").rename(folder)


def _filled(template: str) -> str:
    """With the places of the system's units; what else the build would put in is of no use here."""
    return re.sub(r"{{(\w+)}}", lambda match: _UNIT_PLACES.get(match[1], f"/nonexistent/{match[1]}"), template)


def _run(argv: list[str], folder: Path = Path("/")) -> None:
    environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8", "HOME": "/nonexistent"}
    environment |= base.host_proxies()
    done = subprocess.run(argv, cwd=folder, env=environment, capture_output=True, text=True, timeout=300, check=False)
    if done.returncode != 0:
        raise LabError(f"{' '.join(argv)}: status {done.returncode}\n{done.stdout}{done.stderr}")
