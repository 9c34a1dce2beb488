# SPDX-License-Identifier: LGPL-2.1-or-later
"""``tukit-sysext doctor``: what is wrong with this machine's set-up, and what to do."""

from __future__ import annotations

import argparse
import logging
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import asdict
from itertools import zip_longest

from tukit_sysext.doctor.check import CheckResult, Severity
from tukit_sysext.doctor.checks import examine
from tukit_sysext.errors import next_step_lines
from tukit_sysext.exit_status import ExitStatus
from tukit_sysext.machine import Machine
from tukit_sysext.terminal.output import Output
from tukit_sysext.terminal.text import Tone, Toned

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
        results = list(examine(machine))
    problems = sum(result.severity is Severity.PROBLEM for result in results)
    output = Output.of(arguments)
    output.json({"healthy": problems == 0, "results": [asdict(result) for result in results]})
    output.show(_lines(results, everything=arguments.all))
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


def _lines(results: Sequence[CheckResult], *, everything: bool) -> Iterator[str]:
    order = list(Severity)
    shown = [result for result in results if everything or result.severity in _SHOWN]
    shown.sort(key=lambda result: order.index(result.severity))
    for result, following in zip_longest(shown, shown[1:]):
        word = _WORDS[result.severity]
        text = f"{word}: {result.text}"
        yield Toned(text, word.tone) if result.severity is Severity.PROBLEM else text
        # one command may help with several results
        if result.next_step is not None and (following is None or following.next_step != result.next_step):
            yield from (f"  {line}" for line in next_step_lines(result.next_step))
    yield from ("", _summary(results)) if shown else (_summary(results),)


def _summary(results: Sequence[CheckResult]) -> str:
    count = Counter(result.severity for result in results)
    counts = [
        _counted(count[Severity.PROBLEM], "problem"),
        _counted(count[Severity.WARNING], "warning"),
        f"{count[Severity.UNKNOWN]} not known" if count[Severity.UNKNOWN] else "",
        f"{count[Severity.GOOD]} of {len(results)} checks good",
    ]
    return ", ".join(filter(None, counts)) + "."


def _counted(number: int, what: str) -> str:
    return f"{number or 'no'} {what}{'' if number == 1 else 's'}"
