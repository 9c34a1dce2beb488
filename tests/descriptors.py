# SPDX-License-Identifier: LGPL-2.1-or-later
"""Every way in which the descriptors 0 to 2 of a process may be of no use. Standard library alone: a lab runs it.

``python3 descriptors.py COMMAND...`` starts a command with each of COMMON and prints, as JSON, what came of each case.
"""

from __future__ import annotations

import itertools
import json
import os
import pty
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

Case = tuple[str, str, str]
"""Standard input, output and error."""

OUTPUTS = ("null", "reader gone", "full pipe", "full pipe, non-blocking", "full disk", "dead terminal", "closed")
ALL: Sequence[Case] = tuple(itertools.product(("null", "closed"), OUTPUTS, OUTPUTS))
COMMON: Sequence[Case] = (
    *(("null", "null", kind) for kind in OUTPUTS),
    *(("null", kind, "null") for kind in OUTPUTS[1:]),
    *(("closed", kind, kind) for kind in OUTPUTS),
)
"""Each kind alone and all at once: for what takes its time."""
PATIENCE = 50
"""Seconds within which everything ends."""


@contextmanager
def opened(kind: str, kept: list[int]) -> Iterator[int | None]:
    """A descriptor of this kind; None for one that is closed. What has to stay open is added to ``kept``."""
    if kind == "closed":
        yield None
        return
    if kind in ("null", "full disk"):
        descriptor = os.open("/dev/null" if kind == "null" else "/dev/full", os.O_RDWR)
    elif kind == "dead terminal":
        master, descriptor = pty.openpty()
        os.close(master)
    else:
        reader, descriptor = os.pipe()
        if kind == "reader gone":
            os.close(reader)
        else:
            kept.append(reader)
            os.set_blocking(descriptor, False)
            try:
                while True:
                    os.write(descriptor, b"x" * 4096)
            except BlockingIOError:
                os.set_blocking(descriptor, "non-blocking" not in kind)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def status_of(case: Case, work: Callable[[], int]) -> tuple[int, float]:
    """Have a child do the work with these descriptors: its exit status (minus a signal), and the seconds it took."""
    kept: list[int] = []
    started = time.monotonic()
    with opened(case[0], kept) as stdin, opened(case[1], kept) as stdout, opened(case[2], kept) as stderr:
        child = os.fork()
        if child == 0:
            try:
                _put(stdin, stdout, stderr)
                os._exit(work())
            finally:
                os._exit(99)
    signal.signal(signal.SIGALRM, lambda *_: os.kill(child, signal.SIGKILL))
    signal.alarm(PATIENCE)
    _, status = os.waitpid(child, 0)
    signal.alarm(0)
    for number in kept:
        os.close(number)
    return os.waitstatus_to_exitcode(status), time.monotonic() - started


def _put(*descriptors: int | None) -> None:
    """Make these the descriptors 0 to 2, the only ones."""
    high = [None if number is None else os.dup2(number, 100 + place) for place, number in enumerate(descriptors)]
    for place, number in enumerate(high):
        if number is None:
            os.close(place)
        else:
            os.dup2(number, place)
    os.closerange(3, 200)


def main(command: Sequence[str]) -> None:
    """Run a command with each case of COMMON."""

    def work() -> int:
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
        os.execv(command[0], [*command])  # noqa: S606  # as tukit starts it

    print(json.dumps([[case, *status_of(case, work)] for case in COMMON]))


if __name__ == "__main__":
    main(sys.argv[1:])
