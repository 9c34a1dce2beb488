# SPDX-License-Identifier: LGPL-2.1-or-later
"""promtool(1) of Prometheus: the machine's own, or that of Debian's package alone, which is not installed for it."""

from __future__ import annotations

import shutil
import subprocess
from functools import cache
from pathlib import Path

import pytest

from tests.kept import kept


@cache
def promtool() -> Path:
    """The program. Skips the test where there is none, and no apt-get that could bring it."""
    own = shutil.which("promtool")
    if own is not None:
        return Path(own)
    if shutil.which("apt-get") is None or shutil.which("dpkg-deb") is None:
        pytest.skip("promtool is not installed")
    return kept("promtool", _bring)


def _bring(folder: Path) -> Path:
    """Fetch the package into a folder, and take the program out of it."""
    download = ["apt-get", "-qq", "-o", "APT::Sandbox::User=root", "download", "prometheus"]
    if subprocess.run(download, cwd=folder, check=False).returncode != 0:
        # lists of packages that are missing or old
        subprocess.run(["apt-get", "-qq", "update"], check=True)
        subprocess.run(download, cwd=folder, check=True)
    (package,) = folder.glob("prometheus_*.deb")
    unpacked = subprocess.run(["dpkg-deb", "--fsys-tarfile", package], check=True, stdout=subprocess.PIPE).stdout
    subprocess.run(["tar", "-x", "./usr/bin/promtool"], cwd=folder, input=unpacked, check=True)
    return folder / "usr/bin/promtool"
