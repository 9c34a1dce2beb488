# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the hook says of a transaction: lines of plain text."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from tukit_sysext.errors import next_step_lines
from tukit_sysext.system.system_release import system_name
from tukit_sysext.update.left_out import LeftOut
from tukit_sysext.update.outcome import Outcome
from tukit_sysext.update.plan import Action, ImagePlan

_MOST = 5


def change_lines(outcome: Outcome) -> Iterator[str]:
    """One line for each changed image, nothing when nothing changed; for standard output, which tukit logs."""
    for change in outcome.changes:
        yield change.text


def beside_merge_lines(outcome: Outcome) -> Iterator[str]:
    """What images that are new bring, and that no boot puts to use; for standard output."""
    for image in outcome.plan.images:
        stored = image.chosen.stored if image.action is Action.LINK and image.chosen is not None else None
        record = stored.record if stored is not None and image.before is None else None
        files = record.files if record is not None else None
        if record is not None and files is not None:
            from tukit_sysext.requirements.after_merge import after_merge, to_do  # 2 ms, for what is new alone

            yield from to_do(image.name, after_merge(files, record.release), merged=False)


def refusal_lines(outcome: Outcome) -> Iterator[str]:
    """Why the update is refused and what can be done; nothing where it is not. For standard error."""
    refused = outcome.plan.refusing
    if not refused:
        return
    names = ", ".join(image.name for image in refused)
    yield f"tukit-sysext: {system_name(outcome.plan.tree.release)} is refused, because of required images: {names}"
    for image in refused:
        yield f"  {image.name}: {image.reason}"
        yield from _looked_at(image)
    for step in step_lines(next_steps(refused)):
        yield f"  {step}"


def fallback_lines(outcome: Outcome) -> Iterator[str]:
    """Images that serve in the place of newer ones that could not be had. For standard error."""
    for image in outcome.plan.images:
        if image.not_had and image.chosen is not None:
            yield f"tukit-sysext: {image.name}: {image.chosen.shown} serves, as {image.not_had}"


def warning_lines(outcome: Outcome) -> Iterator[str]:
    """What images lack or take the place of, and what is to be known of those that are new. For standard error."""
    for image in outcome.plan.images:
        for text in filter(None, (image.lacks, *image.shadows, *image.fresh_notes)):
            yield f"tukit-sysext: {image.name}: {text}"


def source_lines(outcome: Outcome, said: Iterable[str]) -> Iterator[str]:
    """Sources that gave no list that counts, each with the reason, unless that was said already. For standard error."""
    texts = tuple(said)
    for name, reason in sorted(outcome.plan.unreachable.items()):
        if not any(reason in text for text in texts):
            yield f"tukit-sysext: source {name} fails: {reason}"


def missed_lines(outcome: Outcome) -> Iterator[str]:
    """Required images that the update passes without, and what can be done; nothing where it has them.

    For standard error. What is left out for a fault of ours says so.
    """
    missed = [image for image in outcome.plan.missed if image.left_out is not LeftOut.FAULT]
    if not missed:
        return
    names = ", ".join(image.name for image in missed)
    yield f"tukit-sysext: {system_name(outcome.plan.tree.release)} comes WITHOUT required images: {names}"
    for image in missed:
        yield f"  {image.name}: {image.reason}"
        yield from _looked_at(image)
    for step in dict.fromkeys(next_steps(missed).values()):
        yield from (f"  {line}" for line in next_step_lines(step))
    yield "  A later update brings them by itself."


REFUSED_ID = "cf138e7a7eb14a8f93d4e67cd380f04e"
MISSED_ID = "9420bee665014af3a2e151eb2894b53d"
"""Entries of the journal that the catalogue explains (spec/tukit-sysext.catalog)."""


def fields_of(outcome: Outcome, images: Sequence[ImagePlan]) -> Mapping[str, str]:
    """What the journal's entry of a refusal, or of missed images, has beside its text."""
    refused = any(image.refuses for image in images)
    return {
        "MESSAGE_ID": REFUSED_ID if refused else MISSED_ID,
        "DOCUMENTATION": "man:tukit-sysext(8)",
        "SYSEXT_IMAGES": " ".join(image.name for image in images),
        "SYSEXT_SYSTEM": system_name(outcome.plan.tree.release),
    }


def next_steps(images: Iterable[ImagePlan]) -> Mapping[str, str]:
    """What has to be done so that images that are left out can be had, by image."""
    return {image.name: image.next_step or _NEXT_STEP[image.left_out] for image in images if image.left_out is not None}


def step_lines(steps: Mapping[str, str]) -> Iterator[str]:
    """The next steps of a refused update, by image; an empty one is not known any more.

    One of them is enough. A command stands alone on its line, so that it can be copied.
    """
    for step in _own_steps(steps):
        yield from next_step_lines(step)
    yield from _ways_past(steps)


def steps_text(steps: Mapping[str, str]) -> str:
    """The same as one next step of several lines, for who shows them."""
    return "\n".join((*_own_steps(steps), *_ways_past(steps)))


def _own_steps(steps: Mapping[str, str]) -> Iterable[str]:
    return dict.fromkeys(step or _NOT_KNOWN for step in steps.values())


def _ways_past(steps: Mapping[str, str]) -> Iterable[str]:
    without = f"  tukit-sysext install --optional {' '.join(steps)}"
    return "or do without:", without, "or have updates pass unjudged:", f"  {_SWITCH_OFF}"


_SWITCH_OFF = "ln -s /dev/null /etc/tukit/plugins/50-tukit-sysext"
"""The way out of whatever we may do wrong: tukit does not run us at all."""
_NOT_KNOWN = "tukit-sysext preflight"

_NEXT_STEP = {
    LeftOut.NOTHING_FITS: "update again when a fitting image is published",
    LeftOut.UNREACHABLE: "fix access to the source, or update again later",
    LeftOut.KEPT_AWAY: "tukit-sysext config",
    LeftOut.LIST_REFUSED: "tukit-sysext sources",
    LeftOut.BROKEN: "tell the publisher",
    LeftOut.UNUSABLE: "ask the publisher for another version: what looks into images dies of this one",
    LeftOut.NO_PLACE: "move away what is in the way in /etc/extensions",
    LeftOut.NOT_STORED: "make room in /var",
    LeftOut.FAULT: "tukit-sysext doctor",
}


def _looked_at(image: ImagePlan) -> Iterator[str]:
    shown = image.considered[:_MOST]
    for version in shown[1:]:
        yield f"    {version.option.shown} of {version.option.origin}: {version.reason}"
    if len(image.considered) > _MOST:
        yield f"    and {len(image.considered) - _MOST} more"
