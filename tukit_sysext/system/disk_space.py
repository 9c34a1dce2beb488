# SPDX-License-Identifier: LGPL-2.1-or-later
"""A file system that takes nothing any more: how it is known, and what can be done about it.

btrfs is full in three ways: no room for data, none for metadata (statfs(2) tells that by no available block where free
ones are), or a quota is reached, which statfs(2) does not tell.
"""

from __future__ import annotations

import errno
import os
from pathlib import Path

_FULL = (errno.ENOSPC, errno.EDQUOT)
_PROBE = 128 * 1024


def is_full(error: BaseException | None) -> bool:
    """Whether an error says that there is no room: btrfs may say so at any call."""
    return isinstance(error, OSError) and error.errno in _FULL


def not_writable(folder: Path) -> OSError | None:
    """Why nothing can be written to a folder now, tried with a file without a name; None where it can.

    A file with a name takes more of the metadata, so that one without may still get through.
    """
    try:
        descriptor = os.open(folder, os.O_TMPFILE | os.O_WRONLY | os.O_CLOEXEC, 0o600)
        try:
            os.write(descriptor, bytes(_PROBE))
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        return OSError(error.errno, error.strerror, str(folder))
    return OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(folder)) if _metadata_full(folder) else None


def hint(folder: Path, error: OSError) -> str | None:
    """The next step of a person after an error in ``folder``; None where it tells of something else."""
    if not is_full(error):
        return None
    if error.errno == errno.EDQUOT:
        return f"raise the quota (btrfs qgroup show -reF {folder}), or delete snapshots that are not needed"
    return next_step(folder)


def next_step(folder: Path) -> str:
    """What a person does about a file system without room."""
    step = "delete snapshots that are not needed (snapper delete), or enlarge the file system"
    return f"{step}; its metadata are full (btrfs filesystem usage {folder})" if _metadata_full(folder) else step


def _metadata_full(folder: Path) -> bool:
    try:
        room = os.statvfs(folder)
    except OSError:
        return False
    return room.f_bavail == 0 and room.f_bfree > 0
