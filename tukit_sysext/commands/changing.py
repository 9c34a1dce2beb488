# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the commands that change trees have in common: plan, fetch, change, tell."""

from __future__ import annotations

import argparse
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from typing import Any

from tukit_sysext.commands.memory import nearest
from tukit_sysext.commands.output import Output, require_root
from tukit_sysext.commands.trees import tell_open_transactions
from tukit_sysext.config.values import image_version
from tukit_sysext.errors import TukitSysextError, UsageError
from tukit_sysext.job.change import Changer, TreeChange, Wish
from tukit_sysext.job.plan import Action, Missing
from tukit_sysext.job.targets import Target
from tukit_sysext.machine import Machine
from tukit_sysext.plugins import Plugins
from tukit_sysext.rules.names import NameRefused, check_component
from tukit_sysext.system import merge


def parse_name(text: str) -> str:
    """The name of an image as a person wrote it. Raises UsageError."""
    try:
        return check_component(text)
    except NameRefused as error:
        raise UsageError(f"{text!r}: expected the name of an image: {error}") from error


def parse_names(texts: Sequence[str]) -> dict[str, str | None]:
    """``NAME`` or ``NAME=VERSION``, each name once. Raises UsageError."""
    found: dict[str, str | None] = {}
    for text in texts:
        name, equals, _ = text.partition("=")
        try:
            known = image_version(text) if equals else (parse_name(name), None)
        except ValueError as error:
            raise UsageError(f"{text!r}: {error}") from error
        if found.setdefault(*known) != known[1]:
            raise UsageError(f"{known[0]}: two versions of one image cannot be had")
    return found


def unknown_image(name: str, known: Collection[str], where: str, *, hint: str = "") -> TukitSysextError:
    """An error that says which names there are that look like this one."""
    near = nearest(name, known)
    meant = f"did you mean {near}?" if near is not None else hint
    return TukitSysextError(f"{name}: expected an image {where}, found none of this name", hint=meant or None)


def carry(
    machine: Machine, arguments: argparse.Namespace, wishes: Sequence[Wish], *, needed: Collection[str] = ()
) -> int:
    """Carry wishes out, or tell what would be done. ``needed`` are images without which nothing is done.

    0, or 1 where an image that is wanted cannot be had.
    """
    output = Output.of(arguments)
    dry_run = arguments.dry_run
    if not dry_run:
        require_root(machine, arguments.command)
    now = getattr(arguments, "now", False)
    if now and not any(wish.target.running for wish in wishes):
        raise UsageError("--now is about the running system, which this does not change")
    plugins = Plugins.of(machine)
    refreshed = False
    with (
        output.progress(machine, None if dry_run else arguments.command) as watched,
        Changer([_watched(wish, watched) for wish in wishes], plugins, dry_run=dry_run) as changer,
    ):
        _check_known(needed, changer)
        trees = changer.plans() if dry_run else changer.fetch()
        _check_needed(needed, trees)
        if now:
            _tell_refresh(output, trees, dry_run=dry_run)
        if not dry_run:
            trees = changer.carry_out()
    for line in lines(trees, dry_run=dry_run):
        output.tell(line)
    if now and not dry_run:
        merge.refresh()
        refreshed = True
    elif not dry_run and any(tree.target.running and tree.changes for tree in trees):
        output.say("Not merged into the running /usr yet: systemd-sysext refresh, or the next boot.")
    output.json(document(trees, dry_run=dry_run, refreshed=refreshed))
    for tree in trees:
        for name, reason in tree.missing.items():
            output.warn(f"{tree.target}: {name}: {reason}", hint=f"tukit-sysext why-not {name}")
    if not arguments.dry_run:
        tell_open_transactions(machine, arguments, output)
    return 1 if any(tree.missing for tree in trees) else 0


def _watched(wish: Wish, watched: Machine) -> Wish:
    """The same wish; what is done for it is told to who watches."""
    target = wish.target
    return replace(wish, target=replace(target, machine=replace(target.machine, progress=watched.progress)))


def _check_known(needed: Collection[str], changer: Changer) -> None:
    """Whether anybody knows the images: a name that no source offers is rather misspelt."""
    offered = changer.offered()
    for tree in changer.plans():
        for image in tree.plan.images:
            unheard = image.missing is Missing.NOTHING_FITS and not image.considered and image.before is None
            if image.name in needed and image.name not in offered and unheard:
                hint = "tukit-sysext list shows what there is" if offered else "tukit-sysext sources"
                if not offered:
                    raise TukitSysextError(f"{image.name}: {image.reason}", hint=hint)
                raise unknown_image(image.name, offered, "of a source", hint=hint)


