# SPDX-License-Identifier: LGPL-2.1-or-later
"""What was changed in trees, or would be, as commands tell it."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from tukit_sysext.change.changer import TreeChange
from tukit_sysext.commands.common.trees import tree_document
from tukit_sysext.quantities import counted, size_text
from tukit_sysext.update.plan import Action, ImagePlan

_NAMED = 3
"""So many images that stay as they are have their names told; of more the number says it."""


def lines(trees: Sequence[TreeChange], *, dry_run: bool) -> Iterator[str]:
    """What was done, tree by tree; the tree is named where it is not only the running one."""
    several = len(trees) > 1 or not trees[0].target.running
    for tree in trees:
        texts = list(_tree_lines(tree, dry_run=dry_run))
        if several:
            called = str(tree.target)
            # a path stays what it is
            yield f"{called if called == str(tree.target.path) else called[:1].upper() + called[1:]}:"
        yield from (f"  {line}" if several else line for line in texts)


def _tree_lines(tree: TreeChange, *, dry_run: bool) -> Iterator[str]:
    changed = {change.image for change in tree.changes}
    configured = [change for change in tree.intent_changes if change.key != "State"]
    said = changed | {change.image for change in configured}
    kept = {image.name: image for image in tree.plan.images if _stays(image) and image.name not in said}
    several = kept if len(kept) > 1 else {}
    for image in tree.plan.images:
        if image.name in changed:
            yield from (change.text for change in tree.changes if change.image == image.name)
        elif dry_run and image.action is Action.FETCH and image.chosen is not None:
            before = f"{image.shown_before} -> " if image.changes_content else ""
            again = "" if image.before is None or image.changes_content else " again"
            size = f", {size_text(tree.sizes[image.name])}" if image.name in tree.sizes else ""
            yield f"{image.name}: {before}{image.chosen.shown} would be fetched{again} from {image.chosen.origin}{size}"
        elif image.action is Action.LEAVE_OUT:
            yield f"{image.name}: {image.reason}"
        elif image.action is Action.KEEP and image.chosen is not None and image.name not in said | several.keys():
            held = f", held at {image.wanted.hold}" if image.wanted.hold is not None else ""
            yield f"{image.name}: {image.chosen.shown} is linked already{held}"
        elif image.action is Action.LEAVE_ALONE:
            yield f"{image.name}: {image.reason}" if image.masked else f"{image.name}:"
        elif image.action is Action.REMOVE and image.name in tree.names:
            yield f"{image.name}: not wanted any more; it had no link"
        yield from (change.text(dry_run=dry_run) for change in configured if change.image == image.name)
        # what could not be had is a warning of the command, with its next step
        yield from (f"  {warning}" for warning in image.warnings if warning != image.not_had)
    if several:
        names = ": " + ", ".join(
            f"{name} {image.shown_before}{' (held)' if image.wanted.hold is not None else ''}"
            for name, image in several.items()
        )
        yield f"{counted(len(several), 'image')} are linked already{names if len(several) <= _NAMED else ''}"
    if not tree.plan.images:
        yield "No image is wanted."


def _stays(image: ImagePlan) -> bool:
    """Whether an image stays as it is, and nothing is to be said of it."""
    return image.action is Action.KEEP and image.chosen is not None and not {*image.warnings} - {image.not_had}


def required_line(trees: Sequence[TreeChange], *, dry_run: bool) -> str:
    """What it means that images are required from now on; empty where none newly is."""
    names = sorted(
        {
            file.of
            for tree in trees
            for file in tree.files
            if file.of is not None and file.may_refuse and any(change.key == "State" for change in file.changes)
        }
    )
    if not names:
        return ""
    are, it = ("is", "it does") if len(names) == 1 else ("are", "one of them does")
    return (
        f"{', '.join(names)} {'would be' if dry_run else are} required: an update that {it} not fit is refused. "
        "With --optional it is left out instead."
    )


def next_step(tree: TreeChange, name: str) -> str:
    """What a person can do about an image that a tree cannot get: fix it, else the command that tells why."""
    target = tree.target
    (image,) = (image for image in tree.plan.images if image.name == name)
    if image.next_step:
        return image.next_step
    known = {each.option.version for each in image.considered}
    asked = f"{name}={image.wanted.hold}" if image.wanted.hold in known else name
    if target.running:
        return f"tukit-sysext why-not {asked}"
    if target.snapshot is not None:
        return f"tukit-sysext why-not --snapshot {target.snapshot.number} {asked}"
    return f"tukit-sysext why-not --root {shlex.quote(str(target.path))} {asked}"


def prevented_document(image: ImagePlan) -> dict[str, Any] | None:
    """The newer image that something went wrong with, for ``--json``; None where there is none."""
    best = image.prevented
    if best is None:
        return None
    source = best.option.candidate.source if best.option.candidate is not None else None
    option = best.option
    return {
        "version": option.version,
        "shown": option.shown,
        "source": source,
        "standing": best.standing,
        "reason": best.reason,
    }


def document(trees: Sequence[TreeChange], *, dry_run: bool, refreshed: bool, away: Mapping[str, str]) -> dict[str, Any]:
    """What was done for ``--json``; ``away`` are the sources that could not be asked, with the reason."""
    return {
        "dry_run": dry_run,
        "refreshed": refreshed,
        "trees": [
            {
                "tree": tree_document(tree.target),
                "images": [
                    {
                        "name": image.name,
                        "action": image.action,
                        "before": image.before,
                        "shown_before": image.shown_before,
                        "version": image.chosen.version if image.chosen is not None else None,
                        "shown": image.chosen.shown if image.chosen is not None else None,
                        "bytes_to_fetch": tree.sizes.get(image.name),
                        "link": image.link,
                        "reason": image.reason,
                        "missing": image.left_out,
                        "prevented": prevented_document(image),
                        "warnings": list(image.warnings),
                    }
                    for image in tree.plan.images
                    if tree.links
                ],
                "files": [{"path": file.path, "written": file.content is not None} for file in tree.files],
                "configured": [asdict(change) for change in tree.intent_changes],
            }
            for tree in trees
        ],
        "not_asked": [{"source": name, "reason": reason} for name, reason in sorted(away.items())],
    }
