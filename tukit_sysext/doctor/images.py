# SPDX-License-Identifier: LGPL-2.1-or-later
"""The images: links on which the whole merge would fail, what is missing, and what is not ours."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass

from tukit_sysext.doctor.result import Result, good, hint, problem, unknown, warning
from tukit_sysext.errors import StoreError
from tukit_sysext.integrity.assess import Assessment, assess, subjects
from tukit_sysext.integrity.finding import Finding
from tukit_sysext.integrity.quarantine import harmful
from tukit_sysext.layout import EXTENSIONS
from tukit_sysext.machine import Machine
from tukit_sysext.snapshots.snapper import scan
from tukit_sysext.store.examine import Examiner
from tukit_sysext.store.image_store import Condition


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
    """Look at the links, cheaply: what is recorded is not hashed. Root looks into what has no record."""
    found = scan(machine.layout, machine.subvolumes)
    store = machine.store(writable=False)
    examiner = Examiner(store, full=False, writable=False)
    judged = [assess(machine, subject, examiner) for subject in subjects(machine, found)]
    unrecorded = 0
    with suppress(StoreError):  # told of the folder
        unrecorded = sum(
            name.endswith(".raw") and store.look(name).condition is Condition.UNRECORDED for name in store.names()
        )
    return Facts(
        assessments=judged,
        not_ours=[item for item in judged[0].findings if not item.ours and item.quarantined is None],
        unrecorded=unrecorded,
        privileged=machine.privileged,
    )


def judge(facts: Facts) -> Iterator[Result]:
    """Judge them."""
    told: list[Result] = []
    for index, found in enumerate(facts.assessments):
        texts = [found.unknown] if found.unknown else []
        texts += [f"{item.entry.name}: {item.reason}" for item in found.findings if _in_doubt(item)]
        told += [unknown("links", f"{found.subject.called}: {text}", privileged=facts.privileged) for text in texts]
        for item in found.findings:
            told += _finding(found, item, running=index == 0)
    yield from told
    if not told:
        yield good("links", "no link keeps images from being merged")
    if facts.not_ours:
        names = ", ".join(item.entry.name for item in facts.not_ours)
        text = f"/{EXTENSIONS} has what is not ours, and stays as it is: {names}"
        yield hint("not-ours", text, "tukit-sysext adopt --dry-run")
    if facts.unrecorded:
        text = f"{facts.unrecorded} images of the store are of unknown origin, perhaps another tool's"
        yield hint(
            "unknown-origin", text, "tukit-sysext adopt, for those that are linked; gc --unknown-origin --dry-run"
        )


def _in_doubt(item: Finding) -> bool:
    """Whether systemd-sysext may fail on an entry, and nobody knows."""
    return item.quarantined is None and not item.wrong and (item.unseen or item.condition is Condition.UNKNOWN)


def _finding(found: Assessment, item: Finding, *, running: bool) -> Iterator[Result]:
    where = f"{found.subject.called}: {item.entry.name}"
    if item.quarantined is not None:
        if not item.obsolete:
            told = f"{where} is kept out of the merge, {item.quarantined.reason or 'nobody knows why'}"
            yield warning("quarantine", told, "tukit-sysext verify --repair")
        return
    if not item.wrong:
        return
    told = f"{where} is {item.condition}: {item.reason}"
    if item.blocks:
        path = str(found.subject.path / EXTENSIONS / item.entry.name)
        # what does not end in .raw is no image file
        mend = shlex.join(("mv", path, f"{path}.off"))
        if running and harmful(item):
            mend = "tukit-sysext verify --boot"
        yield problem("links", f"{told}; systemd-sysext merges nothing at all with it", mend)
    else:
        yield problem("links", told, "tukit-sysext verify --repair")
