# SPDX-License-Identifier: LGPL-2.1-or-later
"""What virtual machines start from: the root of the labs with a kernel, an initrd and a policy for SELinux."""

from __future__ import annotations

import shutil
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from tests.lab import Flavour, base

PACKAGES = (
    "kmod",
    "linux-image-cloud-amd64",
    "policycoreutils",
    "selinux-policy-default",
    "systemd-sysv",
    "udev",
)
_INSTALL = """\
set -eu
cd "$1"
shift
mount -t proc proc proc
mount -t sysfs -o ro sysfs sys
for folder in tmp var/tmp var/cache/apt var/lib/apt/lists; do
    mount -t tmpfs tmpfs $folder
done
mount --bind /dev dev
touch etc/resolv.conf
mount --bind /etc/resolv.conf etc/resolv.conf
export DEBIAN_FRONTEND=noninteractive
chroot . apt-get -q update
chroot . apt-get -q install -y --no-install-recommends initramfs-tools
sed -i 's/^MODULES=.*/MODULES=list/' etc/initramfs-tools/initramfs.conf
printf '%s\n' btrfs virtio_blk virtio_pci > etc/initramfs-tools/modules
chroot . apt-get -q install -y --no-install-recommends "$@"
umount etc/resolv.conf
rm etc/resolv.conf
"""


@dataclass(frozen=True, kw_only=True)
class Base:
    """A disk to copy, and what boots it."""

    disk: Path
    kernel: Path
    initrd: Path


def virtual_base(suite: str = base.SUITE) -> Base:
    """The base of virtual machines, built first where it is missing (some minutes, with the network)."""
    folder = base.CACHE / f"virtual-{base.key_of(base.root_key(suite), PACKAGES, _INSTALL)}"
    if not folder.exists():
        with base.building_alone():
            if not folder.exists():
                _build(base.root_of(suite), folder)
    return Base(disk=folder / "disk", kernel=folder / "vmlinuz", initrd=folder / "initrd")


def _build(lab: Path, folder: Path) -> None:
    print("virtual: installing a kernel and a policy (once on this machine, some minutes)", file=sys.stderr)
    partial = Path(tempfile.mkdtemp(prefix="partial-virtual-", dir=base.CACHE))
    root = partial / "root"
    base.run_step(["cp", "-a", str(lab), str(root)], "copying the base of the labs")
    install = ["sh", "-c", _INSTALL, "sh", str(root), *PACKAGES]
    base.run_step(install, "installing a kernel and a policy", base.host_proxies())
    for name in ("vmlinuz", "initrd"):
        (file,) = (root / "boot").glob(f"{name}*-cloud-amd64")
        file.rename(partial / name)
    base.build_disk(root, Flavour.TUMBLEWEED.value, partial / "disk")
    shutil.rmtree(root)
    partial.rename(folder)
