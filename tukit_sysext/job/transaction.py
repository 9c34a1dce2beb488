# SPDX-License-Identifier: LGPL-2.1-or-later
"""One transaction about to be closed: resolve, fetch, link, and what came of it."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from tukit_sysext.errors import Busy, OutsideTree, TukitSysextError, UnknownState
from tukit_sysext.job import carry_out
from tukit_sysext.job.facts import Objection, Standing, no_objection
from tukit_sysext.job.options import spare
from tukit_sysext.job.plan import Action, ImagePlan, Missing, Plan, decide
from tukit_sysext.job.resolve import FindSources, Resolver
from tukit_sysext.machine import Machine
from tukit_sysext.state import links
from tukit_sysext.state.links import LinkWriter
from tukit_sysext.system.lock import shared
from tukit_sysext.system.system_release import label, running_label
from tukit_sysext.system.tree import Tree

if TYPE_CHECKING:
    from tukit_sysext.job.collect import Collection

    MakeRoom = Callable[[frozenset[str]], Collection]

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class Transaction:
    """A transaction: the root of its tree as tukit mounted it, and its snapshot's number.

    ``refused_for``: seconds since when an image holds back updates, by image.
    """

    machine: Machine
    path: Path
    number: int
    refused_for: Mapping[str, int] = field(default_factory=dict)


class ChangeKind(StrEnum):
    """What happened to an image, as the ledger remembers it."""

    LINKED = "linked"
    REPLACED = "replaced"
    REPAIRED = "repaired"
    LEFT_OUT = "left out"
    REMOVED = "removed"


@dataclass(frozen=True, kw_only=True, slots=True)
class Change:
    """One changed image, with the line that tells it."""

    kind: ChangeKind
    image: str
    text: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """What came of a transaction: the plan as it was carried out, and what changed."""

    plan: Plan
    changes: tuple[Change, ...]

    @property
    def refusals(self) -> Mapping[str, str]:
        """Reason by image for those that stop the update."""
        return self.plan.refusals


def finalize(
    transaction: Transaction,
    find_sources: FindSources,
    *,
    objection: Objection = no_objection,
    make_room: MakeRoom | None = None,
) -> Outcome:
    """Bring the images that fit into the tree, and leave out what does not fit.

    The best possible tree also when refused.

    The shared lock is held from before the first look at the store until the links are there, so that no collection
    takes an image between its publishing and its link. It is given up for ``make_room`` alone, once, where the store
    has no room: what was published by then is young, and what is needed is named to it. Raises OSError where the
    machine fails us.
    """
    machine = transaction.machine
    store = machine.store()
    fetched: set[str] = set()
    with shared(machine.layout.lock) as aside, Tree(transaction.path) as tree:
        resolver = Resolver(
            machine, tree, find_sources, store, refused_for=transaction.refused_for, objection=objection
        )
        resolver.resolve()
        while (plan := decide(resolver.facts)).fetches:
            findings = carry_out.fetch(plan, resolver, store)
            fetched |= findings.stored.keys()
            resolver.learn(known=findings.known, stored=findings.stored)
            resolver.describe()
            if findings.lacking_room and make_room is not None:
                with aside():
                    found = _make_room(make_room, _needed(plan, resolver))
                make_room = None  # once, or it would go on for ever
                # somebody else may have collected meanwhile, what this was about to link too
                resolver.try_again(findings.lacking_room if found else ())
        try:
            writer = LinkWriter(tree)
            writer.apply(plan.links, plan.remove)
            if label(plan.tree.release) != running_label(machine.layout.root):
                writer.pin(plan.kept)
        except (OSError, OutsideTree, UnknownState) as error:
            log.error("%s: links cannot be changed: %s", transaction.path, error)
            plan = _as_far_as_it_went(plan, tree, error)
    changes = tuple(change for image in plan.images if (change := _change(image, fetched)) is not None)
    _tell_faults(plan)
    return Outcome(plan=plan, changes=changes)


def _needed(plan: Plan, resolver: Resolver) -> frozenset[str]:
    """Files of the store that this transaction links, or would link if nothing can be fetched."""
    chosen = {image.chosen.file_name for image in plan.images if image.chosen is not None}
    for image in plan.fetches:
        fits = (item for item in spare(resolver.facts, image.wanted) if item.standing is Standing.FITS)
        chosen |= {item.option.file_name for item in islice(fits, 1)}
    return frozenset(chosen)


def _make_room(make_room: MakeRoom, needed: frozenset[str]) -> bool:
    """Have what nothing needs collected at once; whether anything went. What fails in it leaves no more room."""
    try:
        found = make_room(needed)
    except Busy as error:
        log.warning("no room can be made now: %s", error)
        return False
    except (OSError, sqlite3.Error, TukitSysextError) as error:
        log.error("no room can be made: %s", error)
        return False
    for unknown in found.unknown:
        log.warning("no room can be made, as nothing is deleted while anything is unknown: %s", unknown)
    return bool(found.gone)


def _as_far_as_it_went(plan: Plan, tree: Tree, error: Exception) -> Plan:
    """The plan after links could not be changed: images whose link is not there are left out.

    What leads out of the tree is a matter of policy; a disk that is full or fails is a fault, which refuses nothing.
    """
    try:
        there = {entry.name: entry.image for entry in links.read(tree)}
    except (UnknownState, OutsideTree):
        there = {}
    missing = Missing.NO_PLACE if isinstance(error, OutsideTree) else Missing.NOT_STORED

    def as_it_is(image: ImagePlan) -> ImagePlan:
        chosen = image.chosen
        if image.action is not Action.LINK or chosen is None or there.get(image.link or "") == chosen.file_name:
            return image
        refuses = missing is Missing.NO_PLACE and image.wanted.may_refuse
        reason = f"{missing}: {error}"
        return replace(image, action=Action.LEAVE_OUT, missing=missing, reason=reason, refuses=refuses, remove=())

    return replace(plan, images=tuple(as_it_is(image) for image in plan.images))


def _change(image: ImagePlan, fetched: set[str]) -> Change | None:
    """What is to be told of an image; None where it is as it was."""
    if image.action is Action.LINK and image.chosen is not None:
        version, origin = image.chosen.version, image.chosen.origin
        if image.before is None:
            text = f"{image.name}: {version} added, from {origin}"
            return Change(kind=ChangeKind.LINKED, image=image.name, text=text)
        if image.before != version:
            text = f"{image.name}: {image.before} -> {version}, from {origin}"
            return Change(kind=ChangeKind.REPLACED, image=image.name, text=text)
        return Change(
            kind=ChangeKind.REPAIRED, image=image.name, text=f"{image.name}: {version} linked as {image.link}"
        )
    if image.action is Action.KEEP and image.chosen is not None and image.chosen.file_name in fetched:
        text = f"{image.name}: {image.chosen.version} made whole again, from {image.chosen.origin}"
        return Change(kind=ChangeKind.REPAIRED, image=image.name, text=text)
    if image.action is Action.LEAVE_OUT and image.remove:
        text = f"{image.name}: {image.before} left out: {image.reason}"
        return Change(kind=ChangeKind.LEFT_OUT, image=image.name, text=text)
    if image.action is Action.REMOVE and image.remove:
        return Change(kind=ChangeKind.REMOVED, image=image.name, text=f"{image.name}: {image.before} removed")
    return None


def _tell_faults(plan: Plan) -> None:
    """Tell loudly what is wrong although it stops nothing."""
    for problem in plan.problems:
        log.log(logging.ERROR if problem.fault else logging.WARNING, "%s", problem)
    for image in plan.images:
        if image.missing in (Missing.NOT_STORED, Missing.FAULT):
            log.error("%s: %s", image.name, image.reason)
        for warning in image.warnings:
            log.warning("%s: %s", image.name, warning)
