# SPDX-License-Identifier: LGPL-2.1-or-later
"""What is measured: refusals, images, sources, collections, the store.

Samples are per tree (the running one, and the one that boots next), per source, and per image of a tree: a few for each
of them, and none for each version that is offered.
"""

from __future__ import annotations

import logging
import os
import sqlite3
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass

from tukit_sysext import __version__
from tukit_sysext.collect.collection import last, last_freed
from tukit_sysext.config.intent import State
from tukit_sysext.config.settings import load_configuration
from tukit_sysext.config.wanted import WantedImage, load_wanted
from tukit_sysext.errors import TukitSysextError
from tukit_sysext.integrity.assess import Assessment, Subject, assess, subjects
from tukit_sysext.integrity.finding import Finding
from tukit_sysext.ledger.ledger import Ledger
from tukit_sysext.ledger.spool import EventKind
from tukit_sysext.machine import Machine
from tukit_sysext.metrics.exposition import Metric, Sample
from tukit_sysext.metrics.table import METRICS, PREFIX
from tukit_sysext.preflight import last_answer
from tukit_sysext.preflight.decide import Verdict
from tukit_sysext.snapshots.snapper import scan_in_use
from tukit_sysext.sources.health import HealthFile
from tukit_sysext.store.examine import Examiner
from tukit_sysext.store.image_store import Condition
from tukit_sysext.store.record import seconds_of
from tukit_sysext.system.tree import Tree
from tukit_sysext.update import foreseen, refusal
from tukit_sysext.update.refusal import HeldBack, Refusal

log = logging.getLogger(__name__)

_LOST = (Condition.MISSING, Condition.DAMAGED, Condition.BROKEN, Condition.WRONGLY_NAMED)


def measured(machine: Machine) -> Sequence[Metric]:
    """All metrics. One whose value is not known has no sample."""
    scanned = scan_in_use(machine.layout, machine.subvolumes)
    examiner = Examiner(machine.store(writable=False), full=False, writable=False)
    trees = [_measure(assess(machine, each, examiner, look_inside=False)) for each in subjects(machine, scanned)]
    roles = {"running": trees[0], **({"next": trees[1]} if len(trees) > 1 else {})}
    if len(trees) == 1 and scanned.running is not None and scanned.running.default:
        roles["next"] = trees[0]
    return [
        *_updates(machine, trees[-1].assessment.subject),
        *_trees(roles),
        *_images(roles),
        *_sources(machine),
        *_collection(machine),
        *_store(machine),
    ]


def _updates(machine: Machine, starts_from: Subject) -> Iterator[Metric]:
    yield _gauge("info", Sample(value=1, labels={"version": __version__}))
    mark = refusal.known(machine, writable=False) or refusal.NONE
    refused = bool(mark.images)
    yield _single("update_refused", refused)
    yield _single("update_refused_since_timestamp_seconds", mark.since if refused else None)
    yield _single("update_refusals", mark.times if refused else 0)
    yield _since("image_refuses_since_timestamp_seconds", mark.images)
    yield _single("update_images_missed", len(mark.missed))
    yield _since("image_missed_since_timestamp_seconds", mark.missed)
    yield _single("next_update_refused", _next_refused(machine, starts_from, mark))
    answer = last_answer.recall(machine)
    known = answer if answer is not None and answer.verdict is not Verdict.UNKNOWN else None
    yield _single("preflight_refused", known.verdict is Verdict.REFUSED if known is not None else None)
    yield _single("preflight_timestamp_seconds", known.time if known is not None else None)
    yield _single("last_success_timestamp_seconds", _last_success(machine))


def _next_refused(machine: Machine, starts_from: Subject, mark: Refusal) -> bool | None:
    if mark.images:
        return True
    try:
        return bool(foreseen.refusals(machine, starts_from.path))
    except TukitSysextError as error:
        log.info("whether the next update would be refused is not known: %s", error)
        return None


def _last_success(machine: Machine) -> int | None:
    try:
        if not machine.layout.ledger.exists():
            return None
        with Ledger(machine.layout.ledger, writable=False) as ledger:
            events = ledger.events(EventKind.TRANSACTION_FINALIZED.replace("_", " "))
    except (OSError, sqlite3.Error) as error:
        log.info("%s: %s", machine.layout.ledger, error)
        return None
    return max(filter(None, (seconds_of(event.time) for event in events)), default=None)


@dataclass(frozen=True, kw_only=True, slots=True)
class _MeasuredTree:
    """A tree, the images that it wants by name (None: not known), and the findings of those that are linked."""

    assessment: Assessment
    wanted: Mapping[str, WantedImage] | None
    linked: Sequence[Finding]

    @property
    def good(self) -> Set[str]:
        """Images that are linked, present and fitting."""
        return {finding.name for finding in self.linked if finding.good}


