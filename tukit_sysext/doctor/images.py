# SPDX-License-Identifier: LGPL-2.1-or-later
"""The images: links on which the whole merge would fail, what is missing, and what is not ours."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass

from tukit_sysext.doctor.result import Result, good, hint, problem, unknown, warning
from tukit_sysext.errors import StoreError
from tukit_sysext.job.finding import Finding
from tukit_sysext.job.quarantine import harmful
from tukit_sysext.job.verify import Assessment, assess, subjects
from tukit_sysext.layout import EXTENSIONS
from tukit_sysext.machine import Machine
from tukit_sysext.state.examine import Examiner
from tukit_sysext.state.snapshots import scan
from tukit_sysext.state.store import Condition


@dataclass(frozen=True, kw_only=True, slots=True)
class Facts:
    """What the running system and the one that boots next have; files of the store that nothing tells about.

    ``not_ours`` are entries of the running system.
    """

    assessments: Sequence[Assessment]
    not_ours: Sequence[Finding]
    unrecorded: int
    privileged: bool


def look(machine: Machine) -> Facts:
    """Look at the links, cheaply: what is recorded is not hashed, and what has no record is not looked into."""
    found = scan(machine.layout, machine.subvolumes)
    store = machine.store(writable=False)
    examiner = Examiner(store, full=False, writable=False)
    judged = [assess(machine, subject, examiner, look_inside=False) for subject in subjects(machine, found)]
    unrecorded = 0
    with suppress(StoreError):  # told of the folder
        unrecorded = sum(
            name.endswith(".raw") and store.look(name).condition is Condition.UNRECORDED for name in store.names()
        )
    return Facts(
        assessments=judged,
        not_ours=[item for item in judged[0].findings if not item.ours and item.held is None],
        unrecorded=unrecorded,
        privileged=machine.privileged,
    )


def judge(facts: Facts) -> Iterator[Result]:
    """Judge them."""
    wrong = False
    for found in facts.assessments:
        if found.unknown:
            yield unknown("links", f"{found.subject.called}: {found.unknown}", privileged=facts.privileged)
        for item in found.findings:
            for result in _finding(found, item):
                wrong = True
                yield result
    if not wrong:
        yield good("links", "no link keeps images from being merged")
    if facts.not_ours:
        names = ", ".join(item.entry.name for item in facts.not_ours)
        told = f"/{EXTENSIONS} has what is not ours, and stays as it is: {names}"
        yield hint("not-ours", told, "tukit-sysext adopt --dry-run")
    if facts.unrecorded:
        told = f"{facts.unrecorded} images of the store are of unknown origin, perhaps another tool's"
        yield hint(
            "unknown-origin", told, "tukit-sysext adopt, for those that are linked; gc --unknown-origin --dry-run"
        )


def _finding(found: Assessment, item: Finding) -> Iterator[Result]:
    where = f"{found.subject.called}: {item.entry.name}"
    if item.held is not None:
        if not item.obsolete:
            told = f"{where} is kept out of the merge, {item.held.reason or 'nobody knows why'}"
            yield warning("quarantine", told, "tukit-sysext verify --repair")
        return
    if not item.wrong:
        return
    told = f"{where} is {item.condition}: {item.reason}"
    if item.blocks:
        mend = "tukit-sysext verify --boot" if harmful(item) else f"mv /{EXTENSIONS}/{item.entry.name} elsewhere"
        yield problem("links", f"{told}; systemd-sysext merges nothing at all with it", mend)
    else:
        yield problem("links", told, "tukit-sysext verify --repair")
