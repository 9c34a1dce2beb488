# SPDX-License-Identifier: LGPL-2.1-or-later
"""A time limit for code that is not ours: signal(7), setitimer(2)."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

_AGAIN = 1.0
"""Seconds after which it is raised again, for code that swallows it."""


class TimeUp(BaseException):
    """A call lasted too long. No Exception, so that code which catches whatever goes wrong does not catch it."""


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Raise TimeUp in the code of the block where it lasts longer.

    Only in the main thread, as signals have it; elsewhere there is no limit. Whoever set a timer gets it back.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    running = True

    def ring(*_: object) -> None:
        if running:
            raise TimeUp(f"it lasted longer than {seconds:g} seconds")

    started = time.monotonic()
    handler = signal.signal(signal.SIGALRM, ring)
    left, interval = signal.setitimer(signal.ITIMER_REAL, seconds, _AGAIN)
    try:
        try:
            yield
        finally:
            running = False
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, handler if handler is not None else signal.SIG_DFL)
        if left:
            signal.setitimer(signal.ITIMER_REAL, max(0.001, left - (time.monotonic() - started)), interval)
