# SPDX-License-Identifier: LGPL-2.1-or-later
"""The machine of who publishes: the labs' Debian with gpg and mkosi, in which programs run by chroot(1).

Built once, as the base of the labs is; the network is for building it alone.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.lab import base
from tests.lab.errors import LabError

_PACKAGES = ("gpg", "gpg-agent", "mkosi")
ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8", "HOME": "/root"}
_ENTER = """
set -e
root=$1
shift
mount --bind "$root" "$root"
mount -t proc proc "$root/proc"
mount --rbind /sys "$root/sys"
mount --rbind /dev "$root/dev"
mount -t tmpfs tmpfs "$root/run"
while [ "$1" != -- ]; do
    mkdir -p "$root/$2"
    mount --bind "$1" "$root/$2"
    shift 2
done
shift
exec chroot "$root" "$@"
"""


def publisher_root() -> Path:
    """The folder of who publishes."""
    return root_with("publisher", _PACKAGES)


def root_with(name: str, packages: Sequence[str]) -> Path:
    """A folder with the labs' Debian and these packages, built first where it is missing (a minute, the network)."""
    root = base.CACHE / f"{name}-{base.key_of(1, base.root_key(base.SUITE), packages)}"
    if root.exists():
        return root
    with base.building_alone():
        if not root.exists():
            partial = Path(tempfile.mkdtemp(prefix=f"partial-{name}-", dir=base.CACHE))
            subprocess.run(["cp", "-a", f"{base.root_of(base.SUITE)}/.", partial], check=True)
            _install(partial, packages)
            partial.rename(root)
    return root


def _install(root: Path, packages: Sequence[str]) -> None:
    shutil.copy("/etc/resolv.conf", root / "etc/resolv.conf")
    shutil.copy("/etc/hosts", root / "etc/hosts")
    environment = {"DEBIAN_FRONTEND": "noninteractive", **base.host_proxies()}
    for argv in (["update"], ["install", "-y", "--no-install-recommends", *packages], ["clean"]):
        inside(root, ["apt-get", "-q", *argv], environment=environment)


def entering(
    root: Path, argv: Sequence[str], *, folders: Mapping[Path, str] | None = None, network: bool = True
) -> list[str]:
    """What runs a program there, in the process that is started; ``folders`` of the host are seen where they say."""
    words = [word for path, where in (folders or {}).items() for word in (str(path), where.lstrip("/"))]
    apart = ["unshare", "--mount", "--propagation", "private", *([] if network else ["--net"]), "--"]
    return [*apart, "sh", "-c", _ENTER, "sh", str(root), *words, "--", *argv]


def inside(
    root: Path,
    argv: Sequence[str],
    *,
    folders: Mapping[Path, str] | None = None,
    environment: Mapping[str, str] | None = None,
    network: bool = True,
) -> str:
    """Run a program there to its end, and give what it prints. Raises LabError with its words where it fails."""
    done = subprocess.run(
        entering(root, argv, folders=folders, network=network),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        env={**ENVIRONMENT, **(environment or {})},
        timeout=600,
        check=False,
    )
    if done.returncode != 0:
        raise LabError(f"{' '.join(argv)}: status {done.returncode}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}")
    return done.stdout
