# SPDX-License-Identifier: LGPL-2.1-or-later
"""What came of images whose download was not finished, by the hash that the whole image must have (row P5).

A file of the store's folder that root alone may write to, whose name no reader takes for an image: it begins with a dot
and has no ``.raw`` at its end. A collection takes it for what a process left behind, and takes it away by its age. It
has that name while it is written to, so that it outlives a process that is killed; that process has it locked, and
another one at the same image writes to a file without a name. Nothing in it is trusted: its bytes are hashed anew with
those that follow, and the hash of the whole decides.
"""

from __future__ import annotations

import fcntl
import os
import stat
from contextlib import suppress
from pathlib import Path

from tukit_sysext.system.durable import TEMPORARY_PREFIX

_PREFIX = f"{TEMPORARY_PREFIX}partial."
_MOST = 8
"""How many are kept; of more the oldest go."""
LEAST = 64 * 1024
"""Bytes below which nothing is kept."""


class Partial:
    """That of one image, which has the hash ``sha256`` and at most ``limit`` bytes; so have all of them together."""

    def __init__(self, folder: Path, sha256: str, *, limit: int) -> None:
        self.folder = folder
        self.sha256 = sha256
        self.limit = limit
        self.path = folder / f"{_PREFIX}{sha256}"

    def open(self) -> int | None:
        """A descriptor to read it; None where there is none that was kept here, and of use: another one is dropped."""
        try:
            descriptor = os.open(self.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError:
            return None
        status = os.fstat(descriptor)
        ours = stat.S_ISREG(status.st_mode) and status.st_uid == os.geteuid() and not status.st_mode & 0o022
        if ours and status.st_nlink == 1 and LEAST <= status.st_size <= self.limit:
            return descriptor
        os.close(descriptor)
        if ours:
            _drop(self.path)
        return None

    def keep(self, descriptor: int) -> None:
        """Give the open file without a name this one, where it has more than what was kept before. Raises OSError.

        Nothing is done where another process writes to that.
        """
        size = os.fstat(descriptor).st_size
        if size < LEAST or size <= _size(self.path) or not _drop(self.path):
            return
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        give_name(descriptor, self.path)

    def drop(self, descriptor: int) -> None:
        """Forget what was kept: the image is whole, or what was kept is no part of it. Raises OSError.

        What another process than that of the open file writes to stays.
        """
        if is_name_of(self.path, descriptor):
            self.path.unlink()
        else:
            _drop(self.path)

    def thin_out(self) -> None:
        """Take away the oldest of too many, and of too large ones. Raises OSError."""
        kept = sorted(self.folder.glob(f"{_PREFIX}*"), key=lambda path: path.lstat().st_mtime, reverse=True)
        size = 0
        for number, path in enumerate(kept):
            size += _size(path)
            if number >= _MOST or size > self.limit:
                _drop(path)


def give_name(descriptor: int, path: Path) -> None:
    """Give the open file without a name one. Raises OSError, FileExistsError where it is taken."""
    directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        # os.link follows the link in /proc only when dst_dir_fd is given
        os.link(f"/proc/self/fd/{descriptor}", path.name, dst_dir_fd=directory, follow_symlinks=True)
    finally:
        os.close(directory)


def is_name_of(path: Path, descriptor: int) -> bool:
    """Whether the open file has this name."""
    with suppress(OSError):
        return os.path.samestat(path.lstat(), os.fstat(descriptor))
    return False


def _drop(path: Path) -> bool:
    """Take a name away, unless a process writes to the file; whether it is away. Raises OSError."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return True
    except OSError:
        path.unlink()  # a symbolic link: nothing that is written to here
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        path.unlink(missing_ok=True)
    except BlockingIOError:
        return False
    finally:
        os.close(descriptor)
    return True


def _size(path: Path) -> int:
    with suppress(OSError):
        return path.lstat().st_size
    return 0
