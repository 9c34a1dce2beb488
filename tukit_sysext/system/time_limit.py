# SPDX-License-Identifier: LGPL-2.1-or-later
"""A time limit for code that is not ours: signal(7), setitimer(2)."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

Result = TypeVar("Result")

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


class NoAnswer(Exception):
    """A call of the kernel does not come back: what it asks (a network file system) is away."""


def answered(call: Callable[[], Result], seconds: float) -> Result:
    """What a call that only reads returns, or raises. Raises NoAnswer where it does not come back in time.

    It is left to itself then, in a thread that nobody waits for: no signal reaches a call that hangs in the kernel.
    """
    outcome: list[Result] = []
    failure: list[BaseException] = []

    def work() -> None:
        try:
            outcome.append(call())
        except BaseException as error:
            failure.append(error)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(seconds)
    if failure:
        raise failure[0]
    if not outcome:
        raise NoAnswer(f"no answer for {seconds:g} s")
    return outcome[0]
