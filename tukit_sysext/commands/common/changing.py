# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the commands that change trees have in common: plan, fetch, change; or the files of trees alone."""

from __future__ import annotations

import argparse
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from tukit_sysext.change.changer import Changer, TreeChange
from tukit_sysext.change.requests import ChangeRequest
from tukit_sysext.commands.common.beside_merge import BesideMerge, merge_later, merge_now
from tukit_sysext.commands.common.tree_changes import document, lines, next_step, required_line
from tukit_sysext.commands.common.trees import tell_open_transactions
from tukit_sysext.commands.common.typed_names import not_asked, unknown_image
from tukit_sysext.errors import TukitSysextError, UsageError
from tukit_sysext.exit_status import ExitStatus
from tukit_sysext.integrity.merge_rule import BY_HAND
from tukit_sysext.layout import EXTENSIONS
from tukit_sysext.machine import Machine
from tukit_sysext.plugins.manager import Plugins
from tukit_sysext.snapshots.targets import running_and_next
from tukit_sysext.system import merge
from tukit_sysext.terminal.output import Output
from tukit_sysext.update import refusal
from tukit_sysext.update.left_out import LeftOut
from tukit_sysext.update.plan import Action


def carry(
    machine: Machine, arguments: argparse.Namespace, requests: Sequence[ChangeRequest], *, needed: Collection[str] = ()
) -> ExitStatus:
    """Carry requests out, or tell what would be done. ``needed`` are images without which nothing is done.

    0, or 1 where an image that is wanted cannot be had, or it is not known whether there is a newer one.
    """
    output = Output.of(arguments)
    dry_run = arguments.dry_run
    if not dry_run:
        machine.require_root(arguments.command)
    now = getattr(arguments, "now", False)
    if now and not any(request.target.running for request in requests):
        raise UsageError("--now is about the running system, which this does not change")
    plugins = Plugins.of(machine)
    booting = _booting(machine, arguments)
    with (
        output.progress(machine, None if dry_run else arguments.command) as watched,
        Changer([watched_request(each, watched) for each in requests], plugins, dry_run=dry_run) as changer,
    ):
        _check_known(needed, changer)
        trees = changer.plans() if dry_run else changer.fetch()
        _check_needed(needed, trees, arguments)
        if _booting(machine, arguments) != booting:
            raise TukitSysextError(
                "nothing was changed, as another snapshot boots next than when this began: a transaction was closed or "
                "a rollback done",
                next_step=arguments.typed,
            )
        merging = list(_merging(trees, dry_run=dry_run)) if now else []
        if not dry_run:
            trees = changer.carry_out()
        away = changer.not_asked()
    output.report(lines(trees, dry_run=dry_run), dry_run=dry_run)
    if getattr(arguments, "policy", None) is None and (required := required_line(trees, dry_run=dry_run)):
        output.say(required)
    beside = _merge(machine, output, trees, now=now, dry_run=dry_run)
    for line in merging:
        output.say(line)
    output.report(beside.lines, dry_run=dry_run)
    for note in beside.notes:
        output.warn(note)
    output.json({**document(trees, dry_run=dry_run, refreshed=now and not dry_run, away=away), **beside.document})
    _warn_missing(output, trees, away)
    if not dry_run:
        _warn_other_trees(machine, arguments, output, trees, booting)
    prevented = any(image.prevented for tree in trees for image in tree.plan.images)
    failed = any(tree.missing for tree in trees) or ((away or prevented) and not needed)
    return ExitStatus.FAILED if failed else ExitStatus.DONE


def _merge(machine: Machine, output: Output, trees: Sequence[TreeChange], *, now: bool, dry_run: bool) -> BesideMerge:
    """Merge where that is asked for; else say when it will be. What has to be done beside it."""
    if dry_run:
        output.say("Dry run: nothing was changed.")
        return BesideMerge(merged=False)
    if now:
        return merge_now(machine, next(tree for tree in trees if tree.target.running))
    if any(tree.target.running and tree.changes for tree in trees):
        output.say("The running /usr is unchanged until the next boot, or:")
        output.say(f"  {BY_HAND}")
    return merge_later(machine, trees)


