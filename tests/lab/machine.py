# SPDX-License-Identifier: LGPL-2.1-or-later
"""A running lab, as tests and people use it.

A lab is an unnamed btrfs file behind a loop device, mounted in the namespaces of one holder process (holder.py). No
name of it is left on the host, so when the owner of a lab ends, however it ends, the kernel removes all of it.
"""

from __future__ import annotations

import contextlib
import csv
import enum
import io
import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import ClassVar, Self

from tests.lab import base, disk
from tests.lab.errors import LabError

_HERE = Path(__file__).parent

TUKIT_DRIVER = {str(_HERE / "tukit.py"): "/usr/sbin/tukit"}
ETC_PLUGIN = {str(_HERE / "50-etc"): "/usr/lib/snapper/plugins/50-etc"}
"""Our stand-ins for parts of transactional-update: their path in the lab by the file here."""

ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": "/root",
    "LANG": "C.UTF-8",
    "TERM": "dumb",
}
"""What lab.run gives to a command, beside what the test adds: nothing of the tester's own environment."""

_TRIES_FOR_A_LOOP_DEVICE = 10


class Flavour(enum.Enum):
    """How a machine's root is laid out."""

    MICROOS = "microos"
    """Read-only root, /etc a subvolume nested in each snapshot (transactional-update >= 5)."""

    TUMBLEWEED = "tumbleweed"
    """Writable root, /etc a plain directory of it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SnapshotRow:
    """A snapshot as `snapper list` shows it (snapper(8))."""

    number: int
    default: bool
    active: bool
    read_only: bool
    userdata: Mapping[str, str] = field(default_factory=dict)


class Lab:
    """A test machine. Use as a context manager, or call stop(); made by start() or attach()."""

    holder: ClassVar[Path] = _HERE / "holder.py"
    """What makes its namespaces and holds them."""
    namespaces: ClassVar[tuple[str, ...]] = ("mount", "pid", "uts", "ipc")
    """Those that a command has to enter, by nsenter(1)'s names."""
    start_seconds: ClassVar[float] = 60

    def __init__(self, *, flavour: Flavour, name: str, device: str) -> None:
        self.flavour = flavour
        self.name = name
        self.device = device
        self.pid = 0
        """The lab's first process, by the host's number; 0 when it is stopped."""
        self._holder: subprocess.Popen[bytes] | None = None
        self._owner_fd = -1
        self._ready_fd = -1
        self._loop_fd = -1
        self._disk_fd = -1

    @classmethod
    def start(
        cls,
        flavour: Flavour,
        *,
        install: Mapping[Path, str] | None = None,
        name: str = "lab",
        detached: bool = False,
        driver: bool = True,
        image: Path | None = None,
    ) -> Self:
        """A fresh machine with one snapshot, number 1, running.

        :param install: paths in the lab by the files or trees of the host that are copied there before the first
            boot; a tree at "/" is laid over the root (what is below var, home, root, opt goes to those subvolumes)
        :param name: its host name
        :param detached: it stays after this process ends, until somebody stops it
        :param driver: tukit is our driver (tukit.py); else it has to come with `install`
        :param image: another disk than the flavour's own
        :raises LabError: with what is missing or failed
        """
        lab = cls.on_disk(image or base.disk_for(flavour.value), flavour=flavour, name=name)
        what = ETC_PLUGIN | (TUKIT_DRIVER if driver else {})
        what.update({str(source.resolve()): target for source, target in (install or {}).items()})
        try:
            lab._boot(install=what, detached=detached)
        except BaseException:
            lab.stop()
            raise
        return lab

    @classmethod
    def on_disk(cls, image: Path, *, flavour: Flavour, name: str) -> Self:
        """A machine with a copy of a disk, which nobody has started."""
        disk_fd = disk.unnamed_file()
        try:
            disk.copy_sparse(image, disk_fd)
            disk.change_filesystem_id(disk_fd)
            device, loop_fd = disk.attach_loop(disk_fd, f"tukit-lab-{os.getpid()}-{name}")
        except BaseException:
            os.close(disk_fd)
            raise
        lab = cls(flavour=flavour, name=name, device=device)
        lab._disk_fd, lab._loop_fd = disk_fd, loop_fd
        return lab

    @classmethod
    def attach(cls, *, pid: int, flavour: Flavour, name: str, device: str) -> Self:
        """A lab that was started detached, by its first process."""
        lab = cls(flavour=flavour, name=name, device=device)
        lab.pid = pid
        return lab

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _boot(self, *, install: Mapping[str, str] | None = None, detached: bool = False, root: str = "") -> None:
        """Start a holder for the disk as it is now."""
        owner_read, owner_write = os.pipe()
        ready_read, ready_write = os.pipe()
        config = {
            "device": self.device,
            "flavour": self.flavour.value,
            "install": install,
            "mount_point": str(base.mount_point()),
            "name": self.name,
            "owner_fd": None if detached else owner_read,
            "ready_fd": ready_write,
            "root": root,
        }
        try:
            holder = subprocess.Popen(
                [sys.executable, "-I", "-S", str(self.holder), json.dumps(config)],
                stdin=subprocess.DEVNULL,
                pass_fds=[ready_write] if detached else [owner_read, ready_write],
                env=ENVIRONMENT,
                cwd="/",
            )
        except BaseException:
            os.close(owner_write)
            os.close(ready_read)
            raise
        finally:
            os.close(owner_read)
            os.close(ready_write)
        if detached:
            os.close(owner_write)
        else:
            self._owner_fd, self._holder = owner_write, holder
        self._ready_fd = ready_read
        self.pid = _wait_until_ready(ready_read, self.start_seconds)
        if detached:
            holder.wait()

    def merge(self) -> None:
        """Have the real systemd-sysext merge, as at a boot. Raises subprocess.CalledProcessError.

        It is run again where another lab took the loop device that it was about to take (systemd gives that up).
        """
        for _ in range(_TRIES_FOR_A_LOOP_DEVICE):
            done = self.run(["systemd-sysext", "merge"], check=False)
            if "Device or resource busy" not in done.stderr:
                break
        if done.returncode != 0:
            failure = subprocess.CalledProcessError(done.returncode, done.args, done.stdout, done.stderr)
            failure.add_note(done.stderr)
            raise failure

    def run(
        self,
        argv: Sequence[str | os.PathLike[str]],
        *,
        check: bool = True,
        input: str | None = None,
        env: Mapping[str, str] | None = None,
        timeout: float = 60,
    ) -> subprocess.CompletedProcess[str]:
        """Run a command in the lab as root, in "/", and wait for it.

        :param check: raise subprocess.CalledProcessError, with the output in its notes, for a non-zero status
        :param input: its standard input, else empty
        :param env: added to ENVIRONMENT
        :param timeout: seconds after which it is killed and subprocess.TimeoutExpired raised
        """
        command = self.enter_command(argv)
        with subprocess.Popen(
            command,
            stdin=subprocess.PIPE if input is not None else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="backslashreplace",
            env={**ENVIRONMENT, **(env or {})},
            start_new_session=True,
        ) as process:
            try:
                stdout, stderr = process.communicate(input, timeout)
            except BaseException:
                # nsenter is the parent of the command, and killing it alone would leave the command running.
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                raise
        plain = [os.fspath(word) for word in argv]
        done = subprocess.CompletedProcess(plain, process.returncode, stdout, stderr)
        if check and done.returncode != 0:
            failure = subprocess.CalledProcessError(done.returncode, plain, stdout, stderr)
            failure.add_note(f"stdout:\n{stdout}\nstderr:\n{stderr}")
            raise failure
        return done

    def enter_command(self, argv: Sequence[str | os.PathLike[str]]) -> list[str]:
        """The host's command line that runs argv in the lab, for tests that need more than run()."""
        if not self.pid:
            raise LabError(f"the lab {self.name} is stopped")
        return [
            "nsenter",
            f"--target={self.pid}",
            *(f"--{namespace}" for namespace in self.namespaces),
            "--root",
            "--wd",
            "--",
            *(os.fspath(word) for word in argv),
        ]

    def tukit(
        self, *args: str, check: bool = False, input: str | None = None,
        env: Mapping[str, str] | None = None, timeout: float = 120,
    ) -> subprocess.CompletedProcess[str]:  # fmt: skip
        """Run tukit(8) with these arguments."""
        return self.run(["tukit", *args], check=check, input=input, env=env, timeout=timeout)

    @property
    def holder_pid(self) -> int:
        """What holds the lab's namespaces, by the host's number; 0 when it is stopped or detached."""
        return 0 if self._holder is None else self._holder.pid

    def path(self, inside: str | os.PathLike[str]) -> Path:
        """The host's path to a file of the lab, as the lab's processes see it.

        The last component and the folders are looked up among the lab's mounts, but an absolute symlink on the way
        leads to the host's file: use run() where there are such links.
        """
        if not self.pid:
            raise LabError(f"the lab {self.name} is stopped")
        return Path(f"/proc/{self.pid}/root") / os.fspath(inside).lstrip("/")

    def snapshot(self, number: int) -> Path:
        """The host's path to the tree of a snapshot."""
        return self.path(f"/.snapshots/{number}/snapshot")

    def snapshots(self) -> list[SnapshotRow]:
        """The snapshots that snapper knows, without its number 0, which means the running system."""
        columns = "number,default,active,read-only,userdata"
        listed = self.run(["snapper", "--no-dbus", "--csvout", "list", "--columns", columns]).stdout
        return [
            SnapshotRow(
                number=int(row["number"]),
                default=row["default"] == "yes",
                active=row["active"] == "yes",
                read_only=row["read-only"] == "yes",
                userdata=dict(_pair(entry) for entry in row["userdata"].split(",") if entry.strip()),
            )
            for row in csv.DictReader(io.StringIO(listed))
            if int(row["number"]) != 0
        ]

    @property
    def default(self) -> int:
        """The number of the snapshot that boots next."""
        return next(row.number for row in self.snapshots() if row.default)

    @property
    def running(self) -> int:
        """The number of the snapshot that runs."""
        return next(row.number for row in self.snapshots() if row.active)

    @property
    def disk(self) -> Path:
        """The host's path to the backing file of the disk, while this process owns the lab."""
        return Path(f"/proc/{os.getpid()}/fd/{self._disk_fd}")

    @contextlib.contextmanager
    def unlocked(self) -> Iterator[None]:
        """The running snapshot can be written meanwhile, as by an image build; changes nothing where it always can."""
        if self.flavour is Flavour.TUMBLEWEED:
            yield
            return
        tree = f"/.snapshots/{self.running}/snapshot"  # "/" is mounted read-only, so the flag is out of reach there
        self.run(["btrfs", "property", "set", "-ts", tree, "ro", "false"])
        self.run(["mount", "-o", "remount,bind,rw", "/"])
        try:
            yield
        finally:
            self.run(["mount", "-o", "remount,bind,ro", "/"])
            self.run(["btrfs", "property", "set", "-ts", tree, "ro", "true"])

    def reboot(self) -> None:
        """End every process of the lab, unmount, and boot what the default subvolume is now.

        What changed in the old /etc comes into the new one, as transactional-update brings it.
        /run and /tmp are fresh then, and path() leads to the new processes' files.
        """
        detached = self._holder is None
        keep = os.open(self.device, os.O_RDONLY | os.O_CLOEXEC)  # else the loop device would clear itself
        try:
            self._end_processes()
            self._boot(detached=detached)
        finally:
            os.close(keep)

    def stop(self) -> None:
        """End the lab and drop its disk; for a second time it does nothing."""
        self._end_processes()
        self._close("_loop_fd", "_disk_fd")

    def end(self) -> int:
        """End the lab, but keep its disk: the descriptor of its file, which the caller closes."""
        self.run(["btrfs", "filesystem", "sync", "/"])
        kept = os.dup(self._disk_fd)
        self.stop()
        return kept

    def release(self) -> None:
        """Let go of a detached lab: it lives on without this process."""
        self.pid = 0
        self.stop()

    def _close(self, *names: str) -> None:
        for name in names:
            fd: int = getattr(self, name)
            if fd >= 0:
                os.close(fd)
                setattr(self, name, -1)

    def _end_processes(self) -> None:
        self._close("_owner_fd", "_ready_fd")
        if self._holder is not None:
            try:
                self._holder.wait(self.start_seconds)
            except subprocess.TimeoutExpired:
                if self.pid:
                    os.kill(self.pid, signal.SIGKILL)
                self._holder.wait()
            self._holder = None
        elif self.pid:
            kill_and_wait(self.pid)
        self.pid = 0


