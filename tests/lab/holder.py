# SPDX-License-Identifier: LGPL-2.1-or-later
"""The first process of a lab: makes its namespaces, mounts what a boot would mount, and holds them while it lives.

    holder.py CONFIG        (JSON: device, flavour, mount_point, owner_fd or null, ready_fd, install or null, name)

It becomes process 1 of a new pid namespace, so that the kernel ends every process of the lab with it, and drops the
mounts after them. It lives until the pipe `owner_fd` is closed, that is until its owner ends in whatever way; without
an owner it lives until it is killed. On `ready_fd` it writes `pid NUMBER`, then `ready` or `error MESSAGE`.
"""

import ctypes
import json
import os
import shutil
import signal
import stat
import subprocess
import sys
from pathlib import Path

CLONE_NEWNS = 0x00020000
CLONE_NEWUTS = 0x04000000
CLONE_NEWIPC = 0x08000000
CLONE_NEWPID = 0x20000000

MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC = 1, 2, 4, 8
MS_REMOUNT, MS_BIND, MS_MOVE, MS_REC = 32, 4096, 8192, 16384
MS_PRIVATE, MS_SHARED = 1 << 18, 1 << 20
MNT_DETACH = 2

ROOT = ""
"""Where the lab's root is mounted before it becomes "/"; main() sets it."""

DEVICES = ("null", "zero", "full", "random", "urandom", "tty")
LOOPS, PARTITIONS = 64, 8

libc = ctypes.CDLL(None, use_errno=True)


def check(result: int, what: str) -> None:
    if result != 0:
        error = ctypes.get_errno()
        raise OSError(error, f"{what}: {os.strerror(error)}")


def mount(source: str, target: str, kind: str | None = None, flags: int = 0, data: str = "") -> None:
    """mount(2), the target taken beneath the lab's root."""
    where = ROOT + target if target != "/" else ROOT
    encoded_kind = kind.encode() if kind is not None else None
    check(
        libc.mount(source.encode(), where.encode(), encoded_kind, ctypes.c_ulong(flags), data.encode()),
        f"mounting {source} on {target}",
    )


def bind_read_only(source: str, target: str) -> None:
    mount(source, target, flags=MS_BIND)
    mount("none", target, flags=MS_BIND | MS_REMOUNT | MS_RDONLY)


def mount_disk(device: str, flavour: str, root: str = "") -> None:
    """What fstab says.

    :param root: the subvolume that a boot menu names; without one it is the default one, whichever that is
    """
    mount(device, "/", "btrfs", data=f"subvol={root}" if root else "")
    for subvolume in (".snapshots", "var", "home", "root", "opt"):
        mount(device, f"/{subvolume}", "btrfs", data=f"subvol=/@/{subvolume}")
    if flavour == "microos":
        mount(f"{ROOT}/etc", "/etc", flags=MS_BIND)  # first: a bind mount takes over what its source may
        sync_etc()
        mount("none", "/", flags=MS_BIND | MS_REMOUNT | MS_RDONLY)


def sync_etc() -> None:
    """What transactional-update does before systemd starts; imported where there is something to do."""
    if os.path.exists(f"{ROOT}/etc/etc.syncpoint"):
        sys.path.insert(0, str(Path(__file__).parents[2]))
        from tests.lab.etc_sync import sync_at_boot

        sync_at_boot(Path(ROOT))


def mount_kernel() -> None:
    """/proc and /sys, with what would change the host read-only; tmpfs on /run and /tmp."""
    mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC)
    for name in ("sys", "sysrq-trigger", "irq", "bus"):
        if os.path.exists(f"{ROOT}/proc/{name}"):
            bind_read_only(f"{ROOT}/proc/{name}", f"/proc/{name}")
    # sysfs and devtmpfs are one instance for the whole machine: the flag belongs on our mount, not on them.
    mount("sysfs", "/sys", "sysfs", MS_NOSUID | MS_NODEV | MS_NOEXEC)
    mount("none", "/sys", flags=MS_BIND | MS_REMOUNT | MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC)
    mount("tmpfs", "/run", "tmpfs", MS_NOSUID | MS_NODEV, "mode=755")
    mount("tmpfs", "/tmp", "tmpfs", MS_NOSUID | MS_NODEV, "mode=1777")


