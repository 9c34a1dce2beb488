# SPDX-License-Identifier: LGPL-2.1-or-later
"""Deleting our own state: records, ledger, memory of signatures, cache, marks. Images, links, configuration stay.

Nothing is followed out of our folders: no symbolic link, and no other file system. The folders themselves stay: our
units may only write into folders that are there when they start. So does the lock file, which is held: otherwise two
processes could hold locks on two files of one name.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tukit_sysext.errors import OutsideTree
from tukit_sysext.machine import Machine
from tukit_sysext.system.durable import TEMPORARY_PREFIX
from tukit_sysext.system.lock import exclusive


@dataclass(frozen=True, kw_only=True, slots=True)
class Purged:
    """What is deleted in one folder: so many files with so many bytes."""

    path: Path
    files: int
    size: int


def purge_preview(machine: Machine) -> Sequence[Purged]:
    """What would be deleted. Raises OSError, OutsideTree."""
    return tuple(_purge(machine, delete=False))


def purge(machine: Machine) -> Sequence[Purged]:
    """Delete our state; what was deleted. Raises Busy while another process is at work, OSError, OutsideTree."""
    with exclusive(machine.layout.lock):
        purge_preview(machine)  # where one folder is none of ours, all of them stay
        return tuple(_purge(machine, delete=True))


def _purge(machine: Machine, *, delete: bool) -> Iterator[Purged]:
    layout = machine.layout
    stays = {layout.records, layout.seen, layout.events, layout.locks, layout.lock, layout.changes_lock}
    stays |= set(layout.locks.glob("*"))  # a lock that somebody holds stays one
    # what shows that something is wrong goes last
    if delete:
        layout.motd.unlink(missing_ok=True)
    for folder in (layout.state, layout.cache, layout.runtime):
        yield _Folder(folder, stays, delete=delete).run()
    yield _Folder(layout.store, set(), delete=delete, prefix=TEMPORARY_PREFIX).run()


class _Folder:
    """Empties one folder, except what stays; with ``prefix`` only of files whose name begins so."""

    def __init__(self, path: Path, stays: set[Path], *, delete: bool, prefix: str = "") -> None:
        self._path = path
        self._stays = stays
        self._delete = delete
        self._prefix = prefix
        self._files = 0
        self._size = 0

    def run(self) -> Purged:
        try:
            descriptor = os.open(self._path, _DIRECTORY)
        except FileNotFoundError:
            return Purged(path=self._path, files=0, size=0)
        except OSError as error:
            raise OutsideTree(
                f"{self._path}: expected a directory of tukit-sysext, found something else: {error.strerror}",
                next_step="nothing of it was deleted; look at it, and move it away",
            ) from error
        try:
            self._empty(descriptor, self._path, os.fstat(descriptor).st_dev)
        finally:
            os.close(descriptor)
        return Purged(path=self._path, files=self._files, size=self._size)

    def _empty(self, directory: int, path: Path, device: int) -> None:
        for name in sorted(os.listdir(directory)):
            if not name.startswith(self._prefix):
                continue
            try:
                status = os.stat(name, dir_fd=directory, follow_symlinks=False)
            except FileNotFoundError:
                continue
            if stat.S_ISDIR(status.st_mode):
                if not self._prefix:
                    self._descend(directory, name, path / name, device)
            elif path / name not in self._stays:
                self._files += 1
                self._size += status.st_blocks * 512
                if self._delete:
                    os.unlink(name, dir_fd=directory)
        if self._delete:
            os.fsync(directory)

    def _descend(self, directory: int, name: str, path: Path, device: int) -> None:
        descriptor = os.open(name, _DIRECTORY, dir_fd=directory)
        try:
            if os.fstat(descriptor).st_dev != device:
                return  # somebody mounted something there
            self._empty(descriptor, path, device)
        finally:
            os.close(descriptor)
        if self._delete and path not in self._stays:
            os.rmdir(name, dir_fd=directory)


_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
