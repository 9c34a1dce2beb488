# SPDX-License-Identifier: LGPL-2.1-or-later
"""``tukit-sysext status``: the running system, the one that boots next and open transactions, and what is wrong."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from tukit_sysext.commands.common import running_job
from tukit_sysext.commands.common.from_ledger import left_out
from tukit_sysext.commands.common.source_health import failure_lines, health_document
from tukit_sysext.commands.common.trees import Look, entry_document, target_in, tree_document
from tukit_sysext.config.files import Problem
from tukit_sysext.config.intent import State
from tukit_sysext.config.settings import load_configuration
from tukit_sysext.config.wanted import WantedImage, WantedImages, load_wanted
from tukit_sysext.errors import OutsideTree, UnknownState
from tukit_sysext.exit_status import ExitStatus
from tukit_sysext.integrity import merge_rule, needs, quarantine_folder
from tukit_sysext.integrity.lost import lost_images
from tukit_sysext.integrity.needs import Need
from tukit_sysext.integrity.quarantine_folder import Quarantined
from tukit_sysext.layout import EXTENSIONS, SHARED_EXTENSIONS, STORE
from tukit_sysext.ledger.leftovers import without_settled
from tukit_sysext.machine import Machine
from tukit_sysext.quantities import time_text
from tukit_sysext.rules.release import ReleaseData
from tukit_sysext.snapshots.entries import Entry, read_entries, shared_entries
from tukit_sysext.snapshots.snapper import Scan, scan
from tukit_sysext.snapshots.targets import Target
from tukit_sysext.sources.health import HealthFile
from tukit_sysext.store.examine import Examiner
from tukit_sysext.store.image_store import Condition
from tukit_sysext.system.system_release import read_release
from tukit_sysext.system.tree import Tree
from tukit_sysext.system.tukit_plugins import command_to_stop, other_plugins
from tukit_sysext.terminal.output import Output
from tukit_sysext.terminal.text import Tone, Toned, local_time
from tukit_sysext.update import refusal
from tukit_sysext.update.refusal import HeldBack, Refusal
from tukit_sysext.update.report import step_lines, system_name

_NOT_LINKED = "not linked"
_QUARANTINED = "in quarantine"
_WHOLE = "whole"
_NOT_MERGED = "not merged"


@dataclass(frozen=True, kw_only=True, slots=True)
class _TreeStatus:
    """One tree that matters now: why it does, what it wants and has.

    ``merged`` are the extensions that the running system has merged; None where that is not known, and for others.
    """

    role: str
    target: Target
    release: ReleaseData | None
    wanted: WantedImages
    entries: tuple[Entry, ...] | None
    unknown: str
    left_out: Mapping[str, str]
    sources: frozenset[str]
    problems: tuple[Problem, ...]
    quarantined: tuple[Quarantined, ...]
    merged: frozenset[str] | None = None


def run(machine: Machine, arguments: argparse.Namespace) -> ExitStatus:
    """Print the status. 0; with ``--refused`` 1 while an update is refused, or a required image is missed."""
    output = Output.of(arguments)
    if arguments.follow:
        running_job.follow(machine, output)
    mark = refusal.known(machine, writable=False)
    if arguments.follow or (arguments.refused and not output.wants_json):
        output.show(_refusal_lines(mark))
        return ExitStatus.DONE if mark is None or arguments.follow else ExitStatus.FAILED
    snapshots = without_settled(machine.layout, scan(machine.layout, machine.subvolumes))
    trees = list(_trees(machine, snapshots))
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
    _print(output, machine, trees, look, mark)
    failing = {name: health for name, health in asked.items() if health.failing is not None}
    if lost or others or snapshots.unknown or failing:
        output.tell()
    output.show(Toned(f"LOST: {image}", Tone.BAD) for image in lost)
    for path in others:
        output.tell(f"Problem: {path} is another tool's plugin for extension images and is active beside ours;")
        output.tell(f"         next step: {command_to_stop(path, machine.layout)}")
    output.show(line for name, health in failing.items() for line in failure_lines(name, health))
    output.show(f"Not known: {unknown}" for unknown in snapshots.unknown)
    return ExitStatus.DONE


def _print(output: Output, machine: Machine, trees: Sequence[_TreeStatus], look: Look, mark: Refusal | None) -> None:
    output.show(running_job.lines(machine))
    output.show(_refusal_lines(mark))
    output.show(_repair_lines(needs.read(machine.layout.repair)))
    for number, tree in enumerate(trees):
        if number:
            output.tell()
        _print_tree(output, tree, look)


def _trees(machine: Machine, snapshots: Scan) -> Iterator[_TreeStatus]:
    running, default = snapshots.running, snapshots.default
    role = "running" if default is None or default is not running else "running, boots next"
    yield replace(_tree(role, target_in(machine, snapshots, running)), merged=merge_rule.merged_now(machine))
    if default is not None and default is not running:
        yield _tree("boots next", target_in(machine, snapshots, default))
    for snapshot in snapshots.snapshots:
        if snapshot.open:
            yield _tree("open transaction", target_in(machine, snapshots, snapshot))


def _tree(role: str, target: Target) -> _TreeStatus:
    entries: tuple[Entry, ...] | None = None
    quarantined: tuple[Quarantined, ...] = ()
    unknown = ""
    with Tree(target.path) as tree:
        try:
            entries = read_entries(tree)
            folders: tuple[str, ...] = (EXTENSIONS,)
            if target.path == target.machine.layout.root:
                entries += shared_entries(tree)
                folders += SHARED_EXTENSIONS
            quarantined = tuple(link for folder in folders for link in quarantine_folder.quarantined(tree, folder))
        except (UnknownState, OutsideTree) as error:
            unknown = str(error)
        configuration, wanted = load_configuration(tree), load_wanted(tree)
        return _TreeStatus(
            role=role,
            target=target,
            release=read_release(tree),
            wanted=wanted,
            entries=entries,
            unknown=unknown,
            left_out=left_out(target),
            sources=frozenset(configuration.sources),
            problems=(*configuration.problems, *wanted.problems),
            quarantined=quarantined,
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class _ImageRow:
    """One image of a tree: wanted, linked, or both.

    ``not_had`` is the newer one that could not be had when the tree was changed last, in words (empty: none).
    ``merged``: whether it is in the running /usr, None where that is not known, and for what does not run.
    """

    name: str
    version: str
    shown: str
    policy: str
    state: str
    wanted_by: str | None
    not_had: str = ""
    merged: bool | None = None

    @property
    def full_state(self) -> str:
        """The state, whether it is merged, and what the last change could not have in its place."""
        state = f"{self.state}, {_NOT_MERGED}" if self.merged is False else self.state
        return f"{state}; {self.not_had}" if self.not_had else state


def _rows(tree: _TreeStatus, look: Look) -> Iterator[_ImageRow]:
    by_image: dict[str, list[Entry]] = {}
    others: list[Entry] = []
    for entry in tree.entries or ():
        name = look(entry.image).name if entry.image is not None else None
        if name is not None and name in tree.wanted.images and entry.folder == EXTENSIONS:
            by_image.setdefault(name, []).append(entry)
        else:
            others.append(entry)
    quarantined = {
        (look(link.entry.image).name if link.entry.image is not None else None) or link.entry.stem
        for link in tree.quarantined
        if link.entry.folder == EXTENSIONS
    }
    for name, wanted in tree.wanted.images.items():
        entries = by_image.get(name, [])
        policy = "removed" if wanted.state is State.REMOVED else str(wanted.policy)
        yield from (
            _ImageRow(
                name=name,
                version=_version(entry, look),
                shown=_shown(entry, look),
                policy=policy,
                state=_state(entry, wanted, look),
                not_had=tree.left_out.get(name, ""),
                wanted_by=wanted.origin,
                merged=None if tree.merged is None else entry.stem in tree.merged,
            )
            for entry in entries
        )
        if not entries and wanted.state is State.WANTED:
            reason = tree.left_out.get(name)
            # why stands below, with the link
            missing = _QUARANTINED if name in quarantined else _NOT_LINKED
            state = f"left out: {reason}" if reason else missing
            yield _ImageRow(name=name, version="-", shown="-", policy=policy, state=state, wanted_by=wanted.origin)
    for entry in others:
        where = f"link to {entry.target}" if entry.target is not None else f"a {entry.kind}"
        yield _ImageRow(
            name=entry.shown,
            version=_version(entry, look),
            shown=_shown(entry, look),
            policy="not ours",
            state=where,
            wanted_by=None,
        )


def _shown(entry: Entry, look: Look) -> str:
    return look(entry.image).shown if entry.image is not None else "-"


def _version(entry: Entry, look: Look) -> str:
    return look(entry.image).version if entry.image is not None else "-"


def _state(entry: Entry, wanted: WantedImage, look: Look) -> str:
    stored = look(entry.image or "")
    parts = [] if stored.condition is Condition.WHOLE else [f"{stored.condition}: {stored.reason}"]
    right = f"{stored.record.merge_name if stored.record is not None else wanted.name}.raw"
    parts += [f"linked as {entry.name}, has to be {right}"] if entry.name != right else []
    parts += [f"held at {wanted.hold}"] if wanted.hold is not None else []
    parts += ["goes with the next transaction"] if wanted.state is State.REMOVED else []
    return ", ".join(parts) or _WHOLE


def _print_tree(output: Output, tree: _TreeStatus, look: Look) -> None:
    snapshot = tree.target.snapshot
    called = f"snapshot {snapshot.number}" if snapshot is not None else f"tree {tree.target.path}"
    output.tell(Toned(f"{called} ({tree.role}): {system_name(tree.release)}", Tone.STRONG))
    if tree.unknown:
        output.tell(Toned(f"  not known: {tree.unknown}", Tone.NOTICE))
    images = list(_rows(tree, look))
    rows = [(row.name, row.shown, row.policy, _toned(row)) for row in images]
    if rows:
        output.table(("Image", "Version", "Policy", "State"), rows, indent=2)
        if any(row[-1] == _NOT_LINKED for row in rows):
            where = f" --snapshot {snapshot.number}" if snapshot is not None and not snapshot.running else ""
            output.say(f"  {_NOT_LINKED}: tukit-sysext check{where} tells why")
        if any(row.merged is False and row.state == _WHOLE for row in images):
            output.say(f"  {_NOT_MERGED}: {merge_rule.HOW}")
    elif not tree.unknown:
        output.tell("  no extension image, and none wanted")
    output.show(f"  quarantined: {link.entry.shown}, {link.reason or 'nobody knows why'}" for link in tree.quarantined)
    output.show(f"  {name} is masked by {path}" for name, path in sorted(tree.wanted.masked.items()))
    output.show(Toned(f"  problem: {problem}", Tone.NOTICE) for problem in tree.problems)


def _toned(row: _ImageRow) -> str:
    """The state in colour; what is as it should be has none. Where in the store a link leads tells the version."""
    if row.policy == "not ours":
        return Toned("link into the store" if row.state.startswith(f"link to {STORE}/") else row.state, Tone.NOTICE)
    if row.state.startswith(("held at", "goes with")):
        return Toned(row.full_state, Tone.NOTICE)
    tone = Tone.NOTICE if row.state == _WHOLE and not row.not_had else Tone.BAD
    return row.state if row.full_state == _WHOLE else Toned(row.full_state, tone)


def _document(tree: _TreeStatus, look: Look) -> dict[str, Any]:
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
            for row in _rows(tree, look)
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
    yield Toned("IMAGES HAVE TO BE REPAIRED: tukit-sysext verify --repair", Tone.BAD)
    for need in needs:
        since = local_time(need.since)
        where = f"snapshot {need.snapshot}" if need.snapshot is not None else "the running system"
        yield f"  {where}: {need.name} {need.shown} is {need.condition} since {since}: {need.reason}"
    yield ""


def _refusal_lines(mark: Refusal | None) -> Iterator[str]:
    if mark is None:
        return
    if mark.images:
        since = local_time(mark.since)
        times = "once" if mark.times == 1 else f"{mark.times} times"
        yield Toned(f"AN UPDATE IS REFUSED since {since} ({times}), to {mark.system or 'a new system'}:", Tone.BAD)
        yield from (f"  {name}: {held.reason}" for name, held in sorted(mark.images.items()))
        yield from (f"  {line}" for line in step_lines(mark.next_steps))
        yield ""
    if mark.missed:
        yield Toned("AN UPDATE CAME WITHOUT REQUIRED IMAGES; a later one brings them when they can be had:", Tone.BAD)
        for name, held in sorted(mark.missed.items()):
            yield f"  {name}, since {local_time(held.since)}: {held.reason}"
            yield from [f"  next step: {held.next_step}"] if held.next_step else []
        yield ""
