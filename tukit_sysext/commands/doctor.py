# SPDX-License-Identifier: LGPL-2.1-or-later
"""``tukit-sysext doctor``: what is wrong with this machine's set-up, and the command that mends it."""

from __future__ import annotations

import argparse
import logging
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import asdict
from itertools import zip_longest
from typing import TypeVar

from tukit_sysext.doctor import clock, collecting, configuration, disk, hooks, images, memory, store, tools, units
from tukit_sysext.doctor.result import Result, Severity, unknown
from tukit_sysext.errors import in_words
from tukit_sysext.exit_status import ExitStatus
from tukit_sysext.machine import Machine
from tukit_sysext.terminal.output import Output
from tukit_sysext.terminal.text import Tone, Toned

Facts = TypeVar("Facts")

log = logging.getLogger(__name__)

_SHOWN = (Severity.PROBLEM, Severity.WARNING, Severity.UNKNOWN, Severity.HINT)
_WORDS = {
    Severity.PROBLEM: Toned("PROBLEM", Tone.BAD),
    Severity.WARNING: Toned("warning", Tone.NOTICE),
    Severity.UNKNOWN: Toned("unknown", Tone.NOTICE),
    Severity.HINT: Toned("hint", Tone.STRONG),
    Severity.GOOD: Toned("good", Tone.GOOD),
}


def run(machine: Machine, arguments: argparse.Namespace) -> ExitStatus:
    """Examine the machine. 0, or 1 where there is a problem."""
    with nullcontext() if arguments.verbose else _silence():
        found = list(examine(machine))
    problems = sum(item.severity is Severity.PROBLEM for item in found)
    out = Output.of(arguments)
    if out.wants_json:
        out.json({"healthy": problems == 0, "results": [asdict(item) for item in found]})
    else:
        _show(out, found, everything=arguments.verbose)
    return ExitStatus.FAILED if problems else ExitStatus.DONE


@contextmanager
def _silence() -> Iterator[None]:
    """What plugins and images log while they are looked at is among the results."""
    ours = logging.getLogger("tukit_sysext")
    before = ours.level
    ours.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        ours.setLevel(before)


def examine(machine: Machine) -> Iterator[Result]:
    """All checks. One that fails itself is told, and keeps none of the others from being done."""
    yield from _check(machine, "hooks", hooks.look, hooks.judge)
    yield from _check(machine, "units", units.look, units.judge)
    yield from _check(machine, "programs", tools.look, tools.judge)
    yield from _check(machine, "disk", disk.look, disk.judge)
    yield from _check(machine, "store", store.look, store.judge)
    yield from _check(machine, "collection", collecting.look, collecting.judge)
    yield from _check(machine, "configuration", configuration.look, configuration.judge)
    yield from _check(machine, "clock", clock.look, clock.judge)
    yield from _check(machine, "memory", memory.look, memory.judge)
    yield from _check(machine, "images", images.look, images.judge)


def _check(
    machine: Machine, name: str, look: Callable[[Machine], Facts], judge: Callable[[Facts], Iterable[Result]]
) -> Sequence[Result]:
    try:
        return list(judge(look(machine)))
    except Exception as error:
        log.info("%s: %s", name, error, exc_info=error)
        return [unknown(name, f"cannot be looked at: {in_words(error)}", privileged=machine.privileged)]


def _show(out: Output, found: Sequence[Result], *, everything: bool) -> None:
    order = list(Severity)
    shown = sorted(
        (item for item in found if everything or item.severity in _SHOWN), key=lambda item: order.index(item.severity)
    )
    for item, following in zip_longest(shown, shown[1:]):
        word = _WORDS[item.severity]
        text = f"{word}: {item.text}"
        out.tell(Toned(text, word.tone) if item.severity is Severity.PROBLEM else text)
        # one command may mend several things
        if item.mend is not None and (following is None or following.mend != item.mend):
            out.tell(f"  next step: {item.mend}")
    if shown:
        out.tell()
    out.tell(_summary(found))


def _summary(found: Sequence[Result]) -> str:
    count = Counter(item.severity for item in found)
    told = [
        _counted(count[Severity.PROBLEM], "problem"),
        _counted(count[Severity.WARNING], "warning"),
        f"{count[Severity.UNKNOWN]} not known" if count[Severity.UNKNOWN] else "",
        f"{count[Severity.GOOD]} of {len(found)} checks good",
    ]
    return ", ".join(filter(None, told)) + "."


def _counted(number: int, what: str) -> str:
    return f"{number or 'no'} {what}{'' if number == 1 else 's'}"