def _warn_missing(output: Output, trees: Sequence[TreeChange], away: Mapping[str, str]) -> None:
    """Warn of images that no source has, and of sources that could not be asked."""
    for tree in trees:
        for name, reason in tree.missing.items():
            output.warn(f"{tree.target}: {name}: {reason}", next_step=next_step(tree, name))
        for image in tree.plan.images:
            if image.not_had and image.name not in tree.missing:
                told = f"{tree.target}: {image.name}: {image.not_had}"
                output.warn(told, next_step=next_step(tree, image.name))
    reasons = [image.reason for tree in trees for image in tree.plan.images]
    for source, reason in away.items():
        if not any(reason in text for text in reasons):
            output.warn(f"source {source}, whether it has something newer is not known: {reason}")


def _warn_other_trees(
    machine: Machine,
    arguments: argparse.Namespace,
    output: Output,
    trees: Sequence[TreeChange],
    booting: frozenset[Path],
) -> None:
    """Tell which trees that will matter do not have what was changed; ``booting`` are those that did at first."""
    if any(tree.target.running and not tree.target.next for tree in trees) and not booting:
        output.warn(
            "another snapshot boots next, to which the copying of /etc at the reboot may bring this",
            next_step="without --root and --snapshot both trees are changed",
        )
    tell_open_transactions(machine, arguments, output)
    if _booting(machine, arguments) != booting:
        output.warn(
            "another snapshot boots next than when this began, and was not changed",
            next_step=arguments.typed,
        )


def _booting(machine: Machine, arguments: argparse.Namespace) -> frozenset[Path]:
    """The trees that a command without --root and --snapshot has to change; empty with one of them."""
    if arguments.root is not None or arguments.snapshot is not None:
        return frozenset()
    return frozenset(target.path for target in running_and_next(machine))


def watched_request(request: ChangeRequest, watched: Machine) -> ChangeRequest:
    """The same request, with the progress of the watching machine."""
    target = request.target
    return replace(request, target=replace(target, machine=replace(target.machine, progress=watched.progress)))


def _check_known(needed: Collection[str], changer: Changer) -> None:
    """Whether anybody knows the images: a name that no source offers is rather misspelt."""
    offered = changer.offered()
    for tree in changer.plans():
        for image in tree.plan.images:
            unheard = image.left_out is LeftOut.NOTHING_FITS and not image.considered and image.before is None
            if image.name in needed and image.name not in offered and unheard:
                step = "tukit-sysext list" if offered else "tukit-sysext sources"
                if not offered:
                    raise TukitSysextError(f"{image.name}: {image.reason}", next_step=step)
                raise unknown_image(image.name, offered, unknown=not_asked(changer.not_asked()), next_step=step)


def _check_needed(needed: Collection[str], trees: Sequence[TreeChange], arguments: argparse.Namespace) -> None:
    """Raises TukitSysextError where a tree cannot have what is needed: nothing is changed then."""
    for tree in trees:
        for name, reason in tree.missing.items():
            if name in needed:
                # what is asked for here is not in the configuration, and cannot be taken out of it
                (image,) = (image for image in tree.plan.images if image.name == name)
                step = f"tukit-sysext list --all {name}" if image.next_step else next_step(tree, name)
                raise TukitSysextError(
                    f"{name}: {tree.target}: {reason}; nothing was changed",
                    next_step=f"{step}\nor have it where it fits:\n{arguments.typed} --optional",
                )
        for image in tree.plan.images:
            if image.name in needed and image.action is Action.LEAVE_ALONE:
                step = f"move it away, or take it over:\ntukit-sysext adopt {image.name}"
                if image.masked:
                    step = f"rm {tree.target.path / EXTENSIONS / image.name}.raw"
                told = f"{image.name}: {tree.target}: {image.reason}; nothing was changed"
                raise TukitSysextError(told, next_step=step)


