# SPDX-License-Identifier: LGPL-2.1-or-later
"""Reading small files that may be something else by now: a FIFO in the place of one would be waited on for ever."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

_PIECE = 64 * 1024
"""Bytes that are read at once: of more, the memory costs more than the reading."""


def read_small(path: Path | str, *, limit: int, dir_fd: int | None = None, follow: bool = True) -> bytes:
    """The first ``limit`` bytes of a regular file. Raises OSError, also where it is anything else (row P5)."""
    flags = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC | (0 if follow else os.O_NOFOLLOW)
    descriptor = os.open(path, flags, dir_fd=dir_fd)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "expected a regular file", str(path))
        return read_from(descriptor, limit=limit)
    finally:
        os.close(descriptor)


def read_from(descriptor: int, *, limit: int) -> bytes:
    """The next ``limit`` bytes of a file, or what there is. Raises OSError."""
    pieces, left = list[bytes](), limit
    while left > 0 and (piece := os.read(descriptor, min(_PIECE, left))):
        pieces.append(piece)
        left -= len(piece)
    return b"".join(pieces)
