# SPDX-License-Identifier: LGPL-2.1-or-later
"""``tukit-sysext status``: the running system, the one that boots next and open transactions, and what is wrong."""

from __future__ import annotations

import argparse
import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from tukit_sysext.commands.common import running_job
from tukit_sysext.commands.common.source_health import failure_lines, health_document
from tukit_sysext.commands.common.tree_status import (
    MERGED_AS_LINKED,
    NOT_LINKED,
    OK,
    OPEN,
    ImageRow,
    TreeStatus,
    rows,
    trees_in_use,
)
from tukit_sysext.commands.common.trees import LEFT, Look, entry_document, tree_document
from tukit_sysext.errors import TukitSysextError, next_step_lines
from tukit_sysext.exit_status import ExitStatus
from tukit_sysext.integrity import merge_rule, needs
from tukit_sysext.integrity.lost import lost_images
from tukit_sysext.integrity.needs import Need
from tukit_sysext.ledger.leftovers import without_settled
from tukit_sysext.machine import Machine
from tukit_sysext.quantities import local_time, time_text
from tukit_sysext.snapshots.snapper import scan_in_use
from tukit_sysext.sources.health import HealthFile
from tukit_sysext.store.examine import Examiner
from tukit_sysext.system.system_release import system_name
from tukit_sysext.system.transactions import tukit_runs
from tukit_sysext.system.tukit_plugins import command_to_stop, other_plugins
from tukit_sysext.terminal.output import Output
from tukit_sysext.terminal.text import Tone, Toned
from tukit_sysext.update import refusal
from tukit_sysext.update.refusal import HeldBack, Refusal

log = logging.getLogger(__name__)


def run(machine: Machine, arguments: argparse.Namespace) -> ExitStatus:
    """Print the status. 0; with ``--refused`` 1 while an update is refused, or a required image is missed."""
    output = Output.of(arguments)
    if arguments.follow:
        running_job.follow(machine, output)
    mark = refusal.known(machine, writable=False)
    if arguments.follow or (arguments.refused and not output.wants_json):
        output.show(_refusal_lines(mark))
        return ExitStatus.DONE if mark is None or arguments.follow else ExitStatus.FAILED
    snapshots = without_settled(machine.layout, scan_in_use(machine.layout, machine.subvolumes))
    trees = list(trees_in_use(machine, snapshots))
    look = Examiner(machine.store(writable=False), full=False).look
    others = other_plugins(machine.layout)
    lost = lost_images(machine, snapshots)
    asked = {name: each for name, each in HealthFile.of(machine).read().items() if name in trees[0].sources}
    if output.wants_json:
        running = running_job.running_job(machine)
        output.json(
            {
                "running_job": running_job.document(running) if running is not None else None,
                "trees": [_document(tree, look) for tree in trees],
                "refused": _refused(mark) if mark is not None and mark.images else None,
                "missed": _held(mark.missed) if mark is not None else {},
                "repair": [
                    {**asdict(need), "shown": need.shown, "since": time_text(need.since)}
                    for need in needs.read(machine.layout.repair)
                ],
                "lost": [asdict(image) for image in lost],
                "sources": {name: health_document(health) for name, health in asked.items()},
                "other_plugins": [str(path) for path in others],
                "unknown": list(snapshots.unknown),
            }
        )
        return ExitStatus.FAILED if arguments.refused and mark is not None else ExitStatus.DONE
    foreseen = _foreseen(machine, trees, mark)
    _print(output, machine, [tree.with_refusals(foreseen) for tree in trees], look, mark)
    failing = {name: health for name, health in asked.items() if health.failing is not None}
    if lost or others or snapshots.unknown or failing:
        output.tell()
    output.show(Toned(f"LOST: {image}", Tone.BAD) for image in lost)
    for path in others:
        output.tell(f"Problem: {path} is another tool's plugin for extension images and is active beside ours;")
        output.tell("         next step:")
        output.tell(f"           {command_to_stop(path, machine.layout)}")
    output.show(line for name, health in failing.items() for line in failure_lines(name, health))
    output.show(f"Not known: {unknown}" for unknown in snapshots.unknown)
    return ExitStatus.DONE


