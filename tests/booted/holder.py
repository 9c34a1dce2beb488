# SPDX-License-Identifier: LGPL-2.1-or-later
"""The parent of a booted machine: makes its namespaces and control group, starts systemd there, and takes all away.

    holder.py CONFIG        (JSON: device, flavour, root, mount_point, name, owner_fd, ready_fd)

systemd is process 1 of a pid namespace. When it ends, by itself or because the pipe `owner_fd` was closed (its owner
has ended, in whatever way), the kernel ends all other processes of the machine and drops its mounts and loop devices;
the control group is removed here. On `ready_fd` it writes `pid NUMBER`, then `ready` whenever systemd has started all
that it was to start, or `error MESSAGE`. The status is the number of the signal that ended systemd: the kernel takes
SIGHUP for a reboot and SIGINT for a power-off (reboot(2)).
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import select
import signal
import socket
import sys
import uuid
from collections.abc import Mapping
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.lab import holder as lab

CLONE_NEWCGROUP, CLONE_NEWNET = 0x02000000, 0x40000000
PR_SET_PDEATHSIG, PR_CAPBSET_DROP = 1, 24
CAP_SYS_MODULE, CAP_SYS_TIME = 16, 25

NOTIFY = "/run/host/notify"
BOOT_ID = "/run/host/boot_id"
DISK = "/run/host/disk"
SYSTEMD = "/usr/lib/systemd/systemd"
SHARED = """\
[Unit]
DefaultDependencies=no
Conflicts=shutdown.target
Before=local-fs-pre.target shutdown.target

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=mount --make-rshared /
"""
MASKED = (
    "getty.target",
    "systemd-remount-fs.service",
    "apt-daily.timer",
    "apt-daily-upgrade.timer",
    "dpkg-db-backup.timer",
    "snapper-boot.timer",
    "snapper-timeline.timer",
)
"""There is no terminal, the root is mounted as it has to be, and nothing is to happen that a test did not ask for."""


def control_group(name: str) -> Path:
    """A new control group, which systemd will see as the top of all."""
    for line in Path("/proc/mounts").read_text().splitlines():
        _, where, kind, options, *_ = line.split()
        if kind == "cgroup2" and "rw" in options.split(","):
            group = Path(where, name)
            group.mkdir()
            return group
    raise OSError("there is no cgroup2 that can be written")


def remove_group(group: Path) -> None:
    """Remove a control group whose processes have ended, and the groups in it."""
    for folder, _, _ in os.walk(group, topdown=False):
        os.rmdir(folder)


def mount_machine(config: Mapping[str, str]) -> None:
    """What the initrd would mount, and what only the kernel of a machine of its own has."""
    lab.mount_disk(config["device"], config["flavour"], config["root"])
    lab.mount_kernel()
    lab.mount_dev()
    Path(f"{lab.ROOT}/dev/console").touch()
    lab.mount("cgroup2", "/sys/fs/cgroup", "cgroup2")
    Path(f"{lab.ROOT}/run/host").mkdir()
    Path(lab.ROOT + BOOT_ID).write_text(f"{uuid.uuid4()}\n")
    lab.mount(lab.ROOT + BOOT_ID, "/proc/sys/kernel/random/boot_id", flags=lab.MS_BIND)
    Path(lab.ROOT + DISK).touch()
    lab.mount(f"{lab.ROOT}{config['device']}", DISK, flags=lab.MS_BIND)
    write_mount_units()


def write_mount_units() -> None:
    """What systemd does by itself, but not in a container: without it a soft-reboot would be none of a machine.

    There everything would stay unmounted that systemd-fstab-generator(8) makes units of, and what is mounted in one
    namespace would not be seen in another one. Beneath /dev systemd would wait for udev.
    """
    units = Path(f"{lab.ROOT}/run/systemd/system")
    wants = units / "local-fs.target.wants"
    wants.mkdir(parents=True)
    for line in Path(f"{lab.ROOT}/etc/fstab").read_text().splitlines():
        what, where, kind, options, *_ = line.split()
        if what.startswith("LABEL=") and where != "/":
            name = where.strip("/").replace("-", r"\x2d").replace("/", "-").replace(".", r"\x2e") + ".mount"
            mount = f"[Mount]\nWhat={DISK}\nWhere={where}\nType={kind}\nOptions={options}\n"
            (units / name).write_text(mount)
            (wants / name).symlink_to(f"../{name}")
    (units / "shared.service").write_text(SHARED)
    (wants / "shared.service").symlink_to("../shared.service")


def first_process(config: Mapping[str, str], group: Path, notified: socket.socket) -> None:
    """Become systemd."""
    lab.check(lab.libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL), "asking for an end with the parent")
    (group / "cgroup.procs").write_text("0")
    spaces = lab.CLONE_NEWNS | lab.CLONE_NEWUTS | lab.CLONE_NEWIPC | CLONE_NEWNET | CLONE_NEWCGROUP
    lab.check(lab.libc.unshare(spaces), "making namespaces")
    private = ctypes.c_ulong(lab.MS_REC | lab.MS_PRIVATE)
    lab.check(lab.libc.mount(b"none", b"/", None, private, b""), "making mounts private")
    mount_machine(config)
    notified.bind(lab.ROOT + NOTIFY)
    lab.enter_root()
    name = config["name"].encode()
    lab.libc.sethostname(name, len(name))
    for capability in (CAP_SYS_MODULE, CAP_SYS_TIME):  # modules and clock are the host's
        lab.check(lab.libc.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0), "dropping a capability")
    null = os.open("/dev/null", os.O_RDWR)
    for fd in (0, 1, 2):
        os.dup2(null, fd)
    masks = [f"systemd.mask={unit}" for unit in MASKED]
    environment = {
        "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
        "TERM": "dumb",
        "container": "lab",
        "NOTIFY_SOCKET": NOTIFY,
    }
    words = [SYSTEMD, "--log-target=journal", "--show-status=no", *masks]
    os.execve(SYSTEMD, words, environment)  # noqa: S606  # no shell is wanted


def say(ready_fd: int, text: str) -> None:
    """A line for the owner, who may have ended."""
    with contextlib.suppress(BrokenPipeError):
        os.write(ready_fd, f"{text}\n".encode())


def hold(pid: int, owner_fd: int, ready_fd: int, notified: socket.socket) -> int:
    """Tell when systemd is ready, and end it with its owner; gives the signal that it ended with."""
    pidfd = os.pidfd_open(pid)
    try:
        while True:
            readable, _, _ = select.select([pidfd, owner_fd, notified.fileno()], [], [])
            if pidfd in readable or owner_fd in readable:
                break
            if b"READY=1" in notified.recv(65536).split(b"\n"):
                say(ready_fd, "ready")
    finally:
        signal.pidfd_send_signal(pidfd, signal.SIGKILL)
        _, status = os.waitpid(pid, 0)
    return -os.waitstatus_to_exitcode(status)


def main() -> int:
    os.setsid()  # what is typed at a terminal is for the owner alone
    config = json.loads(sys.argv[1])
    owner_fd, ready_fd = config["owner_fd"], config["ready_fd"]
    for fd in (owner_fd, ready_fd):
        os.set_inheritable(fd, False)
    lab.ROOT = config["mount_point"]
    try:
        group = control_group(f"tukit-sysext-{config['name']}-{uuid.uuid4()}")
    except OSError as error:
        say(ready_fd, f"error {error}")
        return 1
    try:
        notified = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        lab.check(lab.libc.unshare(lab.CLONE_NEWPID), "making a pid namespace")
        pid = os.fork()
        if pid == 0:
            try:
                first_process(config, group, notified)
            except Exception as error:  # nobody else would hear of it: what systemd prints goes to the journal
                say(ready_fd, f"error {error}")
            os._exit(1)
        say(ready_fd, f"pid {pid}")
        return hold(pid, owner_fd, ready_fd, notified)
    finally:
        remove_group(group)


if __name__ == "__main__":
    sys.exit(main())
