# SPDX-License-Identifier: LGPL-2.1-or-later
"""What came of images whose download was not finished, by the hash that the whole image must have (row P5).

A file of the store's folder that root alone may read, whose name no reader takes for an image: it begins with a dot and
has no ``.raw`` at its end, so that a collection takes it for what a process left behind, and takes it away by its age.
Nothing in it is believed: its bytes are hashed anew with those that follow, and the hash of the whole decides.
"""

from __future__ import annotations

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
    """That of one image; all of them together have at most ``limit`` bytes."""

    def __init__(self, folder: Path, sha256: str, *, limit: int) -> None:
        self._folder = folder
        self._path = folder / f"{_PREFIX}{sha256}"
        self._limit = limit

    def open(self) -> int | None:
        """A descriptor to read it; None where there is none, or something else than a file that was kept here."""
        try:
            descriptor = os.open(self._path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError:
            return None
        status = os.fstat(descriptor)
        ours = stat.S_ISREG(status.st_mode) and status.st_uid == os.geteuid() and not status.st_mode & 0o077
        if ours and status.st_nlink == 1 and LEAST <= status.st_size <= self._limit:
            return descriptor
        os.close(descriptor)
        return None

    def keep(self, descriptor: int) -> None:
        """Keep the file without a name behind a descriptor, where it has more than was kept before. Raises OSError."""
        size = os.fstat(descriptor).st_size
        if size < LEAST or size <= self._size(self._path):
            return
        self.drop()
        directory = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.link(f"/proc/self/fd/{descriptor}", self._path.name, dst_dir_fd=directory, follow_symlinks=True)
        finally:
            os.close(directory)
        self._thin_out()

    def drop(self) -> None:
        """Forget what was kept: the image is whole, or what was kept is no part of it. Raises OSError."""
        self._path.unlink(missing_ok=True)

    def _thin_out(self) -> None:
        kept = sorted(self._folder.glob(f"{_PREFIX}*"), key=lambda path: path.lstat().st_mtime, reverse=True)
        size = 0
        for number, path in enumerate(kept):
            size += self._size(path)
            if number >= _MOST or size > self._limit:
                path.unlink(missing_ok=True)

    @staticmethod
    def _size(path: Path) -> int:
        with suppress(OSError):
            return path.lstat().st_size
        return 0
