# SPDX-License-Identifier: LGPL-2.1-or-later
"""What would be merged: links on which the whole merge would fail, what is missing, and what is not ours."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass

from tukit_sysext.doctor.check import CheckResult, good, hint, problem, unknown, warning
from tukit_sysext.errors import StoreError
from tukit_sysext.integrity import merge_rule, needs
from tukit_sysext.integrity.assess import Assessment, Subject, assess, subjects
from tukit_sysext.integrity.finding import Finding
from tukit_sysext.integrity.quarantine import harmful
from tukit_sysext.machine import Machine
from tukit_sysext.quantities import counted
from tukit_sysext.snapshots.snapper import scan_in_use
from tukit_sysext.store.examine import Examiner
from tukit_sysext.store.image_store import Condition


@dataclass(frozen=True, kw_only=True, slots=True)
class MergeCheck:
    """The running system and the one that boots next; ``not_ours`` are entries of the running one.

    ``not_merged`` are those of ours that could be merged, and are not; ``unrecorded`` is how many files of the store
    have no record. ``waiting`` are links, by snapshot, whose images wait for repair.
    """

    assessments: Sequence[Assessment]
    not_ours: Sequence[Finding]
    not_merged: Sequence[str]
    unrecorded: int
    waiting: frozenset[tuple[int | None, str]]
    privileged: bool

    @classmethod
    def look(cls, machine: Machine) -> MergeCheck:
        """Assess the links cheaply: what is recorded is not hashed. Root looks into what has no record."""
        snapshots = scan_in_use(machine.layout, machine.subvolumes)
        store = machine.store(writable=False)
        examiner = Examiner(store, full=False, writable=False)
        assessments = [assess(machine, subject, examiner) for subject in subjects(machine, snapshots)]
        unrecorded = 0
        with suppress(StoreError):  # told of the folder
            unrecorded = sum(
                name.endswith(".raw") and store.look(name).condition is Condition.UNRECORDED for name in store.names()
            )
        return cls(
            assessments=assessments,
            not_ours=[
                each
                for each in assessments[0].findings
                if not each.ours and each.quarantined is None and not each.entry.is_mask
            ],
            not_merged=merge_rule.not_merged(machine, merge_rule.good_links(assessments[0].findings)),
            unrecorded=unrecorded,
            waiting=frozenset((need.snapshot, need.link) for need in needs.read(machine.layout.repair)),
            privileged=machine.privileged,
        )

    def judge(self) -> Iterator[CheckResult]:
        results: list[CheckResult] = []
        for index, assessment in enumerate(self.assessments):
            called = assessment.subject.called
            doubts = [assessment.unknown] if assessment.unknown else []
            doubts += [f"{each.entry.shown}: {each.reason}" for each in assessment.findings if _in_doubt(each)]
            results += [unknown("links", f"{called}: {doubt}", privileged=self.privileged) for doubt in doubts]
            number = assessment.subject.number
            for finding in assessment.findings:
                if finding.quarantined is not None and (number, finding.entry.shown) in self.waiting:
                    continue
                results += _judge(assessment.subject, finding, running=index == 0)
        yield from results
        if not results:
            yield good("links", "no link keeps images from being merged")
        if self.not_merged:
            text = f"the running system: {', '.join(self.not_merged)} linked, but not merged before the next boot"
            yield warning("not-merged", text, merge_rule.BY_HAND)
        if self.not_ours:
            names = ", ".join(finding.entry.shown for finding in self.not_ours)
            text = f"systemd-sysext finds what is not ours, and stays as it is: {names}"
            yield hint("not-ours", text, "tukit-sysext adopt --dry-run")
        if self.unrecorded:
            text = f"{counted(self.unrecorded, 'image')} of unknown origin in the store, perhaps another tool's"
            yield hint(
                "unknown-origin",
                text,
                "take over those that are linked:\ntukit-sysext adopt\n"
                "what a collection would do with the others:\ntukit-sysext gc --unknown-origin --dry-run",
            )


def _in_doubt(finding: Finding) -> bool:
    """Whether it is unknown if systemd-sysext fails on an entry."""
    unknown_condition = finding.unseen or finding.condition is Condition.UNKNOWN
    return finding.quarantined is None and not finding.wrong and unknown_condition


def _judge(subject: Subject, finding: Finding, *, running: bool) -> Iterator[CheckResult]:
    where = f"{subject.called}: {finding.entry.shown}"
    if finding.quarantined is not None:
        if not finding.obsolete:
            text = f"{where} is kept out of the merge, {finding.quarantined.reason or 'reason unknown'}"
            yield warning("quarantine", text, "tukit-sysext verify --repair")
    elif finding.wrong:
        text = f"{where} {finding.condition}: {finding.reason}"
        next_step = "tukit-sysext verify --repair"
        if finding.blocks:
            text += "; systemd-sysext merges nothing at all with it"
            path = str(subject.path / finding.entry.folder / finding.entry.name)
            # what does not end in .raw is no image file
            moved = shlex.join(("mv", path, f"{path}.off"))
            next_step = "tukit-sysext verify --boot" if running and harmful(finding) else moved
        yield problem("links", text, next_step)