def kill_and_wait(pid: int) -> None:
    """Kill a process that is not our child and wait until it is gone."""
    try:
        pidfd = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        signal.pidfd_send_signal(pidfd, signal.SIGKILL)
        select.select([pidfd], [], [], Lab.start_seconds)
    except ProcessLookupError:
        pass
    finally:
        os.close(pidfd)


def _pair(entry: str) -> tuple[str, str]:
    key, _, value = entry.strip().partition("=")
    return key, value


def _wait_until_ready(ready_fd: int, seconds: float) -> int:
    """Read what the holder says until its lab is up; returns the pid of the lab's first process."""
    said, deadline = b"", time.monotonic() + seconds
    while True:
        if not select.select([ready_fd], [], [], max(0.0, deadline - time.monotonic()))[0]:
            raise LabError(f"the lab was not up after {seconds:.0f} seconds")
        chunk = os.read(ready_fd, 4096)
        said += chunk
        lines = said.decode(errors="replace").splitlines()
        failures = [line.removeprefix("error ") for line in lines if line.startswith("error ")]
        if failures:
            raise LabError(f"the lab could not boot: {failures[0]}")
        if said.endswith(b"\n") and "ready" in lines:
            return int(next(line.split()[1] for line in lines if line.startswith("pid ")))
        if not chunk:
            raise LabError("the lab's holder ended before the lab was up")
