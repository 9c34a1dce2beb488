# SPDX-License-Identifier: LGPL-2.1-or-later
"""Images that have to be repaired: the mark in /run that starts the repairing unit, the journal, and the ledger."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from tukit_sysext.errors import WithNextStep
from tukit_sysext.integrity.assess import Assessment
from tukit_sysext.ledger.ledger import LedgerEvent, write_or_log
from tukit_sysext.machine import Machine
from tukit_sysext.quantities import time_text
from tukit_sysext.rules.names import shown_version
from tukit_sysext.store.record import plausible_time
from tukit_sysext.system.mark import read_mark, write_mark

if TYPE_CHECKING:
    from tukit_sysext.snapshots.snapper import Scan

log = logging.getLogger(__name__)

_LIMIT = 1024 * 1024
"""Bytes that are read of the mark."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Need:
    """An image that has to be repaired, in the snapshot ``snapshot`` (None: the running system, number not known).

    ``link`` is its link (Entry.shown), ``file_name`` its file in the store, ``since`` in seconds since the epoch.
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
    def shown(self) -> str:
        """The version for people."""
        return shown_version(self.version, self.file_name)

    @property
    def key(self) -> tuple[int | None, str, str, str]:
        """Equal for two needs of the same repair; the words of a reason may differ from run to run."""
        return self.snapshot, self.link, self.file_name, self.condition


def take_in(machine: Machine, assessment: Assessment, scan: Scan) -> None:
    """Log what is wrong in a tree, and enter what of it has to be repaired. Raises OSError."""
    _tell(assessment)
    enter(machine, [assessment], matter=scan.in_use)


def _tell(assessment: Assessment) -> None:
    """Log one error for each image that is wrong, or of which nobody can tell."""
    called, number = assessment.subject.called, assessment.subject.number
    if assessment.unknown:
        log.error("%s: its images cannot be verified: %s", called, assessment.unknown)
    scope = f" --snapshot {number}" if number is not None else ""
    for finding in assessment.findings:
        image = f"{finding.name} {finding.shown} ({finding.entry.shown})"
        if finding.content_lost:
            text = f"{called}: {image} is {finding.condition}: {finding.reason}"
            log.error(WithNextStep(text, f"tukit-sysext verify{scope} --repair"))
        elif finding.wrong or finding in assessment.unsettled:
            log.error("%s: %s: %s: %s", called, image, finding.condition, finding.reason)


def enter(machine: Machine, assessments: Iterable[Assessment], *, matter: Iterable[int | None]) -> None:
    """Bring the mark in line with assessments, and enter what is newly wrong into the ledger. Raises OSError.

    ``matter`` are the snapshots that the mark is about: the running one, and the one that boots next. A tree that could
    not be assessed keeps its needs, and so does a link of which nobody can tell now whether its image is good.
    """
    relevant = set(matter)
    known = [each for each in assessments if not each.unknown and each.subject.number in relevant]
    now = int(time.time())
    needs = [need for assessment in known for need in _needs(assessment, now)]
    checked = [assessment.subject.number for assessment in known]
    unsettled = {(each.subject.number, finding.entry.shown) for each in known for finding in each.unsettled}
    needs += [need for need in read(machine.layout.repair) if (need.snapshot, need.link) in unsettled]
    _remember(machine, update(machine.layout.repair, checked, needs, matter=relevant), now)


def _needs(assessment: Assessment, now: int) -> Iterable[Need]:
    for finding in assessment.findings:
        if finding.content_lost and finding.file_name is not None:
            yield Need(
                snapshot=assessment.subject.number,
                link=finding.entry.shown,
                file_name=finding.file_name,
                name=finding.name,
                version=finding.version,
                condition=finding.condition,
                reason=finding.reason,
                since=now,
            )


def _remember(machine: Machine, new: Sequence[Need], now: int) -> None:
    events = [
        LedgerEvent(
            time=time_text(now),
            kind=f"image {need.condition}",
            snapshot=need.snapshot,
            image=need.name,
            detail=f"{need.name} {need.shown} ({need.link}): {need.reason}",
        )
        for need in new
    ]
    if events:
        write_or_log(machine.layout.ledger, lambda ledger: ledger.add(events), "what has to be repaired")


def read(path: Path) -> tuple[Need, ...]:
    """Read the mark; empty where there is none, or where it cannot be read as one."""
    try:
        return tuple(_parse(image) for image in read_mark(path, limit=_LIMIT)["images"])
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError, OverflowError):
        return ()


def _parse(image: dict[str, object]) -> Need:
    texts = {key: str(image[key]) for key in ("link", "file_name", "name", "version", "condition", "reason")}
    number = image["snapshot"]
    return Need(snapshot=None if number is None else int(str(number)), since=plausible_time(image["since"]), **texts)


def update(
    path: Path, checked: Iterable[int | None], needs: Iterable[Need], *, matter: Iterable[int | None]
) -> Sequence[Need]:
    """Enter the needs of the snapshots that were ``checked``; those that are new. Raises OSError.

    Other snapshots that ``matter`` (the running one, and the one that boots next) keep theirs. The mark goes when there
    are none.
    """
    before = {need.key: need for need in read(path)}
    keep = set(matter) - set(checked)
    now = {need.key: need for need in before.values() if need.snapshot in keep}
    new: list[Need] = []
    for need in needs:
        known = before.get(need.key)
        now[need.key] = need if known is None else replace(need, since=min(known.since, need.since))
        new += [need] if known is None else []
    if not now:
        path.unlink(missing_ok=True)
    elif now.keys() != before.keys():
        write_mark(path, {"images": [asdict(now[key]) for key in sorted(now, key=str)]})
    return new
