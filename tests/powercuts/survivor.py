# SPDX-License-Identifier: LGPL-2.1-or-later
"""The machine that boots, in namespaces, from what a power cut has left."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Self

from tests.booted.machine import Machine
from tests.lab import Flavour, LabError, base
from tests.lab.disk import attach_loop, copy_sparse, unnamed_file
from tests.powercuts.blocklog import Entry
from tests.powercuts.judging import Holding

_LOOK = Path(__file__).with_name("look.py")
_MOUNTED = 'mount -t btrfs -o subvolid=5 "$1" "$2" && exec "$3" -I "$4" "$2/@"'


class Survivor(Machine):
    """Not started yet after of(); boot_again() does."""

    @classmethod
    def of(cls, disk_fd: int, *, flavour: Flavour) -> Self:
        """With a disk as it is: another id of its file system would be a change that a power cut does not make."""
        device, loop_fd = attach_loop(disk_fd, f"tukit-powercuts-{os.getpid()}")
        machine = cls(flavour=flavour, name="survivor", device=device)
        machine._disk_fd, machine._loop_fd = disk_fd, loop_fd
        return machine

    def ending(self) -> str:
        """How its first process has ended, or that it runs."""
        if self._holder is None:
            return "never started"
        try:
            return f"ended with {self._holder.wait(10)}"
        except subprocess.TimeoutExpired:
            return "runs"

    def look(self) -> Holding:
        """What the disk holds, before anybody could mend it: mounted once, as a kernel would, without a boot."""
        command = ["unshare", "--mount", "--propagation", "private", "sh", "-euc", _MOUNTED, "sh"]
        arguments = [self.device, str(base.mount_point()), sys.executable, str(_LOOK)]
        done = subprocess.run([*command, *arguments], capture_output=True, text=True)
        if done.returncode != 0:
            raise LabError(f"the disk cannot be mounted and read: {done.stderr.strip()}")
        return Holding.of(json.loads(done.stdout))


class Replay:
    """A disk that comes forward along a log of its writes."""

    def __init__(self, image: Path, log: Path) -> None:
        """Before the first entry."""
        self._log = os.open(log, os.O_RDONLY | os.O_CLOEXEC)
        self._disk = unnamed_file()
        self._applied = 0
        copy_sparse(image, self._disk)

    def close(self) -> None:
        """Drop it."""
        os.close(self._disk)
        os.close(self._log)

    def advance(self, entries: list[Entry], end: int) -> None:
        """Apply all entries up to this one; never back."""
        assert end >= self._applied
        self._write(self._disk, ((entry, entry.size) for entry in entries[self._applied : end] if entry.writes))
        self._applied = end

    def with_more(self, more: Iterable[tuple[Entry, int]]) -> int:
        """The descriptor of a copy with some more writes applied."""
        copy = unnamed_file()
        copy_sparse(Path(f"/proc/self/fd/{self._disk}"), copy)
        self._write(copy, more)
        return copy

    def _write(self, disk: int, writes: Iterable[tuple[Entry, int]]) -> None:
        for entry, size in writes:
            data = os.pread(self._log, size, entry.data)
            assert len(data) == size
            os.pwrite(disk, data, entry.offset)
