# SPDX-License-Identifier: LGPL-2.1-or-later
"""``tukit-sysext check``: the plan for a tree, with the reason of every verdict. Changes nothing."""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from tukit_sysext.commands.common.judged_for import JudgedFor, judge_for, judged_tree
from tukit_sysext.commands.common.looking_scratch import looking_scratch
from tukit_sysext.commands.common.rules_told import rules_document
from tukit_sysext.commands.common.tree_changes import prevented_document
from tukit_sysext.commands.common.trees import host_document, tree_document
from tukit_sysext.errors import next_step_lines
from tukit_sysext.exit_status import ExitStatus
from tukit_sysext.machine import Machine
from tukit_sysext.plugins.manager import Plugins
from tukit_sysext.quantities import counted, size_text
from tukit_sysext.snapshots.targets import Target
from tukit_sysext.system.system_release import system_in_words, system_name
from tukit_sysext.system.tree import Tree
from tukit_sysext.terminal.output import Output
from tukit_sysext.terminal.text import Table, Tone, Toned
from tukit_sysext.update import refusal
from tukit_sysext.update.bytes_to_come import bytes_to_come
from tukit_sysext.update.deciding import decide
from tukit_sysext.update.explain import rules_of_content
from tukit_sysext.update.facts import Facts
from tukit_sysext.update.plan import Action, ImagePlan, Plan
from tukit_sysext.update.report import next_steps, step_lines
from tukit_sysext.update.search import Resolver


def run(machine: Machine, arguments: argparse.Namespace) -> ExitStatus:
    """Print the plan for a tree. 0, 75 where a transaction with it would be refused, 1 where not all is known."""
    target = judged_tree(machine, arguments)
    plugins = Plugins.of(machine)
    local = replace(target.machine, read_only=True)
    held = refusal.ages(refusal.known(machine, writable=False), now=int(time.time()))
    output = Output.of(arguments)
    with Tree(target.path) as tree, looking_scratch(local) as scratch:
        resolver = Resolver(local, tree, plugins, refused_for=held, scratch=scratch)
        judged = judge_for(machine, arguments, resolver)
        plan = decide(resolver.resolve())
        sizes = bytes_to_come(resolver, plan)
        output.json(document(target, plan, resolver.facts, sizes, judged))
        output.show(lines(plan, judged, sizes, full=arguments.all))
    if plan.refusals:
        return ExitStatus.REFUSED
    return ExitStatus.FAILED if plan.not_asked or any(image.prevented for image in plan.images) else ExitStatus.DONE


def document(target: Target, plan: Plan, facts: Facts, sizes: Mapping[str, int], judged: JudgedFor) -> dict[str, Any]:
    """The plan for ``--json``; ``sizes`` are the bytes that will come, by image."""
    return {
        "tree": tree_document(target),
        "own_system": judged.own,
        "system": system_name(plan.tree.release),
        "host": host_document(plan.tree),
        "unusable": plan.tree.unusable or None,
        "images": [_image(image, facts, sizes) for image in _shown(plan)],
        "foreign": [
            {
                "name": foreign.entry.name,
                "kind": foreign.entry.kind,
                "target": foreign.entry.target,
                "complaint": foreign.complaint or None,
            }
            for foreign in plan.foreign
        ],
        "masked": dict(plan.masked),
        "unreachable": dict(plan.unreachable),
        "problems": [
            {"file": problem.file, "line": problem.line or None, "message": problem.message}
            for problem in plan.problems
        ],
        "refused": dict(plan.refusals),
    }


def _shown(plan: Plan) -> list[ImagePlan]:
    """The images that there is something to tell of: of a tombstone (State=removed) only the links that it takes."""
    return [image for image in plan.images if image.action is not Action.REMOVE or image.remove]


def _image(image: ImagePlan, facts: Facts, sizes: Mapping[str, int]) -> dict[str, Any]:
    chosen = image.chosen
    return {
        "name": image.name,
        "policy": image.wanted.policy,
        "wanted_by": image.wanted.origin,
        "action": image.action,
        "reason": image.reason,
        "missing": image.left_out,
        "refuses": image.refuses,
        "consequence": image.consequence,
        "prevented": prevented_document(image),
        "in_use": image.in_use.version if image.in_use is not None else None,
        "shown_in_use": image.in_use.shown if image.in_use is not None else None,
        "before": image.before,
        "shown_before": image.shown_before,
        "version": chosen.version if chosen is not None else None,
        "shown": chosen.shown if chosen is not None else None,
        "file": chosen.file_name if chosen is not None else None,
        "sha256": chosen.sha256 or None if chosen is not None else None,
        "source": chosen.candidate.source if chosen is not None and chosen.candidate is not None else None,
        "bytes_to_fetch": sizes.get(image.name),
        "link": image.link,
        "removes": list(image.remove),
        "warnings": list(image.warnings),
        "considered": [
            {
                "version": considered.option.version,
                "shown": considered.option.shown,
                "file": considered.option.file_name,
                "sha256": considered.option.sha256 or None,
                "source": considered.option.candidate.source if considered.option.candidate is not None else None,
                "standing": considered.standing,
                "reason": considered.reason,
                "rules": rules_document(
                    rules_of_content(facts, image.name, considered) if considered.verdict is not None else ()
                ),
            }
            for considered in image.considered
        ],
    }