def _print(output: Output, machine: Machine, trees: Sequence[TreeStatus], look: Look, mark: Refusal | None) -> None:
    output.show(running_job.lines(machine))
    output.show(_refusal_lines(mark))
    output.show(_foreseen_lines(trees, mark))
    output.show(_repair_lines(needs.read(machine.layout.repair)))
    for number, tree in enumerate(trees):
        if number:
            output.tell()
        _print_tree(output, tree, look)


def _foreseen(machine: Machine, trees: Sequence[TreeStatus], mark: Refusal | None) -> Mapping[str, HeldBack]:
    """Why the next update would be refused, by image, as far as this machine knows."""
    from tukit_sysext.update import foreseen

    now = int(time.time())
    ages = refusal.ages(mark, now=now)
    try:
        plans = [
            image
            for tree in trees
            if tree.target.next
            for image in foreseen.refusing(machine, tree.target.path, refused_for=ages)
        ]
    except (TukitSysextError, OSError) as error:
        log.info("whether the next update would be refused is not known: %s", error)
        return {}
    return {image.name: HeldBack(reason=image.reason, since=now, next_step=image.next_step) for image in plans}


def _foreseen_lines(trees: Sequence[TreeStatus], mark: Refusal | None) -> Iterator[str]:
    """What was refused already stands above, with its next step, unless that was followed."""
    known = mark.images if mark is not None else {}
    for name, held in sorted({name: held for tree in trees for name, held in tree.refusals.items()}.items()):
        if name not in known or not known[name].next_step:
            yield Toned(f"THE NEXT UPDATE WOULD BE REFUSED: {name}: {held.reason}", Tone.BAD)
            yield from (f"  {line}" for line in next_step_lines(held.next_step))
            yield ""


def _print_tree(output: Output, tree: TreeStatus, look: Look) -> None:
    snapshot, runs = tree.target.snapshot, tree.target.running
    called = f"snapshot {snapshot.number}" if snapshot is not None else f"tree {tree.target.path}"
    role = f"{tree.role}, with /usr of snapshot {tree.applied}" if tree.applied is not None else tree.role
    output.tell(Toned(f"{called} ({role}): {system_name(tree.release)}", Tone.STRONG))
    if tree.role == LEFT and snapshot is not None:
        output.tell("  next step:")
        output.tell(f"    tukit abort {snapshot.number}")
        return
    if tree.role == OPEN and snapshot is not None and not tukit_runs(tree.target.machine.layout.root):
        output.tell("  no tukit is at work at it")
        output.tell("  next step:")
        output.tell(f"    tukit close {snapshot.number}")
        output.tell("  or:")
        output.tell(f"    tukit abort {snapshot.number}")
    if tree.unknown:
        output.tell(Toned(f"  not known: {tree.unknown}", Tone.NOTICE))
    images = list(rows(tree, look))
    if images:
        noted = any(row.notes for row in images)
        wraps = (-1, -2) if noted else (-1,)
        columns = ("Image", "Version", "Policy", *(["Merged"] if runs else []), "State", *(["Note"] if noted else []))
        output.table(columns, [_cells(row, runs=runs, noted=noted) for row in images], indent=2, wraps=wraps)
        if any(row.condition == NOT_LINKED for row in images):
            where = f" --snapshot {snapshot.number}" if snapshot is not None and not snapshot.running else ""
            output.say(f"  {NOT_LINKED}: why, and what there is now:")
            output.say(f"    tukit-sysext check{where}")
        if runs and any(row.merged_as not in MERGED_AS_LINKED and row.condition == OK for row in images):
            how = "the next boot does that, or:" if tree.target.next else "to have them until the reboot:"
            output.say(f"  not merged yet; {how}")
            output.say(f"    {merge_rule.BY_HAND}")
    elif not tree.unknown:
        output.tell("  No image is linked or wanted.")
    if tree.still_merged:
        output.tell(Toned(f"  merged, but not linked any more: {', '.join(tree.still_merged)}", Tone.NOTICE))
    output.show(f"  quarantined: {link.entry.shown}, {link.reason or 'reason unknown'}" for link in tree.quarantined)
    output.show(f"  {name} is masked by {path}" for name, path in sorted(tree.wanted.masked.items()))
    output.show(Toned(f"  problem: {problem}", Tone.NOTICE) for problem in tree.problems)


