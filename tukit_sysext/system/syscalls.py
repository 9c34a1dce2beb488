# SPDX-License-Identifier: LGPL-2.1-or-later
"""System calls that Python's os module does not have: openat2(2), and renameat2(2) with RENAME_NOREPLACE.

The kernel does in one step what would else be a check and its use, between which somebody can swap a file.
"""

from __future__ import annotations

import ctypes
import os
from functools import cache, lru_cache
from typing import Any

RESOLVE_NO_MAGICLINKS = 0x02
RESOLVE_NO_SYMLINKS = 0x04
RESOLVE_BENEATH = 0x08
RESOLVE_IN_ROOT = 0x10

_SYS_OPENAT2 = 437  # the same number on every architecture: openat2 came after the tables were unified
_libc = ctypes.CDLL(None, use_errno=True)
_syscall = _libc.syscall


class _OpenHow(ctypes.Structure):
    """struct open_how of openat2(2)."""

    _fields_ = (("flags", ctypes.c_uint64), ("mode", ctypes.c_uint64), ("resolve", ctypes.c_uint64))


_HOW_SIZE = ctypes.sizeof(_OpenHow)


@cache
def _how(flags: int, resolve: int) -> Any:
    return ctypes.byref(_OpenHow(flags, 0, resolve))


@lru_cache(maxsize=256)
def _encoded(path: str) -> bytes:
    """A path as the kernel takes it; the same ones are asked for in every snapshot."""
    raw = os.fsencode(path)
    if b"\0" in raw:
        raise ValueError(f"path with a NUL byte: {path!r}")
    return raw


def openat2(directory: int, path: str, flags: int, *, resolve: int) -> int:
    """Open ``path`` below the descriptor ``directory`` and return a new descriptor (close-on-exec).

    Raises OSError: ELOOP for a symbolic link where ``resolve`` forbids one, EXDEV for a way out of the directory, else
    as open(2).
    """
    raw = _encoded(path)
    while True:
        descriptor: int = _syscall(_SYS_OPENAT2, directory, raw, _how(flags | os.O_CLOEXEC, resolve), _HOW_SIZE)
        if descriptor >= 0:
            return descriptor
        number = ctypes.get_errno()
        # EAGAIN: the kernel saw a rename race while it resolved ".." and asks to try again, openat2(2)
        if number not in (11, 4):
            raise OSError(number, os.strerror(number), path)


_RENAME_NOREPLACE = 1


def rename_new(source: int, name: str, target: int, new_name: str) -> None:
    """Move ``name`` of the directory ``source`` (a descriptor) to ``target``, as ``new_name``.

    Raises OSError: FileExistsError where that name is taken, else as rename(2).
    """
    done = _libc.renameat2(source, os.fsencode(name), target, os.fsencode(new_name), _RENAME_NOREPLACE)
    if done != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), name, None, new_name)