_WORDS = {
    Action.KEEP: "stays",
    Action.LINK: "to be linked",
    Action.FETCH: "to be fetched",
    Action.LEAVE_OUT: "left out",
    Action.REMOVE: "to be taken out",
    Action.LEAVE_ALONE: "left as it is",
}


def lines(plan: Plan, judged: JudgedFor, sizes: Mapping[str, int], *, full: bool = False) -> Iterator[str | Table]:
    """The plan as text; with ``full`` also why what stays is not replaced by a newer version.

    ``sizes`` are the bytes that will come, by image.
    """
    tree = plan.tree
    systemd = f"systemd {tree.systemd}" if tree.systemd is not None else "systemd of unknown version"
    if not judged.own:
        yield f"Images of {tree.path}, for {system_in_words(tree.release)}, {tree.architecture}"
        yield from judged.notes
    else:
        yield f"Tree {tree.path}: {system_name(tree.release)}, {tree.architecture}, {systemd}"
    if tree.unusable:
        yield f"  {tree.unusable}"
    shown = _shown(plan)
    if not shown:
        yield "No image is wanted."
    else:
        yield ""
        yield Table(("Image", "Has", "Gets", "What happens"), [_row(image, plan, sizes) for image in shown])
    if len(sizes) > 1:
        yield f"{counted(len(sizes), 'image')} to be fetched, {size_text(sum(sizes.values()))}"
    for image in shown:
        yield from _explained(image, full=full)
    if plan.refusals:
        yield ""
        yield from (line[:1].upper() + line[1:] for line in step_lines(next_steps(plan.refusing)))
    if plan.foreign:
        yield ""
        yield "Not ours, never changed:"
        for foreign in plan.foreign:
            against = f"; would not be merged: {foreign.complaint}" if foreign.complaint else ""
            yield f"  {foreign.entry.name}: {foreign.note}{against}"
            if foreign.entry.is_mask:
                yield f"    to have {foreign.entry.stem} again:"
                yield f"      rm /etc/extensions/{foreign.entry.name}"
            elif not against:
                yield "    to take it over:"
                yield f"      tukit-sysext adopt {foreign.entry.stem}"
    notes = [f"source {name}: {reason}" for name, reason in sorted(plan.unreachable.items())]
    notes += [f"{name} is masked by {path}" for name, path in sorted(plan.masked.items())]
    notes += [str(problem) for problem in plan.problems]
    if notes:
        yield ""
        yield from (Toned(f"Problem: {note}", Tone.NOTICE) for note in notes)


def _explained(image: ImagePlan, *, full: bool) -> Iterator[str]:
    """Why it gets what it gets; of one that stays only what has to be known, unless ``full``."""
    before = image.preferred
    if image.action is Action.KEEP and not image.warnings and not (before and full):
        return
    yield ""
    follows = ", this refuses the update" if image.refuses else ""
    follows = ", the update comes without it" if image.is_missed else follows
    word = "done without" if image.masked else _WORDS[image.action]
    yield Toned(f"{image.name}: {word}{follows}", Tone.BAD if follows else Tone.STRONG)
    yield f"  {image.reason}"
    if not image.refuses:  # those of what refuses stand below all
        yield from (f"  {line}" for line in next_step_lines(image.next_step))
    yield from (f"  {warning}" for warning in image.warnings)
    for considered in image.considered[: len(before) + 1]:
        why = "" if considered.reason in (image.reason, considered.standing) else f", {considered.reason}"
        yield f"    {considered.option.shown} of {considered.option.origin}: {considered.standing}{why}"
    more = len(image.considered) - len(before) - 1
    if more > 0:
        yield f"    and {counted(more, 'other version')}:"
        yield f"      tukit-sysext why-not {image.name}"


def _row(image: ImagePlan, plan: Plan, sizes: Mapping[str, int]) -> tuple[str, str, str, str]:
    gets = image.chosen.shown if image.chosen is not None else "-"
    if image.refuses:
        return image.name, image.shown_before or "-", gets, Toned("REFUSES THE UPDATE", Tone.BAD)
    if image.is_missed:
        return image.name, image.shown_before or "-", gets, Toned("left out, ALTHOUGH REQUIRED", Tone.BAD)
    what = "done without: masked" if image.masked else _WORDS[image.action]
    what += f", {size_text(sizes[image.name])}" if image.name in sizes else ""
    if image.chosen is not None:
        what += f", held at {image.wanted.hold}" if image.wanted.hold is not None else ""
        gone = [link for link in image.remove if link in plan.remove]
        what += f"; {', '.join(gone)} to be taken out" if gone else ""
    if image.action is Action.KEEP and (before := image.preferred):
        what += f"; {before[0].option.shown}: {before[0].standing}"
    tone = _TONES.get(image.action)
    return image.name, image.shown_before or "-", gets, what if tone is None else Toned(what, tone)


_TONES = {
    Action.LINK: Tone.GOOD,
    Action.FETCH: Tone.GOOD,
    Action.LEAVE_OUT: Tone.NOTICE,
    Action.REMOVE: Tone.NOTICE,
}