def _cells(row: ImageRow, *, runs: bool, noted: bool) -> Sequence[str]:
    """A row of the table; what is as it should be has no colour."""
    bad = Tone.NOTICE if row.policy == "not ours" else Tone.BAD
    merged = row.merged_as if row.merged_as in MERGED_AS_LINKED else Toned(row.merged_as, Tone.NOTICE)
    state = row.condition if row.condition == OK else Toned(row.condition, bad)
    notes = [Toned("; ".join(row.notes), Tone.NOTICE)] if noted else []
    return (row.name, row.shown, row.policy, *([merged] if runs else []), state, *notes)


def _document(tree: TreeStatus, look: Look) -> dict[str, Any]:
    return {
        "tree": tree_document(tree.target),
        "role": tree.role,
        "system": system_name(tree.release),
        "images": [
            {
                "name": row.name,
                "version": None if row.version in ("-", "?") else row.version,
                "shown": None if row.version in ("-", "?") else row.shown,
                "policy": row.policy,
                "state": row.state,
                "not_had": row.not_had or None,
                "merged": row.merged,
                "wanted_by": row.wanted_by,
            }
            for row in rows(tree, look)
        ],
        "links": None if tree.entries is None else [entry_document(entry, look) for entry in tree.entries],
        "quarantined": [
            {
                "link": link.entry.name,
                "folder": f"/{link.entry.folder}",
                "target": link.entry.target,
                "reason": link.reason or None,
                "since": link.since or None,
            }
            for link in tree.quarantined
        ],
        "masked": dict(tree.wanted.masked),
        "unknown": tree.unknown or None,
        "problems": [str(problem) for problem in tree.problems],
    }


def _refused(mark: Refusal) -> dict[str, Any]:
    return {
        "since": time_text(mark.since),
        "last": time_text(mark.last),
        "times": mark.times,
        "system": mark.system,
        "images": _held(mark.images),
    }


def _held(images: Mapping[str, HeldBack]) -> dict[str, Any]:
    found = refusal.images_document(images)
    return {name: {**held, "since": time_text(held["since"])} for name, held in found.items()}


def _repair_lines(needs: Sequence[Need]) -> Iterator[str]:
    if not needs:
        return
    yield Toned("IMAGES HAVE TO BE REPAIRED:", Tone.BAD)
    for need in needs:
        since = local_time(need.since)
        where = f"snapshot {need.snapshot}" if need.snapshot is not None else "the running system"
        yield f"  {where}: {need.name} {need.shown} {need.condition} since {since}: {need.reason}"
    yield "  next step:"
    yield "    tukit-sysext verify --repair"
    yield ""


def _refusal_lines(mark: Refusal | None) -> Iterator[str]:
    if mark is None:
        return
    if mark.images:
        from tukit_sysext.update.report import step_lines  # 20 ms, and most updates are not refused

        since = local_time(mark.since)
        times = "once" if mark.times == 1 else f"{mark.times} times"
        yield Toned(f"AN UPDATE IS REFUSED since {since} ({times}), to {mark.system_in_words}:", Tone.BAD)
        yield from (f"  {name}: {held.reason}" for name, held in sorted(mark.images.items()))
        yield from (f"  {line}" for line in step_lines(mark.next_steps))
        yield ""
    if mark.missed:
        yield Toned("AN UPDATE CAME WITHOUT REQUIRED IMAGES; a later one brings them when they can be had:", Tone.BAD)
        for name, held in sorted(mark.missed.items()):
            yield f"  {name}, since {local_time(held.since)}: {held.reason}"
            yield from (f"  {line}" for line in next_step_lines(held.next_step))
        yield ""