def mount_dev() -> None:
    """A /dev of our own with loop devices for systemd-dissect.

    The nodes of partitions on loop devices appear in devtmpfs alone, so that is mounted too, read-only and with the
    host's own disks and memory covered; links lead to it.
    """
    mount("tmpfs", "/dev", "tmpfs", MS_NOSUID, "mode=755")
    dev = Path(ROOT + "/dev")
    for name in ("pts", "shm", ".kernel"):
        (dev / name).mkdir()
    os.umask(0)
    for name in DEVICES:
        os.mknod(dev / name, stat.S_IFCHR | 0o666, os.stat(f"/dev/{name}").st_rdev)
    os.mknod(dev / "loop-control", stat.S_IFCHR | 0o660, os.stat("/dev/loop-control").st_rdev)
    os.mknod(dev / "btrfs-control", stat.S_IFCHR | 0o660, os.stat("/dev/btrfs-control").st_rdev)
    for number in range(LOOPS):
        os.mknod(dev / f"loop{number}", stat.S_IFBLK | 0o660, os.makedev(7, number))
        for partition in range(1, PARTITIONS + 1):
            (dev / f"loop{number}p{partition}").symlink_to(f".kernel/loop{number}p{partition}")
    os.umask(0o022)
    for name, target in (("fd", "/proc/self/fd"), ("stdin", "fd/0"), ("stdout", "fd/1"), ("stderr", "fd/2"),
                         ("ptmx", "pts/ptmx"), ("log", "/run/systemd/journal/dev-log")):  # fmt: skip
        (dev / name).symlink_to(target)
    mount("devpts", "/dev/pts", "devpts", MS_NOSUID | MS_NOEXEC, "newinstance,ptmxmode=0666,mode=620")
    mount("tmpfs", "/dev/shm", "tmpfs", MS_NOSUID | MS_NODEV, "mode=1777")
    mount("devtmpfs", "/dev/.kernel", "devtmpfs", MS_NOSUID)
    mount("none", "/dev/.kernel", flags=MS_BIND | MS_REMOUNT | MS_RDONLY | MS_NOSUID)
    for entry in os.scandir(f"{ROOT}/dev/.kernel"):
        if entry.is_symlink():
            continue
        mode = entry.stat().st_mode
        foreign_disk = stat.S_ISBLK(mode) and not entry.name.startswith("loop")
        if foreign_disk or entry.name in ("mem", "port", "kmem", "kmsg", "nvram", "kvm", "vfio"):
            if stat.S_ISDIR(mode):
                mount("tmpfs", f"/dev/.kernel/{entry.name}", "tmpfs", MS_RDONLY)
            else:
                mount(f"{ROOT}/dev/null", f"/dev/.kernel/{entry.name}", flags=MS_BIND)


def install(device: str, flavour: str, what: dict[str, str]) -> None:
    """Before the first boot: copy files and trees into snapshot 1 (and /var), then make it what the flavour wants.

    :param what: path in the lab by path on the host
    """
    mount(device, "/", "btrfs", data="subvol=/@")
    at = Path(ROOT)
    for source, target in what.items():
        inside = target.strip("/")
        top = inside.partition("/")[0]
        base = at if top in ("var", "home", "root", "opt") else at / ".snapshots/1/snapshot"
        if os.path.isdir(source):
            if inside:
                shutil.copytree(source, base / inside, symlinks=True, dirs_exist_ok=True)
                continue
            for entry in os.scandir(source):
                beneath = at if entry.name in ("var", "home", "root", "opt") else base
                if entry.is_dir(follow_symlinks=False):
                    shutil.copytree(entry.path, beneath / entry.name, symlinks=True, dirs_exist_ok=True)
                else:
                    shutil.copy2(entry.path, beneath / entry.name, follow_symlinks=False)
        else:
            (base / inside).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, base / inside)
            (base / inside).chmod(0o755 if os.access(source, os.X_OK) else 0o644)
    if flavour == "microos":
        snapshot = str(at / ".snapshots/1/snapshot")
        subprocess.run(["btrfs", "property", "set", "-ts", snapshot, "ro", "true"], check=True)
    check(libc.umount2(ROOT.encode(), 0), "unmounting after the installation")


def boot(config: dict[str, object]) -> None:
    """Everything between a new namespace and a running lab."""
    device, flavour = str(config["device"]), str(config["flavour"])
    check(libc.unshare(CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC), "making namespaces")
    check(libc.mount(b"none", b"/", None, ctypes.c_ulong(MS_REC | MS_PRIVATE), b""), "making mounts private")
    to_install = config["install"]
    if isinstance(to_install, dict):
        install(device, flavour, to_install)
    mount_disk(device, flavour, str(config["root"]))
    mount_kernel()
    for folder in ("/run/lock", "/run/systemd", "/run/systemd/journal", "/run/snapper"):
        os.mkdir(ROOT + folder)
    mount_dev()
    enter_root()
    name = str(config["name"]).encode()
    libc.sethostname(name, len(name))


def enter_root() -> None:
    """Make what was mounted the root of this process and of all that it starts."""
    os.chdir(ROOT)
    check(libc.pivot_root(b".", b"."), "pivot_root")
    check(libc.umount2(b".", MNT_DETACH), "dropping the host's root")
    os.chroot(".")
    os.chdir("/")
    # systemd makes every mount shared at boot; what tukit and systemd-sysext do relies on it.
    check(libc.mount(b"none", b"/", None, ctypes.c_ulong(MS_REC | MS_SHARED), b""), "making mounts shared")


def first_process(config: dict[str, object], owner_fd: int | None, ready_fd: int) -> None:
    try:
        boot(config)
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody else reaps the lab's orphans
    except Exception as error:  # whoever started the lab hears of it, whatever it is: here nobody catches it
        os.write(ready_fd, f"error {error}\n".encode())
        return
    os.write(ready_fd, b"ready\n")
    os.close(ready_fd)
    if owner_fd is None:
        null = os.open("/dev/null", os.O_RDWR)
        for fd in (0, 1, 2):
            os.dup2(null, fd)
        while True:
            signal.pause()
    while os.read(owner_fd, 1):
        pass


def main() -> None:
    config = json.loads(sys.argv[1])
    owner_fd, ready_fd = config["owner_fd"], config["ready_fd"]
    if owner_fd is None:
        os.setsid()
    global ROOT
    ROOT = config["mount_point"]
    try:
        check(libc.unshare(CLONE_NEWPID), "making a pid namespace")
    except OSError as error:
        os.write(ready_fd, f"error {error}\n".encode())
        return
    pid = os.fork()
    if pid == 0:
        first_process(config, owner_fd, ready_fd)
        os._exit(0)
    os.write(ready_fd, f"pid {pid}\n".encode())
    os.close(ready_fd)
    if owner_fd is None:
        return
    os.close(owner_fd)
    os.waitpid(pid, 0)


if __name__ == "__main__":
    main()
