# SPDX-License-Identifier: LGPL-2.1-or-later
"""Locks (flock(2)). Of the store's, transactions hold it shared from publish to link, a collection has it alone."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from tukit_sysext.errors import Busy, TukitSysextError
from tukit_sysext.system.durable import make_directory
from tukit_sysext.system.label import labelled

_PATIENCE = 180.0
_PAUSE = 0.1


Aside = Callable[[], AbstractContextManager[None]]
"""Gives a shared lock up for the time of a block, and takes it again."""


@contextmanager
def shared(path: Path) -> Iterator[Aside]:
    """Hold the lock shared, waiting for a collection that has it alone to end.

    Yields what gives it up for a while: what was seen before may have changed afterwards. Raises TukitSysextError where
    waiting takes too long: a process that hangs must not hang every update. Raises OSError.
    """
    with _lock_file(path) as descriptor:
        wait(descriptor, fcntl.LOCK_SH, path)

        @contextmanager
        def aside() -> Iterator[None]:
            fcntl.flock(descriptor, fcntl.LOCK_UN)
            try:
                yield
            finally:
                wait(descriptor, fcntl.LOCK_SH, path)

        yield aside


def wait(descriptor: int, operation: int, path: Path) -> None:
    """Take a flock(2) on an open file, waiting for others. Raises TukitSysextError where that takes too long."""
    ends = time.monotonic() + _PATIENCE
    while True:
        try:
            fcntl.flock(descriptor, operation | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if time.monotonic() > ends:
                raise TukitSysextError(
                    f"{path}: held by another process for more than {_PATIENCE:g} s",
                    next_step=f"find it with: fuser -v {path}",
                ) from None
            time.sleep(_PAUSE)


@contextmanager
def exclusive(path: Path) -> Iterator[None]:
    """Hold the lock alone. Raises Busy at once where anybody else holds it, OSError."""
    with _lock_file(path) as descriptor:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Busy(
                f"{path}: held by a transaction, a repair or another collection",
                next_step="try again when it has ended",
            ) from None
        yield


@contextmanager
def queued(path: Path, waiting: Callable[[], None]) -> Iterator[None]:
    """Hold a lock alone; where another process has it, tell so by ``waiting``, and wait for it, however long it takes.

    Raises OSError.
    """
    with _lock_file(path) as descriptor:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            waiting()
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield


@contextmanager
def _lock_file(path: Path) -> Iterator[int]:
    make_directory(path.parent)
    # a lock file is never removed: two processes could hold locks on two files of one name then
    with labelled(path):
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        yield descriptor
    finally:
        os.close(descriptor)
