# SPDX-License-Identifier: LGPL-2.1-or-later
"""Blocks that two files have in common on the disk, ioctl_ficlonerange(2)."""

from __future__ import annotations

import errno
import fcntl
import struct

_FICLONERANGE = 0x4020940D
CANNOT_CLONE = (errno.EINVAL, errno.EOPNOTSUPP, errno.EXDEV, errno.ENOTTY)
"""What :func:`clone_range` raises where files cannot have these blocks in common."""


def clone_range(source: int, offset: int, size: int, target: int, target_offset: int) -> None:
    """Have ``size`` bytes of an open file at an offset of another one too, without copying them.

    Offsets and size are multiples of the file system's block. Raises OSError.
    """
    fcntl.ioctl(target, _FICLONERANGE, struct.pack("qQQQ", source, offset, size, target_offset))
