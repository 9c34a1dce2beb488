# SPDX-License-Identifier: LGPL-2.1-or-later
"""What is measured: refusals, images per tree, the store; in Prometheus' text format.

There are few samples, whatever the machine has: per tree (the running one, and the one that boots next) and per source,
not per image.
"""

from __future__ import annotations

import logging
import os
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from tukit_sysext import __version__
from tukit_sysext.config.intent import State
from tukit_sysext.config.settings import load_configuration
from tukit_sysext.config.wanted import load_wanted
from tukit_sysext.errors import TukitSysextError
from tukit_sysext.integrity.assess import Assessment, assess, subjects
from tukit_sysext.integrity.finding import Finding
from tukit_sysext.ledger.ledger import Ledger
from tukit_sysext.ledger.spool import EventKind
from tukit_sysext.machine import Machine
from tukit_sysext.snapshots.snapper import scan
from tukit_sysext.sources.health import HealthFile
from tukit_sysext.store.examine import Examiner
from tukit_sysext.store.image_store import Condition
from tukit_sysext.store.record import seconds_of
from tukit_sysext.system.tree import Tree
from tukit_sysext.update import refusal

log = logging.getLogger(__name__)

_LOST = (Condition.MISSING, Condition.DAMAGED, Condition.BROKEN, Condition.WRONGLY_NAMED)


def measured(machine: Machine) -> Sequence[Metric]:
    """All metrics. One whose value is not known has no sample."""
    scanned = scan(machine.layout, machine.subvolumes)
    examiner = Examiner(machine.store(writable=False), full=False, writable=False)
    trees = [assess(machine, subject, examiner, look_inside=False) for subject in subjects(machine, scanned)]
    roles = {"running": trees[0], **({"next": trees[1]} if len(trees) > 1 else {})}
    if len(trees) == 1 and scanned.running is not None and scanned.running.default:
        roles["next"] = trees[0]
    return [*_updates(machine), *_trees(roles), *_sources(machine), *_store(machine)]


def _updates(machine: Machine) -> Iterator[Metric]:
    yield _gauge("info", "Version of tukit-sysext.", Sample(value=1, labels={"version": __version__}))
    mark = refusal.known(machine, writable=False)
    refused = mark if mark is not None and mark.images else None
    yield _single("update_refused", "Whether an update is refused because of images.", refused is not None)
    since = refused.since if refused is not None else None
    yield _single("update_refused_since_timestamp_seconds", "Since when updates are refused.", since)
    times = refused.times if refused is not None else 0
    yield _single("update_refusals", "How often the update was refused.", times)
    missed = len(mark.missed) if mark is not None else 0
    yield _single("update_images_missed", "Required images that an update came without.", missed)
    last = _last_success(machine)
    yield _single("last_success_timestamp_seconds", "When a transaction was last finalized.", last)


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


def _trees(roles: dict[str, Assessment]) -> Iterator[Metric]:
    counts = {role: _counts(assessment) for role, assessment in roles.items()}
    for name, text in _COUNTS.items():
        known = ((role, numbers[name]) for role, numbers in counts.items() if numbers is not None)
        yield _gauge(name, text, *(Sample(value=number, labels={"tree": role}) for role, number in known))


_COUNTS = {
    "images_wanted": "Wanted images.",
    "images_good": "Wanted images that are linked, present and fitting.",
    "images_absent": "Wanted images that are not linked: left out, or not fetched yet.",
    "images_not_fitting": "Linked images that do not fit the system.",
    "images_lost": "Linked images that are missing, damaged or not usable.",
    "links_blocking": "Links with which systemd-sysext merges nothing at all.",
}
"""What is counted in each tree, and what it is."""


def _counts(assessment: Assessment) -> dict[str, int] | None:
    """The numbers of one tree; None where it cannot be assessed."""
    if assessment.unknown:
        return None
    try:
        with Tree(assessment.subject.path) as tree:
            images = load_wanted(tree).images
    except TukitSysextError:
        return None
    ours = [finding for finding in assessment.findings if finding.ours and finding.quarantined is None]
    names = {name for name, image in images.items() if image.state is State.WANTED}
    return {
        "images_wanted": len(names),
        "images_good": len({finding.name for finding in ours if finding.good} & names),
        "images_absent": len(names - {finding.name for finding in ours}),
        "images_not_fitting": _number(ours, Condition.DOES_NOT_FIT),
        "images_lost": _number(ours, *_LOST),
        "links_blocking": sum(finding.blocks for finding in assessment.findings),
    }


def _number(findings: Sequence[Finding], *conditions: Condition) -> int:
    return sum(finding.condition in conditions for finding in findings)


def _sources(machine: Machine) -> Iterator[Metric]:
    with Tree(machine.layout.root) as tree:
        configured = load_configuration(tree).sources
    known = {name: each for name, each in HealthFile.of(machine).read().items() if name in configured}
    good = {name: each.good for name, each in known.items() if each.good is not None}
    text = "When the list of a source was good last."
    yield _gauge(
        "source_last_good_timestamp_seconds",
        text,
        *(Sample(value=when, labels={"source": name}) for name, when in good.items()),
    )
    text = "Whether a source gave no good list when it was asked last."
    samples = (Sample(value=each.failing is not None, labels={"source": name}) for name, each in known.items())
    yield _gauge("source_failing", text, *samples)


def _store(machine: Machine) -> Iterator[Metric]:
    try:
        with os.scandir(machine.layout.store) as entries:
            sizes = [entry.stat(follow_symlinks=False).st_blocks * 512 for entry in entries]
    except OSError as error:
        log.info("%s: %s", machine.layout.store, error.strerror)
        return
    yield _single("store_bytes", "Size of the image store on the disk.", sum(sizes))
    yield _single("store_files", "Files in the image store.", len(sizes))


def _single(name: str, text: str, value: float | None) -> Metric:
    return _gauge(name, text, *([Sample(value=value)] if value is not None else []))


def _gauge(name: str, text: str, *samples: Sample) -> Metric:
    return Metric(name=f"tukit_sysext_{name}", text=text, samples=samples)


@dataclass(frozen=True, kw_only=True, slots=True)
class Sample:
    """One value with its labels."""

    value: float
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class Metric:
    """A gauge: its name, what it is, and its samples (none where it is not known)."""

    name: str
    text: str
    samples: tuple[Sample, ...]


def rendered(metrics: Iterable[Metric]) -> str:
    """The content of the file."""
    lines: list[str] = []
    for metric in metrics:
        if not metric.samples:
            continue
        text = metric.text.replace("\\", "\\\\").replace("\n", "\\n")
        lines += [f"# HELP {metric.name} {text}", f"# TYPE {metric.name} gauge"]
        lines += [f"{metric.name}{_labels(sample.labels)} {_value(sample.value)}" for sample in metric.samples]
    return "".join(f"{line}\n" for line in lines)


def _labels(labels: Mapping[str, str]) -> str:
    if not labels:
        return ""
    return "{" + ",".join(f'{name}="{_escaped(value)}"' for name, value in labels.items()) + "}"


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _value(value: float) -> str:
    return str(int(value)) if float(value).is_integer() else repr(float(value))
