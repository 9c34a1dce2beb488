# SPDX-License-Identifier: LGPL-2.1-or-later
"""The last answer of ``preflight``, kept below /run for the metrics. Losing it loses a notice."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass

from tukit_sysext.machine import Machine
from tukit_sysext.preflight.decide import Answer, Verdict
from tukit_sysext.store.record import plausible_time
from tukit_sysext.system.mark import read_mark, write_mark

log = logging.getLogger(__name__)

_LIMIT = 64 * 1024


@dataclass(frozen=True, kw_only=True, slots=True)
class LastAnswer:
    """What ``preflight`` said, and when (seconds since the epoch)."""

    time: int
    verdict: Verdict


def remember(machine: Machine, answer: Answer) -> None:
    """Keep an answer. Never raises for what is on the disk."""
    if not machine.privileged:
        return
    try:
        write_mark(machine.layout.preflight, {"time": int(time.time()), "verdict": answer.verdict})
    except OSError as error:
        log.info("%s: cannot be written: %s", machine.layout.preflight, error.strerror)


def recall(machine: Machine) -> LastAnswer | None:
    """The last answer since the boot; None where there is none that can be read."""
    try:
        document = read_mark(machine.layout.preflight, limit=_LIMIT)
        return LastAnswer(time=plausible_time(document["time"]), verdict=Verdict(document["verdict"]))
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        return None
