# SPDX-License-Identifier: LGPL-2.1-or-later
"""A time limit for code that is not ours leaves no trace behind."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator

import pytest

from tukit_sysext.system.time_limit import TimeUp, time_limit


@pytest.fixture(autouse=True)
def untimed() -> Iterator[None]:
    """Without the timer of pytest-timeout, which comes back afterwards."""
    handler = signal.getsignal(signal.SIGALRM)
    timer = signal.setitimer(signal.ITIMER_REAL, 0)
    yield
    signal.signal(signal.SIGALRM, handler)
    signal.setitimer(signal.ITIMER_REAL, *timer)


def test_what_hangs_is_broken_off() -> None:
    with pytest.raises(TimeUp, match=r"longer than 0\.05 seconds"), time_limit(0.05):
        signal.pause()


@pytest.mark.parametrize("error", [None, RuntimeError("injected")])
def test_nothing_rings_afterwards(error: Exception | None) -> None:
    handler = signal.getsignal(signal.SIGALRM)
    try:
        with time_limit(0.05):
            if error is not None:
                raise error
    except RuntimeError:
        pass
    assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)
    assert signal.getsignal(signal.SIGALRM) == handler


def test_whoever_set_a_timer_gets_it_back() -> None:
    rung = threading.Event()
    signal.signal(signal.SIGALRM, lambda *_: rung.set())
    signal.setitimer(signal.ITIMER_REAL, 0.2)
    with pytest.raises(TimeUp), time_limit(0.05):
        signal.pause()
    assert not rung.is_set()
    assert rung.wait(10)


def test_other_threads_have_no_limit() -> None:
    done: list[str] = []

    def work() -> None:
        with time_limit(0.001):
            done.append("worked")

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert done == ["worked"]
