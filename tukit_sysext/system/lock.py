# SPDX-License-Identifier: LGPL-2.1-or-later
"""Locks (flock(2)), each with a deadline: nobody waits for ever, and who holds a lock is named.

Whoever can open a file can lock it, and so keep everybody waiting: what is waited for are files of mode 0600, never a
folder or a file that others may read. Of the store's lock transactions hold a share from publish to link, a collection
has it alone.
"""

from __future__ import annotations

import fcntl
import logging
import os
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from pathlib import Path

from tukit_sysext.errors import Busy
from tukit_sysext.system.durable import make_directory
from tukit_sysext.system.holders import holders
from tukit_sysext.system.label import labelled

log = logging.getLogger(__name__)

_PATIENCE = 180.0
"""Seconds for which a job waits for another one."""
_QUEUE_PATIENCE = 600.0
"""Seconds for which a command waits for another one, which may be downloading."""
_FORMER_PATIENCE = 1.0
_PAUSE = 0.1

Aside = Callable[[], AbstractContextManager[None]]
"""Gives a shared lock up for the time of a block, and takes it again."""


@contextmanager
def shared(path: Path) -> Iterator[Aside]:
    """Hold the lock shared, waiting for a collection that has it alone to end.

    Yields what gives it up for a while: what was seen before may have changed afterwards. Raises Busy where waiting
    takes too long: a process that hangs must not hang every update. Raises OSError.
    """
    with _lock_file(path) as descriptor:
        _wait(descriptor, fcntl.LOCK_SH, path, _PATIENCE)

        @contextmanager
        def aside() -> Iterator[None]:
            fcntl.flock(descriptor, fcntl.LOCK_UN)
            try:
                yield
            finally:
                _wait(descriptor, fcntl.LOCK_SH, path, _PATIENCE)

        yield aside


@contextmanager
def alone(path: Path, *, patience: float | None = None) -> Iterator[None]:
    """Hold the lock alone, waiting for others, for ``patience`` seconds at the most.

    Raises Busy, also where its file cannot be made: that says nothing about what is done under the lock.
    """
    with ExitStack() as stack:
        try:
            descriptor = stack.enter_context(_lock_file(path, folder=0o700))
        except OSError as error:
            raise Busy(f"{path}: cannot be locked: {error.strerror}") from error
        _wait(descriptor, fcntl.LOCK_EX, path, _PATIENCE if patience is None else patience)
        yield


@contextmanager
def former_lock(folder: Path) -> Iterator[None]:
    """Keep former code away meanwhile, which locked a folder itself and may run beside this one during an upgrade.

    Everybody can lock a folder: where another holds the lock, we wait shortly, then go on without.
    """
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        with suppress(Busy):
            _wait(descriptor, fcntl.LOCK_EX, folder, _FORMER_PATIENCE)
        yield
    finally:
        os.close(descriptor)


@contextmanager
def exclusive(path: Path) -> Iterator[None]:
    """Hold the lock alone. Raises Busy at once where anybody else holds it, OSError."""
    with _lock_file(path) as descriptor:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Busy(
                f"{path}: held by a transaction, a repair or another collection: {holders(path)}",
                next_step="try again when it has ended",
            ) from None
        yield


@contextmanager
def queued(path: Path, waiting: Callable[[str], None]) -> Iterator[None]:
    """Hold a lock alone; where another process has it, say so by ``waiting``, with its name, and wait for it.

    Raises Busy where that takes too long, OSError.
    """
    with _lock_file(path) as descriptor:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            waiting(holders(path))
            _wait(descriptor, fcntl.LOCK_EX, path, _QUEUE_PATIENCE)
        yield


def _wait(descriptor: int, operation: int, path: Path, patience: float) -> None:
    ends, told = time.monotonic() + patience, False
    while True:
        try:
            fcntl.flock(descriptor, operation | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if not told:
                log.info("%s: waiting for %s", path, holders(path))
                told = True
            if time.monotonic() > ends:
                raise Busy(
                    f"{path}: held for more than {patience:g} s by {holders(path)}",
                    next_step="end that process, or let it go on",
                ) from None
            time.sleep(_PAUSE)


@contextmanager
def _lock_file(path: Path, *, folder: int = 0o755) -> Iterator[int]:
    """``folder`` is the mode of the folder where it is missing."""
    make_directory(path.parent, folder)
    # a lock file is never removed: two processes could hold locks on two files of one name then
    with labelled(path):
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        if os.fstat(descriptor).st_mode & 0o077:
            os.fchmod(descriptor, 0o600)
        yield descriptor
    finally:
        os.close(descriptor)
