# SPDX-License-Identifier: LGPL-2.1-or-later
"""The one lock: transactions hold it shared from publish to link, a collection alone (flock(2))."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tukit_sysext.system.durable import make_directory


@contextmanager
def shared(path: Path) -> Iterator[None]:
    """Hold the lock shared, waiting for a collection that has it alone to end. Raises OSError."""
    make_directory(path.parent)
    # a lock file is never removed: two processes could hold locks on two files of one name then
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH)
        yield
    finally:
        os.close(descriptor)
