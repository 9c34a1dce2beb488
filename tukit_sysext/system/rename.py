# SPDX-License-Identifier: LGPL-2.1-or-later
"""renameat2(2) with RENAME_NOREPLACE, which Python's os module does not have: a move that never lands on something."""

from __future__ import annotations

import ctypes
import os

_RENAME_NOREPLACE = 1
_libc = ctypes.CDLL(None, use_errno=True)


def rename_new(source: int, name: str, target: int, new_name: str) -> None:
    """Move ``name`` of the directory ``source`` (a descriptor) to ``target``, as ``new_name``.

    Raises OSError: FileExistsError where that name is taken, else as rename(2).
    """
    done = _libc.renameat2(source, os.fsencode(name), target, os.fsencode(new_name), _RENAME_NOREPLACE)
    if done != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), name, None, new_name)
