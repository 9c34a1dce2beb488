# SPDX-License-Identifier: LGPL-2.1-or-later
"""Detect a full file system and suggest a remedy.

btrfs is full in three ways: no room for data, none for metadata (statfs(2) tells that by no available block where free
ones are), or a quota is reached, which statfs(2) does not tell.
"""

from __future__ import annotations

import errno
import os
import shlex
from pathlib import Path

from tukit_sysext.errors import NoSpace, StoreError

_FULL = (errno.ENOSPC, errno.EDQUOT)
_PROBE = 128 * 1024


def is_full(error: BaseException | None) -> bool:
    """Whether an error says that there is no space: btrfs may say so at any call."""
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


def remedy(folder: Path, error: OSError) -> str | None:
    """What a person can do after an error in ``folder``; None where the error is not that there is no space."""
    if not is_full(error):
        return None
    if error.errno == errno.EDQUOT:
        show = f"btrfs qgroup show -reF {shlex.quote(str(folder))}"
        return f"delete snapshots that are not needed, or raise the quota:\n{show}"
    return remedy_when_full(folder)


def remedy_when_full(folder: Path) -> str:
    """What a person can do about a full file system."""
    step = "delete snapshots that are not needed, or enlarge the file system"
    full = f"{step}; its metadata are full:\nbtrfs filesystem usage {shlex.quote(str(folder))}"
    return full if _metadata_full(folder) else step


def _metadata_full(folder: Path) -> bool:
    try:
        room = os.statvfs(folder)
    except OSError:
        return False
    return room.f_bavail == 0 and room.f_bfree > 0


def not_written(path: Path, what: str, error: OSError) -> StoreError:
    """Why the store takes nothing: NoSpace where it is full."""
    message = f"{path}: {what}: {error.strerror}"
    if is_full(error):
        return NoSpace(message, next_step=remedy(path if path.is_dir() else path.parent, error))
    return StoreError(message)
