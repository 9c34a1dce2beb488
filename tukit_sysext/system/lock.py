# SPDX-License-Identifier: LGPL-2.1-or-later
"""The one lock: transactions hold it shared from publish to link, a collection alone (flock(2))."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tukit_sysext.errors import TukitSysextError
from tukit_sysext.system.durable import make_directory

_PATIENCE = 180.0
_PAUSE = 0.1


@contextmanager
def shared(path: Path) -> Iterator[None]:
    """Hold the lock shared, waiting for a collection that has it alone to end.

    Raises TukitSysextError where that takes too long: a process that hangs must not hang every update. Raises OSError.
    """
    make_directory(path.parent)
    # a lock file is never removed: two processes could hold locks on two files of one name then
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        ends = time.monotonic() + _PATIENCE
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > ends:
                    raise TukitSysextError(
                        f"{path}: held by another process for more than {_PATIENCE} s",
                        hint=f"find it with: fuser -v {path}",
                    ) from None
                time.sleep(_PAUSE)
        yield
    finally:
        os.close(descriptor)
