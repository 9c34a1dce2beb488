# SPDX-License-Identifier: LGPL-2.1-or-later
"""Telling that images have to be repaired: the mark that a unit waits for, the journal, and the ledger."""

from __future__ import annotations

import logging
import sqlite3
import time
from collections.abc import Iterable, Sequence

from tukit_sysext.job.verify import Assessment
from tukit_sysext.machine import Machine
from tukit_sysext.state import need
from tukit_sysext.state.ledger import Event, Ledger, now_text
from tukit_sysext.state.need import Need

log = logging.getLogger(__name__)


def enter(machine: Machine, assessments: Iterable[Assessment], *, matter: Iterable[int | None]) -> Sequence[Need]:
    """Bring the mark in line with what was found; what is wrong now, told once where it was not before.

    ``matter`` are the snapshots that the mark is about: the running one, and that which boots next. A tree that could
    not be judged leaves what is known of it. Raises OSError.
    """
    now = int(time.time())
    relevant = set(matter)
    known = [item for item in assessments if not item.unknown and item.subject.number in relevant]
    found = [each for assessment in known for each in _needs(assessment, now)]
    new = need.update(
        machine.layout.repair, [assessment.subject.number for assessment in known], found, matter=relevant
    )
    _remember(machine, new, now)
    return found


def tell(assessment: Assessment) -> None:
    """One loud line for each image that has to be repaired."""
    number = assessment.subject.number
    scope = f" --snapshot {number}" if number is not None else ""
    for finding in assessment.findings:
        if finding.to_be_mended:
            log.error(
                "%s: %s %s (%s) is %s: %s; next step: tukit-sysext verify%s --repair",
                assessment.subject.called,
                finding.name,
                finding.version,
                finding.entry.name,
                finding.condition,
                finding.reason,
                scope,
            )


def _needs(assessment: Assessment, now: int) -> Iterable[Need]:
    for finding in assessment.findings:
        if finding.to_be_mended and finding.file_name is not None:
            yield Need(
                snapshot=assessment.subject.number,
                link=finding.entry.name,
                file_name=finding.file_name,
                name=finding.name,
                version=finding.version,
                condition=finding.condition,
                reason=finding.reason,
                since=now,
            )


def _remember(machine: Machine, new: Sequence[Need], now: int) -> None:
    events = [
        Event(
            time=now_text(now),
            kind=f"image {item.condition}",
            snapshot=item.snapshot,
            image=item.name,
            detail=f"{item.name} {item.version} ({item.link}): {item.reason}",
        )
        for item in new
    ]
    if not events:
        return
    try:
        with Ledger(machine.layout.ledger) as ledger:
            ledger.add(events)
    except (OSError, sqlite3.Error) as error:
        log.error("%s: %s; what has to be repaired is not remembered there", machine.layout.ledger, error)
