# SPDX-License-Identifier: LGPL-2.1-or-later
"""Folders in which a child works, gone when it is done; those that a killed run left go after an hour."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tukit_sysext.errors import NoSpace, ToolBroken
from tukit_sysext.system.disk_space import is_full, remedy
from tukit_sysext.system.durable import make_directory
from tukit_sysext.system.process import TimedOut, run

_RM = "/usr/bin/rm"
_RM_TIMEOUT = 60.0
_PREFIX = "inspect-"
_ABANDONED = 3600


@contextmanager
def scratch_folder(parent: Path, *, what: str) -> Iterator[Path]:
    """A new folder in ``parent``, which is ours. ``what`` cannot be done without: images cannot be looked into.

    Raises NoSpace or ToolBroken where it cannot be made.
    """
    import tempfile  # 4 ms with what it imports, for images that nobody has looked into

    try:
        make_directory(parent)
        _sweep(parent)
        folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=parent))
    except OSError as error:
        raise not_written(parent, error, what=what) from error
    try:
        yield folder
    finally:
        _remove(folder)


def not_written(folder: Path, error: OSError, *, what: str) -> NoSpace | ToolBroken:
    """The error that a folder cannot be written, and so ``what``."""
    message = f"{folder}: {what}: {error.strerror}"
    return (NoSpace if is_full(error) else ToolBroken)(message, next_step=remedy(folder, error))


def _sweep(parent: Path) -> None:
    for path in parent.glob(f"{_PREFIX}*"):
        with suppress(OSError):
            if time.time() - path.stat().st_mtime > _ABANDONED:
                _remove(path)


def _remove(folder: Path) -> None:
    """Take a folder away, however deep an image made it: rmtree() gives up where folders are a thousand deep."""
    import shutil

    try:
        shutil.rmtree(folder, ignore_errors=True)
    except RecursionError:
        with suppress(TimedOut, ToolBroken):
            run([_RM, "-rf", "--", str(folder)], timeout=_RM_TIMEOUT)
