# SPDX-License-Identifier: LGPL-2.1-or-later
"""rpmlint with openSUSE's configuration, on the spec and on the packages as openSUSE would build them.

``python -m tests.rpmlint`` ends with 1 where it says anything: what is filtered has its reason in
spec/tukit-sysext-rpmlintrc. rpmlint is installed beside the caches of the tests, with the configuration from its
source distribution, which no wheel has.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests import selinux
from tests.kept import modules, pip, requirements
from tests.rpm import MACROS, NO_CHECK, SPEC, TOP, build, read_tree

FILTERS = TOP / "spec" / "tukit-sysext-rpmlintrc"
_CONFIGURATION = "configs/openSUSE"
_FROM_SOURCE = "--no-build-isolation"

OPENSUSE = {
    "site": f"/usr/lib/python{sys.version_info.major}.{sys.version_info.minor}/site-packages",
    # man pages are packed there
    "__os_install_post": "find %{buildroot}%{_mandir} -type f -exec gzip -9 -n {} +",
    # rpmlint looks for what they expand to; that they do it is not looked at here
    "service_add_pre()": "systemd-update-helper mark-install-system-units %{?*} || :",
    "service_add_post()": "systemd-update-helper install-system-units %{?*} || :",
    "service_del_preun()": "systemd-update-helper remove-system-units %{?*} || :",
    "service_del_postun()": "systemd-update-helper mark-restart-system-units %{?*} || :",
    "service_del_postun_without_restart()": ":",
    "tmpfiles_create()": "systemd-tmpfiles --create %{?*} || :",
}
"""Macros of openSUSE, as far as they decide what is in the package."""


def rpmlint() -> Path:
    """The folder with rpmlint, its modules and ``configs/``, made where it is missing (needs PyPI)."""
    return modules("rpmlint", _FROM_SOURCE, python=sys.version, complete=_add_configuration)


def _add_configuration(made: Path) -> None:
    (version,) = [line for line in requirements("rpmlint").read_text().splitlines() if line.startswith("rpmlint==")]
    pip("download", _FROM_SOURCE, "--no-binary", "rpmlint", "--dest", str(made.parent), version)
    (source,) = made.parent.glob("rpmlint-*.tar.gz")
    with tarfile.open(source) as archive:
        for member in archive:
            if f"/{_CONFIGURATION}/" in member.name and (file := archive.extractfile(member)):
                target = made / _CONFIGURATION / Path(member.name).name
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(file.read())


def lint(spec: Path, packages: Sequence[Path]) -> tuple[int, str]:
    """How many errors and warnings there are, and all that it says."""
    folder = rpmlint()
    code = "import sys; from rpmlint.cli import lint; sys.exit(lint())"
    options = ["--config", str(folder / _CONFIGURATION), "--rpmlintrc", str(FILTERS)]
    done = subprocess.run(
        [sys.executable, "-c", code, *options, *map(str, packages), str(spec)],
        check=False,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env={**os.environ, "PYTHONPATH": str(folder), "NO_COLOR": "1"},
        text=True,
        timeout=300,
    )
    said = [line for line in done.stdout.splitlines() if ": E: " in line or ": W: " in line]
    complaints = [line for line in said if not line.startswith("(none): W: unable to init enchant")]
    if "checked; " not in done.stdout:
        raise RuntimeError(f"rpmlint ended with {done.returncode}:\n{done.stdout}")
    return len(complaints), done.stdout


def packages(folder: Path) -> list[Path]:
    """The packages as openSUSE would build them."""
    files = selinux.with_stand_ins(read_tree(TOP))
    macros = MACROS | OPENSUSE | selinux.RPM_MACROS
    build(files, folder, macros, switches=(*NO_CHECK, *selinux.SWITCHES))
    return sorted(folder.glob("RPMS/*.rpm"))


def main() -> int:
    """Look at all of it."""
    with tempfile.TemporaryDirectory() as folder:
        complaints, said = lint(TOP / SPEC, packages(Path(folder)))
    print(said)
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())
