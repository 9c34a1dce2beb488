# SPDX-License-Identifier: LGPL-2.1-or-later
"""Lays a root out on a fresh btrfs as MicroOS or Tumbleweed does. Run in a mount namespace of its own:

    layout.py DEVICE ROOT microos|tumbleweed MOUNT_POINT

Subvolumes: `@`, `@/.snapshots`, `@/.snapshots/1/snapshot` (the default one), `@/var`, `@/home`, `@/root`, `@/opt`; on
MicroOS also `@/.snapshots/1/snapshot/etc`, which is bind-mounted on /etc at boot (transactional-update since 5.0).
"""

import shutil
import subprocess
import sys
from pathlib import Path

OS_RELEASE = {
    "microos": 'ID="opensuse-microos"\nNAME="openSUSE MicroOS"\nPRETTY_NAME="openSUSE MicroOS (lab)"\n',
    "tumbleweed": 'ID="opensuse-tumbleweed"\nNAME="openSUSE Tumbleweed"\nPRETTY_NAME="openSUSE Tumbleweed (lab)"\n',
}
OS_RELEASE_TAIL = 'ID_LIKE="suse opensuse"\nVERSION_ID="20261101"\nSYSEXT_LEVEL="glibc-2.42"\n'

ETC_LINE = "/etc /etc none bind,x-initrd.mount 0 0\n"
FSTAB = """\
LABEL=tukit-lab / btrfs {root_options} 0 0
LABEL=tukit-lab /.snapshots btrfs subvol=/@/.snapshots 0 0
LABEL=tukit-lab /var btrfs subvol=/@/var,x-initrd.mount 0 0
LABEL=tukit-lab /home btrfs subvol=/@/home 0 0
LABEL=tukit-lab /root btrfs subvol=/@/root,x-initrd.mount 0 0
LABEL=tukit-lab /opt btrfs subvol=/@/opt 0 0
"""

SNAPSHOT_INFO = """\
<?xml version="1.0"?>
<snapshot>
  <type>single</type>
  <num>1</num>
  <date>2026-11-01 00:00:00</date>
  <description>first root filesystem</description>
</snapshot>
"""

SNAPPER_CONFIG_CHANGES = {
    "SUBVOLUME": "/",
    "BACKGROUND_COMPARISON": "no",
    "NUMBER_CLEANUP": "no",
    "TIMELINE_CREATE": "no",
    "TIMELINE_CLEANUP": "no",
    "EMPTY_PRE_POST_CLEANUP": "no",
}

PLACES_OF_VAR = ("cache", "lib/alternatives", "lib/ca-certificates", "log", "spool", "tmp")
SEPARATE = ("var", "home", "root", "opt")


def run(*argv: str) -> None:
    subprocess.run(argv, check=True, stdout=subprocess.DEVNULL)


def snapper_config(root: Path) -> None:
    """Make the config `root` from the template, without anything that deletes by itself."""
    lines = []
    for line in (root / "usr/share/snapper/config-templates/default").read_text().splitlines():
        key, assigned, _ = line.partition("=")
        if assigned and key in SNAPPER_CONFIG_CHANGES:
            line = f'{key}="{SNAPPER_CONFIG_CHANGES[key]}"'
        lines.append(line)
    (root / "etc/snapper/configs/root").write_text("\n".join(lines) + "\n")
    listing = root / "etc/default/snapper"
    listing.write_text(listing.read_text().replace('SNAPPER_CONFIGS=""', 'SNAPPER_CONFIGS="root"'))


def main(device: str, source: str, flavour: str, mount_point: str) -> None:
    etc_is_subvolume = flavour == "microos"
    # Compressed, because a smaller disk is copied faster; what a lab writes is not.
    run("mount", "-t", "btrfs", "-o", "compress-force=zstd:3", device, mount_point)
    at = Path(mount_point) / "@"
    first = at / ".snapshots/1/snapshot"
    run("btrfs", "subvolume", "create", str(at))
    run("btrfs", "subvolume", "create", str(at / ".snapshots"))
    first.parent.mkdir()
    run("btrfs", "subvolume", "create", str(first))
    for name in SEPARATE:
        run("btrfs", "subvolume", "create", str(at / name))
    if etc_is_subvolume:
        run("btrfs", "subvolume", "create", str(first / "etc"))
    run("cp", "-a", f"{source}/.", str(first))
    for name in SEPARATE:
        run("cp", "-a", f"{first}/{name}/.", str(at / name))
        shutil.rmtree(first / name)
        (first / name).mkdir()
    (first / "root").chmod(0o700)
    for name in ("etc", ".snapshots", "proc", "sys", "dev", "run", "tmp", "mnt"):
        (first / name).mkdir(exist_ok=True)

    for name in PLACES_OF_VAR:
        (at / "var" / name).mkdir(parents=True, exist_ok=True)
    (at / "var/tmp").chmod(0o1777)
    shutil.rmtree(at / "var/lib/rpm", ignore_errors=True)
    (at / "var/lib/rpm").symlink_to("../../usr/lib/sysimage/rpm")
    for old in (at / "var/run", at / "var/lock"):
        if not old.is_symlink():
            shutil.rmtree(old, ignore_errors=True)
            old.symlink_to("/run" if old.name == "run" else "/run/lock")

    os_release = first / "usr/lib/os-release"
    os_release.write_text(OS_RELEASE[flavour] + OS_RELEASE_TAIL)
    link = first / "etc/os-release"
    link.unlink(missing_ok=True)
    link.symlink_to("../usr/lib/os-release")
    (first / "etc/resolv.conf").write_text("")
    (first / "etc/hostname").write_text("lab\n")
    (first / "etc/machine-id").write_text("0123456789abcdef0123456789abcdef\n")
    fstab = FSTAB.format(root_options="ro" if etc_is_subvolume else "rw")
    (first / "etc/fstab").write_text(fstab + (ETC_LINE if etc_is_subvolume else ""))
    (first / "usr/lib/snapper/plugins").mkdir(parents=True, exist_ok=True)
    (first / "usr/lib/tukit/plugins").mkdir(parents=True, exist_ok=True)
    (first / "etc/extensions").mkdir(exist_ok=True)
    snapper_config(first)
    (at / ".snapshots").chmod(0o750)
    (first.parent / "info.xml").write_text(SNAPSHOT_INFO)
    run("btrfs", "subvolume", "set-default", str(first))
    run("umount", mount_point)


if __name__ == "__main__":
    main(*sys.argv[1:])
