# SPDX-License-Identifier: LGPL-2.1-or-later
"""Telling that images have to be repaired: the mark that a unit waits for, the journal, and the ledger."""

from __future__ import annotations

import json
import logging
import sqlite3
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from tukit_sysext.integrity.verify import Assessment
from tukit_sysext.ledger.ledger import Event, Ledger, now_text
from tukit_sysext.machine import Machine
from tukit_sysext.store.record import plausible_time
from tukit_sysext.system.durable import make_directory, write_file

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
    new = update(machine.layout.repair, [assessment.subject.number for assessment in known], found, matter=relevant)
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


_LIMIT = 1024 * 1024


@dataclass(frozen=True, kw_only=True, slots=True)
class Need:
    """An image that has to be repaired, in the snapshot ``snapshot`` (None: the running system, whose is not known).

    ``link`` is its link, ``file_name`` its file in the store, ``since`` in seconds since the epoch.
    """

    snapshot: int | None
    link: str
    file_name: str
    name: str
    version: str
    condition: str
    reason: str
    since: int

    @property
    def what(self) -> tuple[int | None, str, str, str]:
        """What makes two of them the same; the words of a reason may differ from run to run."""
        return self.snapshot, self.link, self.file_name, self.condition


def read(path: Path) -> tuple[Need, ...]:
    """The mark; empty where there is none, or where it is not one."""
    try:
        with open(path, "rb") as file:
            document = json.loads(file.read(_LIMIT))
        return tuple(_need(item) for item in document["images"])
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError, OverflowError):
        return ()


def _need(item: dict[str, object]) -> Need:
    texts = {key: str(item[key]) for key in ("link", "file_name", "name", "version", "condition", "reason")}
    number = item["snapshot"]
    return Need(snapshot=None if number is None else int(str(number)), since=plausible_time(item["since"]), **texts)


def update(
    path: Path, checked: Iterable[int | None], found: Iterable[Need], *, matter: Iterable[int | None]
) -> Sequence[Need]:
    """Enter what is wrong in the snapshots that were ``checked``; what was not wrong before. Raises OSError.

    Of other snapshots that ``matter`` (the running one, that which boots next) stays what is known. The mark goes when
    nothing is wrong.
    """
    before = {need.what: need for need in read(path)}
    keep = set(matter) - set(checked)
    now = {need.what: need for need in before.values() if need.snapshot in keep}
    new: list[Need] = []
    for need in found:
        known = before.get(need.what)
        now[need.what] = need if known is None else replace(need, since=min(known.since, need.since))
        new += [need] if known is None else []
    if not now:
        path.unlink(missing_ok=True)
    elif now.keys() != before.keys():
        make_directory(path.parent)
        images = [asdict(now[key]) for key in sorted(now, key=str)]
        write_file(path, json.dumps({"images": images}, indent=1).encode() + b"\n", durable=False)
    return new