def _merging(trees: Sequence[TreeChange], *, dry_run: bool) -> Iterator[str]:
    """What a merge changes in the running /usr, as far as it is known before it."""
    (tree,) = (tree for tree in trees if tree.target.running)
    before = merge.merged()
    if before is None:
        yield "It is not known which images were merged before."
        return
    plan = tree.plan
    bad = {foreign.entry.name for foreign in plan.foreign if foreign.complaint}
    links = {entry.name for entry in plan.tree.entries} - set(plan.remove) - bad | {
        # the name of what is not fetched yet is a guess, which nearly always comes true
        image.link or f"{image.name}.raw"
        for image in plan.images
        if image.action is Action.FETCH or (image.link is not None and image.action is not Action.LEAVE_OUT)
    }
    after = {link.removesuffix(".raw") for link in links}
    newer = {
        image.link.removesuffix(".raw"): f"{image.shown_before} -> {image.chosen.shown}"
        for image in plan.images
        if image.link is not None and image.chosen is not None and image.changes_content
    }
    groups = {
        "merged": sorted(after - before),
        "updated": [f"{name} {newer[name]}" for name in sorted(after & before) if name in newer],
        "unmerged": sorted(before - after),
    }
    if not any(groups.values()):
        yield f"The merge {'would change' if dry_run else 'changed'} nothing in the running /usr."
    for word, names in groups.items():
        if names:
            yield f"{f'Would be {word}' if dry_run else word.capitalize()}: {', '.join(names)}"


def _warn_refusals(machine: Machine, output: Output, requests: Sequence[ChangeRequest], said: Collection[str]) -> None:
    """Tell at once which images refuse the next update by what is changed, but for those of which it is ``said``."""
    from tukit_sysext.update import foreseen

    ages = refusal.ages(refusal.known(machine, writable=False), now=int(time.time()))
    for request in requests:
        target = request.target
        if not target.next or target.machine is not machine:
            continue
        # after the change that is what the tree says itself
        changed = {file.image.name: file.image for file in request.files if file.image is not None}
        blocked = {file.path: file.blocked for file in request.files if file.image is None}
        try:
            images = foreseen.refusing(machine, target.path, refused_for=ages, changed=changed, blocked=blocked)
        except (TukitSysextError, OSError) as error:
            output.warn(f"{target}: whether the next update would be refused is not known: {error}")
            continue
        for image in images:
            if image.name not in said:
                told = f"{image.name}: the next update would be refused: {image.reason}"
                output.warn(told, next_step=image.next_step)


def edit(
    machine: Machine, arguments: argparse.Namespace, told: Sequence[tuple[ChangeRequest, Sequence[str]]]
) -> ExitStatus:
    """Change files of trees, or tell what would be changed; each request comes with the lines that tell it. 0."""
    output = Output.of(arguments)
    if not arguments.dry_run:
        machine.require_root(arguments.command)
    with Changer([request for request, _ in told], Plugins.of(machine), dry_run=arguments.dry_run) as changer:
        trees = changer.plans() if arguments.dry_run else changer.carry_out()
        away = changer.not_asked()
    several = len(told) > 1 or any(not request.target.running for request, _ in told)
    tell = output.teller(dry_run=arguments.dry_run)
    for request, texts in told:
        for text in texts:
            tell(f"{request.target}: {text}" if several else text)
    # where no source was asked nothing can be said of what will come
    for tree in (tree for tree, (request, _) in zip(trees, told, strict=True) if request.ask):
        for image in tree.plan.images:
            if image.left_out is not None:
                output.warn(
                    f"{tree.target}: no update has a version of {image.name} then: {image.reason}",
                    next_step=next_step(tree, image.name),
                )
            elif image.action in (Action.FETCH, Action.LINK) and not arguments.dry_run:
                output.say("To have it now:")
                output.say(f"  tukit-sysext update {image.name}")
    if arguments.dry_run:
        output.say("Dry run: nothing was changed.")
    output.json(document(trees, dry_run=arguments.dry_run, refreshed=False, away=away))
    said = {image.name for tree in trees for image in tree.plan.images if image.left_out is not None}
    _warn_refusals(machine, output, [request for request, _ in told], said)
    tell_open_transactions(machine, arguments, output)
    return ExitStatus.DONE
