# SPDX-License-Identifier: LGPL-2.1-or-later
"""Runs targets many times: fast, and the same way again with the same seed."""

from __future__ import annotations

import gc
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from random import Random

from tests.fuzz.target import Target

SLOW = 1.0
"""Seconds of the processor that no single small input may take."""
_GROWTH = 9.0
_NOISE = 0.2
_SHRINKS = 400


@dataclass(frozen=True, kw_only=True, slots=True)
class Failure:
    """An input for which something does not hold, made as small as it goes."""

    target: str
    data: bytes
    error: BaseException


@dataclass(slots=True)
class Run:
    """What a run of one target came to: executions, seconds, the slowest one, and the failure that ended it."""

    target: str
    executions: int = 0
    seconds: float = 0.0
    slowest: float = 0.0
    failure: Failure | None = None


def attempt(target: Target, data: bytes) -> BaseException | None:
    """What goes wrong with one input; None where nothing does."""
    started = time.process_time()
    try:
        target.check(data)
    except (Exception, RecursionError) as error:
        return error
    seconds = time.process_time() - started
    return AssertionError(f"{seconds:.1f} s for {len(data)} bytes") if seconds > SLOW else None


def run(target: Target, executions: int, seed: int) -> Run:
    """Execute a target so many times; it ends at the first failure."""
    # of its own: how often another target is executed changes nothing
    random = Random(f"{seed} {target.name}")
    found = Run(target=target.name)
    started = time.monotonic()
    for data in _inputs(target, executions, random):
        before = time.perf_counter()
        error = attempt(target, data)
        found.slowest = max(found.slowest, time.perf_counter() - before)
        found.executions += 1
        if error is not None:
            small = shrink(target, data, error)
            found.failure = Failure(target=target.name, data=small, error=attempt(target, small) or error)
            break
    found.seconds = time.monotonic() - started
    return found


def _inputs(target: Target, executions: int, random: Random) -> Iterator[bytes]:
    first = [*target.samples, b""][:executions]
    yield from first
    for _ in range(executions - len(first)):
        yield target.generate(random)


def shrink(target: Target, data: bytes, error: BaseException) -> bytes:
    """Leave out what the failure does not need."""
    size, left = max(1, len(data) // 2), _SHRINKS
    while left > 0:
        at, before = 0, len(data)
        while at < len(data) and left > 0:
            left -= 1
            shorter = data[:at] + data[at + size :]
            if type(attempt(target, shorter)) is type(error):
                data = shorter
            else:
                at += size
        if size == 1 and len(data) == before:
            break
        size = max(1, size // 2)
    return data


def grows_too_fast(target: Target, *, share: int = 1) -> Failure | None:
    """Does the time grow faster than the input? Tried with repetition, up to a part of the most bytes there can be.

    Four times the bytes may take nine times the time, where it is a time that can be measured: sixteen would be the
    square.
    """
    for piece in _pieces(target):
        before, smaller = 0.0, 0
        for part in (64 * share, 16 * share, 4 * share, share):
            count = target.limit // part // len(piece)
            seconds = _seconds(target, target.prefix + piece * count)
            if seconds > _NOISE and seconds > _GROWTH * before:
                # once more: what else happens on the machine is no growth
                before, seconds = (
                    min(_seconds(target, target.prefix + piece * times) for _ in "12") for times in (smaller, count)
                )
            if seconds > _NOISE and seconds > _GROWTH * before:
                told = f"{piece[:40]!r}: {before:.2f} s for it {smaller} times, {seconds:.2f} s for {count} times"
                return Failure(target=target.name, data=piece, error=AssertionError(told))
            before, smaller = seconds, count
    return None


def _pieces(target: Target) -> Sequence[bytes]:
    common = (b"a", b"0", b" ", b"\n", b"=", b"-a", b'"', b"[", b"\\\n", b"\x80", b"\0")
    return list(filter(None, dict.fromkeys((*common, *target.words, *target.samples))))


def _seconds(target: Target, data: bytes) -> float:
    gc.disable()
    try:
        started = time.process_time()
        target.check(data)
        return time.process_time() - started
    finally:
        gc.enable()
