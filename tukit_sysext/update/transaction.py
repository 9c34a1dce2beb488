# SPDX-License-Identifier: LGPL-2.1-or-later
"""The main job: one transaction about to be closed gets the images that fit it.

:func:`finalize` is the whole of it: look, search, decide, fetch, link. :mod:`tukit_sysext.entry` comes before, with the
event, and after, with what is recorded and the exit status.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from tukit_sysext.all_plugins import AllPlugins
from tukit_sysext.errors import OutsideTree, UnknownState, WithNextStep
from tukit_sysext.machine import Machine
from tukit_sysext.progress.job_report import Stage
from tukit_sysext.snapshots.entries import LinkWriter, read_entries
from tukit_sysext.snapshots.fitting import NEW_SYSTEM
from tukit_sysext.system.disk_space import is_full, remedy
from tukit_sysext.system.lock import shared
from tukit_sysext.system.system_release import label, running_label
from tukit_sysext.system.tree import Tree
from tukit_sysext.update.deciding import without
from tukit_sysext.update.facts import Facts
from tukit_sysext.update.fetch import Fetching, needed
from tukit_sysext.update.left_out import LeftOut, Why
from tukit_sysext.update.outcome import Outcome, changes
from tukit_sysext.update.plan import Action, ImagePlan, Plan
from tukit_sysext.update.search import Resolver

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


def finalize(transaction: Transaction, plugins: AllPlugins) -> Outcome:
    """Bring the images that fit into the tree, and leave out what does not fit, also where the update is refused.

    The shared lock is held from before the first look at the store until the links are there, so that no collection
    takes an image between its publishing and its link. It is given up to free space alone, once: what was published by
    then is young, and what is needed is named to the collection. Raises OSError where the machine fails us.
    """
    machine = transaction.machine
    with shared(machine.layout.lock) as given_up, Tree(transaction.path) as tree:
        resolver = Resolver(machine, tree, plugins, refused_for=transaction.refused_for)
        if label(resolver.facts.tree.release) != running_label(machine.layout.root):
            resolver.name_system(NEW_SYSTEM)
        resolver.resolve()
        fetching = Fetching(resolver)
        plan = fetching.complete(until_full=True)
        # a mirror that is behind refuses nothing while another one is right
        if any(image.left_out is LeftOut.NOTHING_FITS for image in plan.refusing) and resolver.ask_other_mirrors():
            plan = fetching.complete(until_full=True)
        if fetching.lacking_space:
            with given_up():
                freed = plugins.free_space(machine, needed(plan, resolver.facts))
            # somebody else may have collected meanwhile, what this was about to link too
            resolver.try_again(fetching.lacking_space if freed else ())
            plan = fetching.complete()
        plan = _link(plan, tree, resolver)
    _log_faults(plan)
    return Outcome(plan=plan, changes=changes(plan, fetching.fetched))


def _link(plan: Plan, tree: Tree, resolver: Resolver) -> Plan:
    """Change the links of the tree; the plan as far as that could be done."""
    machine = resolver.machine
    machine.progress.stage(Stage.LINKING)
    try:
        writer = LinkWriter(tree)
        writer.apply(plan.links, plan.remove)
        if label(plan.tree.release) != running_label(machine.layout.root):
            writer.pin(plan.kept)
    except (OSError, OutsideTree, UnknownState) as error:
        why = _in_words(error)
        log.error("%s: links cannot be changed: %s", tree.path, why)
        _take_out(plan, tree)
        full = is_full(error)
        step = "" if isinstance(error, OutsideTree) else "see what keeps /etc/extensions from being changed"
        step = (remedy(tree.path, error) if isinstance(error, OSError) else None) or step
        reason = Why(kind=LeftOut.NOT_STORED if full else LeftOut.NO_PLACE, reason=why, next_step=step)
        return _as_far_as_it_went(plan, tree, resolver.facts, reason)
    return plan


def _in_words(error: Exception) -> str:
    # the file's name is one in between, which says nothing
    return error.strerror or str(error) if isinstance(error, OSError) else str(error)


def _take_out(plan: Plan, tree: Tree) -> None:
    """Take out what must not be there, though nothing can be linked: on a full btrfs things can still be removed."""
    gone = (Action.LEAVE_OUT, Action.REMOVE)
    names = tuple(name for image in plan.images if image.action in gone for name in image.remove)
    with suppress(OSError, OutsideTree, UnknownState):  # logged already
        LinkWriter(tree).apply({}, names)


def _as_far_as_it_went(plan: Plan, tree: Tree, facts: Facts, why: Why) -> Plan:
    """The plan after links could not be changed: images whose link is not there are left out."""
    try:
        there = {entry.name: entry.image for entry in read_entries(tree)}
    except (UnknownState, OutsideTree):
        there = {}

    def as_it_is(image: ImagePlan) -> ImagePlan:
        chosen = image.chosen
        if image.action is not Action.LINK or chosen is None or there.get(image.link or "") == chosen.file_name:
            return image
        return replace(without(facts, image, why), remove=())

    return replace(plan, images=tuple(as_it_is(image) for image in plan.images))


def _log_faults(plan: Plan) -> None:
    """Log loudly what is wrong although it stops nothing."""
    for problem in plan.problems:
        log.log(logging.ERROR if problem.fault else logging.WARNING, "%s", problem)
    for image in plan.images:
        if image.left_out is LeftOut.FAULT:
            log.error(WithNextStep(f"{image.name}: {image.reason}", image.next_step))
        for warning in image.warnings:
            if warning not in image.notes or image.fresh_notes:
                log.warning("%s: %s", image.name, warning)
