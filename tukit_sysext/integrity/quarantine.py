# SPDX-License-Identifier: LGPL-2.1-or-later
"""What of the running system has to be out of the way before systemd-sysext merges, and what may come back.

One image on which systemd-sysext fails keeps all others out (threat C14). A link of ours goes whatever is wrong with
its image, so that nothing else is merged than what was verified; of others' links and files only what would make the
whole merge fail. Nothing is deleted but a link of ours whose image has a good one meanwhile.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path

from tukit_sysext.errors import OutsideTree, UnknownState
from tukit_sysext.integrity.assess import Assessment
from tukit_sysext.integrity.finding import Finding
from tukit_sysext.integrity.quarantine_folder import MOVABLE, Quarantine, Quarantined
from tukit_sysext.layout import EXTENSIONS
from tukit_sysext.machine import Machine
from tukit_sysext.quantities import time_text
from tukit_sysext.snapshots.entries import changing
from tukit_sysext.store.image_store import Condition
from tukit_sysext.system.disk_space import remedy
from tukit_sysext.system.lock import shared
from tukit_sysext.system.tree import Tree

log = logging.getLogger(__name__)

_BAD = (
    Condition.MISSING,
    Condition.DAMAGED,
    Condition.BROKEN,
    Condition.WRONGLY_NAMED,
    Condition.DOES_NOT_FIT,
)


class MoveOutcome(StrEnum):
    """How the move of a link ended."""

    TAKEN = "quarantined"
    BACK = "put back"
    DROPPED = "dropped from quarantine"
    FAILED = "cannot be moved"


@dataclass(frozen=True, kw_only=True, slots=True)
class Move:
    """A link or file that was moved, or could not be, and why."""

    link: str
    outcome: MoveOutcome
    reason: str
    finding: Finding
    next_step: str = ""

    @property
    def text(self) -> str:
        """One line for people."""
        return f"{self.link}: {self.outcome}: {self.reason}"


def unsure(machine: Machine, assessment: Assessment) -> str:
    """Why nothing may be moved, as what looks bad may only not be mounted yet; empty where links may be moved."""
    if assessment.unknown:
        return assessment.unknown
    store = machine.layout.store
    try:
        empty = not any(store.iterdir())
    except OSError as error:
        return f"{store}: cannot be read: {error.strerror}; is its file system mounted?"
    if empty and any(finding.file_name is not None for finding in assessment.findings) and not _recorded(machine):
        return f"{store}: empty, is its file system mounted?"
    return ""


def _recorded(machine: Machine) -> bool:
    """Whether the file system of the store has records: then it is the right one, though the store is empty."""
    try:
        same = machine.layout.store.stat().st_dev == machine.layout.records.stat().st_dev
        return same and any(machine.layout.records.iterdir())
    except OSError:
        return False


def isolate(machine: Machine, assessment: Assessment) -> Sequence[Move]:
    """Put back what is good again, then take what would harm the merge out of its folder."""
    # the collection must not look while a link is on its way from one place to the other
    with shared(machine.layout.lock), Tree(assessment.subject.path) as tree, changing(tree, machine.layout.locks):
        mover = _Mover(tree, assessment)
        return (*mover.put_back(), *mover.take())


def put_back(machine: Machine, assessment: Assessment) -> Sequence[Move]:
    """Put back what is good again."""
    if all(finding.quarantined is None for finding in assessment.findings):
        return ()
    with shared(machine.layout.lock), Tree(assessment.subject.path) as tree, changing(tree, machine.layout.locks):
        return _Mover(tree, assessment).put_back()


class _Mover:
    def __init__(self, tree: Tree, assessment: Assessment) -> None:
        self._findings = assessment.findings
        folders = dict.fromkeys((EXTENSIONS, *(finding.entry.folder for finding in self._findings)))
        self._quarantines = {folder: Quarantine(tree, folder) for folder in folders}

    def put_back(self) -> list[Move]:
        moves: list[Move] = []
        back: set[str] = set()
        for finding, link in _newest_first(self._findings):
            quarantine = self._quarantines[finding.entry.folder]
            obsolete = finding.obsolete or (f"a newer {finding.name} came back" if finding.name in back else "")
            with _failures_told(finding, moves):
                if obsolete:
                    quarantine.drop(link)
                    moves.append(_move(finding, MoveOutcome.DROPPED, obsolete))
                elif finding.good and quarantine.put_back(link):
                    back |= {finding.name} if finding.ours else set()
                    reason = f"{finding.name} {finding.shown} is good and fits"
                    moves.append(_move(finding, MoveOutcome.BACK, reason))
        return moves

    def take(self) -> list[Move]:
        moves: list[Move] = []
        for finding in self._findings:
            if finding.quarantined is None and harmful(finding):
                reason = f"{finding.condition}: {finding.reason}"
                with _failures_told(finding, moves):
                    self._quarantines[finding.entry.folder].take(finding.entry, reason, time_text())
                    moves.append(_move(finding, MoveOutcome.TAKEN, reason))
        for quarantine in self._quarantines.values():
            try:
                quarantine.sweep()
            except (OSError, OutsideTree, UnknownState) as error:
                log.warning("quarantine: %s", error)
        return moves


def _newest_first(findings: Iterable[Finding]) -> Sequence[tuple[Finding, Quarantined]]:
    """What is in quarantine: of several links of an image the newest comes back, an older one would undo an update."""
    waiting = [(finding, finding.quarantined) for finding in findings if finding.quarantined is not None]
    if waiting:
        from tukit_sysext.rules.prerelease import newer_key  # 1 ms, for which a boot does not wait with none

        waiting.sort(key=lambda pair: newer_key(pair[0].version), reverse=True)
    return waiting


def harmful(finding: Finding) -> bool:
    """Whether an entry is taken out before the merge: a link or a file, on which it would fail, or which is ours."""
    if finding.entry.kind not in MOVABLE:
        return False
    return finding.blocks or (finding.ours and finding.condition in _BAD and finding.entry.name.endswith(".raw"))


@contextmanager
def _failures_told(finding: Finding, moves: list[Move]) -> Iterator[None]:
    """One link that cannot be moved keeps no other one from being moved."""
    try:
        yield
    except FileNotFoundError as error:
        log.info("%s: somebody else moved it: %s", finding.entry.shown, error)
    except (OutsideTree, UnknownState) as error:
        moves.append(_failed(finding, str(error), error.next_step))
    except OSError as error:
        moves.append(_failed(finding, error.strerror or str(error), remedy(Path("/", finding.entry.folder), error)))


def _move(finding: Finding, outcome: MoveOutcome, reason: str) -> Move:
    return Move(link=finding.entry.shown, outcome=outcome, reason=reason, finding=finding)


def _failed(finding: Finding, reason: str, next_step: str | None) -> Move:
    return replace(_move(finding, MoveOutcome.FAILED, reason), next_step=next_step or "")
