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
_LAYOUTS = tuple(flavour.value for flavour in Flavour)
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
    """Disks to copy, and what boots them."""

    folder: Path

    @property
    def kernel(self) -> Path:
        """The kernel."""
        return self.folder / "vmlinuz"

    @property
    def initrd(self) -> Path:
        """What the kernel starts with."""
        return self.folder / "initrd"

    def disk_of(self, flavour: Flavour) -> Path:
        """The disk that has this layout."""
        return self.folder / f"disk-{flavour.value}"


def virtual_base(suite: str = base.SUITE) -> Base:
    """The base of virtual machines, built first where it is missing (some minutes, with the network)."""
    folder = base.CACHE / f"virtual-{base.key_of(base.root_key(suite), PACKAGES, _INSTALL, *_LAYOUTS)}"
    if not folder.exists():
        with base.building_alone():
            if not folder.exists():
                _build(base.root_of(suite), folder)
    return Base(folder=folder)


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
    for layout in _LAYOUTS:
        base.build_disk(root, layout, partial / f"disk-{layout}")
    shutil.rmtree(root)
    partial.rename(folder)