def _measure(assessment: Assessment) -> _MeasuredTree:
    wanted: Mapping[str, WantedImage] | None = None
    if not assessment.unknown:
        try:
            with Tree(assessment.subject.path) as tree:
                images = load_wanted(tree).images
            wanted = {name: image for name, image in images.items() if image.state is State.WANTED}
        except TukitSysextError as error:
            log.info("%s: which images it wants is not known: %s", assessment.subject.path, error)
    linked = [finding for finding in assessment.findings if finding.ours and finding.quarantined is None]
    return _MeasuredTree(assessment=assessment, wanted=wanted, linked=linked)


def _trees(roles: Mapping[str, _MeasuredTree]) -> Iterator[Metric]:
    samples: dict[str, list[Sample]] = {name: [] for name in _COUNTED}
    for role, tree in roles.items():
        if tree.wanted is not None:
            for name, number in zip(_COUNTED, _counts(tree, tree.wanted.keys()), strict=True):
                samples[name].append(Sample(value=number, labels={"tree": role}))
    for name in _COUNTED:
        yield _gauge(name, *samples[name])


_COUNTED = ("images_wanted", "images_good", "images_absent", "images_not_fitting", "images_lost", "links_blocking")


def _counts(tree: _MeasuredTree, wanted: Set[str]) -> Sequence[int]:
    """The numbers of a tree, in the order of _COUNTED."""
    return (
        len(wanted),
        len(tree.good & wanted),
        len(wanted - {finding.name for finding in tree.linked}),
        _number(tree.linked, Condition.DOES_NOT_FIT),
        _number(tree.linked, *_LOST),
        sum(finding.blocks for finding in tree.assessment.findings),
    )


def _number(findings: Sequence[Finding], *conditions: Condition) -> int:
    return sum(finding.condition in conditions for finding in findings)


def _images(roles: Mapping[str, _MeasuredTree]) -> Iterator[Metric]:
    versions: list[Sample] = []
    good: list[Sample] = []
    for role, tree in roles.items():
        wanted = tree.wanted or {}
        for name, version in sorted({(finding.name, finding.version) for finding in tree.linked}):
            if name in wanted:
                labels = {"tree": role, "image": name, "version": version, "policy": str(wanted[name].policy)}
                versions.append(Sample(value=1, labels=labels))
        good += [Sample(value=name in tree.good, labels={"tree": role, "image": name}) for name in sorted(wanted)]
    yield _gauge("image_info", *versions)
    yield _gauge("image_good", *good)


def _sources(machine: Machine) -> Iterator[Metric]:
    with Tree(machine.layout.root) as tree:
        configured = load_configuration(tree).sources
    known = {name: each for name, each in HealthFile.of(machine).read().items() if name in configured}
    good = {name: each.good for name, each in known.items() if each.good is not None}
    samples = (Sample(value=when, labels={"source": name}) for name, when in good.items())
    yield _gauge("source_last_good_timestamp_seconds", *samples)
    samples = (Sample(value=each.failing is not None, labels={"source": name}) for name, each in known.items())
    yield _gauge("source_failing", *samples)


def _collection(machine: Machine) -> Iterator[Metric]:
    when = freed = None
    try:
        if machine.layout.ledger.exists():
            with Ledger(machine.layout.ledger, writable=False) as ledger:
                when, freed = last(ledger), last_freed(ledger)
    except (OSError, sqlite3.Error) as error:
        log.info("%s: %s", machine.layout.ledger, error)
    yield _single("last_collection_timestamp_seconds", when)
    yield _single("last_collection_freed_bytes", freed)


def _store(machine: Machine) -> Iterator[Metric]:
    try:
        with os.scandir(machine.layout.store) as entries:
            sizes = [entry.stat(follow_symlinks=False).st_blocks * 512 for entry in entries]
        records = [file.record for file in machine.store(writable=False).inventory() if file.record is not None]
    except OSError as error:
        log.info("%s: %s", machine.layout.store, error.strerror)
        return
    yield _single("store_bytes", sum(sizes))
    yield _single("store_files", len(sizes))
    yield _single("store_fetched_bytes", sum(record.fetched or 0 for record in records))
    yield _single("store_reused_bytes", sum(record.reused or 0 for record in records))


def _single(name: str, value: float | None) -> Metric:
    return _gauge(name, *([Sample(value=value)] if value is not None else []))


def _since(name: str, held: Mapping[str, HeldBack]) -> Metric:
    return _gauge(name, *(Sample(value=each.since, labels={"image": image}) for image, each in sorted(held.items())))


def _gauge(name: str, *samples: Sample) -> Metric:
    return Metric(name=f"{PREFIX}{name}", text=METRICS[name].text, samples=samples)