def _check_needed(needed: Collection[str], trees: Sequence[TreeChange]) -> None:
    for tree in trees:
        for name, reason in tree.missing.items():
            if name in needed:
                raise TukitSysextError(
                    f"{name}: {tree.target}: {reason}",
                    hint=f"nothing was changed; tukit-sysext why-not {name}, or --optional to have it where it fits",
                )


def _tell_refresh(output: Output, trees: Sequence[TreeChange], *, dry_run: bool) -> None:
    """What systemd-sysext refresh will change in the running /usr, as far as it is known."""
    (tree,) = (tree for tree in trees if tree.target.running)
    before = merge.merged()
    if before is None:
        output.say("What is merged into the running /usr now is not known.")
        return
    plan = tree.plan
    bad = {item.entry.name for item in plan.foreign if item.complaint}
    links = {entry.name for entry in plan.tree.entries} - set(plan.remove) - bad | {
        image.link for image in plan.images if image.link is not None and image.action is not Action.LEAVE_OUT
    }
    after = {link.removesuffix(".raw") for link in links}
    newer = {
        image.link.removesuffix(".raw"): f"{image.before} -> {image.chosen.version}"
        for image in plan.images
        if image.link is not None and image.chosen is not None and image.before not in (None, image.chosen.version)
    }
    told = [f"{name} comes" for name in sorted(after - before)]
    told += [f"{name} changes, {newer[name]}" for name in sorted(after & before) if name in newer]
    told += [f"{name} goes" for name in sorted(before - after)]
    would = "would change" if dry_run else "changes"
    output.say(f"systemd-sysext refresh {would} the running /usr: {'; '.join(told) or 'nothing'}")


def lines(trees: Sequence[TreeChange], *, dry_run: bool) -> Iterator[str]:
    """What was done, tree by tree; the tree is named where it is not only the running one."""
    several = len(trees) > 1 or not trees[0].target.running
    for tree in trees:
        found = list(_tree_lines(tree, dry_run=dry_run))
        if several:
            yield f"{str(tree.target)[:1].upper()}{str(tree.target)[1:]}:"
        yield from (f"  {line}" if several else line for line in found)


def _tree_lines(tree: TreeChange, *, dry_run: bool) -> Iterator[str]:
    changed = {change.image for change in tree.changes}
    for image in tree.plan.images:
        if image.name in changed:
            yield from (change.text for change in tree.changes if change.image == image.name)
        elif dry_run and image.action is Action.FETCH and image.chosen is not None:
            before = f"{image.before} -> " if image.before is not None else ""
            yield f"{image.name}: {before}{image.chosen.version} would be fetched from {image.chosen.origin}"
        elif image.action is Action.LEAVE_OUT:
            yield f"{image.name}: {image.reason}"
        elif image.action is Action.KEEP and image.chosen is not None:
            yield f"{image.name}: {image.chosen.version} is linked already"
        elif image.action is Action.LEAVE_ALONE:
            yield f"{image.name}: {image.reason}"
        elif image.action is Action.REMOVE:
            yield f"{image.name}: not wanted any more; it had no link"
        yield from (f"  {warning}" for warning in image.warnings)
    if not tree.plan.images:
        yield "nothing is wanted"


def document(trees: Sequence[TreeChange], *, dry_run: bool, refreshed: bool) -> dict[str, Any]:
    """What was done for ``--json``."""
    return {
        "dry_run": dry_run,
        "refreshed": refreshed,
        "trees": [
            {
                **tree_document(tree.target),
                "images": [
                    {
                        "name": image.name,
                        "action": image.action,
                        "before": image.before,
                        "version": image.chosen.version if image.chosen is not None else None,
                        "link": image.link,
                        "reason": image.reason,
                        "missing": image.missing,
                        "warnings": list(image.warnings),
                    }
                    for image in tree.plan.images
                ],
                "files": [{"path": file.path, "written": file.content is not None} for file in tree.files],
            }
            for tree in trees
        ],
    }


def tree_document(target: Target) -> dict[str, Any]:
    """Which tree it is, for ``--json``."""
    return {
        "path": str(target.path),
        "snapshot": target.snapshot.number if target.snapshot is not None else None,
        "running": target.running,
        "boots_next": target.next,
    }
