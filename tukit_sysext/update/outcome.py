# SPDX-License-Identifier: LGPL-2.1-or-later
"""What changed in a tree, image by image, as it is reported and recorded. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from tukit_sysext.ledger.rows import LedgerEvent
from tukit_sysext.quantities import size_text
from tukit_sysext.store.record import Record
from tukit_sysext.update.plan import Action, ImagePlan, Plan


class ChangeKind(StrEnum):
    """What happened to an image, as the ledger remembers it."""

    LINKED = "linked"
    REPLACED = "replaced"
    REPAIRED = "repaired"
    LEFT_OUT = "left out"
    REMOVED = "removed"


@dataclass(frozen=True, kw_only=True, slots=True)
class Change:
    """One changed image, with a line for people.

    ``fetched`` bytes came for it, and ``reused`` were here; None where none came.
    """

    kind: ChangeKind
    image: str
    text: str
    fetched: int | None = None
    reused: int | None = None

    def event(self, time: str, snapshot: int | None, uid: int | None) -> LedgerEvent:
        """What the ledger remembers of it: at which time (UTC, RFC 3339), in which snapshot, by which user's login."""
        return LedgerEvent(
            time=time,
            kind=self.kind,
            snapshot=snapshot,
            image=self.image,
            detail=self.text,
            uid=uid,
            fetched=self.fetched,
            reused=self.reused,
        )


def changes(plan: Plan, fetched: Collection[str], *, dry_run: bool = False) -> tuple[Change, ...]:
    """What a plan changes; ``fetched`` are the files that had to be fetched."""
    be = "would be " if dry_run else ""
    changed = ((image, _change(image, fetched, be)) for image in plan.images)
    return tuple(_counted(change, _came(image, fetched)) for image, change in changed if change is not None)


def _counted(change: Change, came: Record | None) -> Change:
    return replace(change, fetched=came.fetched, reused=came.reused) if came is not None else change


def _change(image: ImagePlan, fetched: Collection[str], be: str) -> Change | None:
    """The change of one image; None where it is as it was."""
    if image.action is Action.LINK and image.chosen is not None:
        version, origin = image.chosen.shown, image.chosen.origin
        if image.before is None:
            text = f"{image.name}: {version} {be}added, from {origin}{_saved(image, fetched)}"
            return Change(kind=ChangeKind.LINKED, image=image.name, text=text)
        if image.changes_content:
            after = f"{version} would be linked" if be else version
            text = f"{image.name}: {image.shown_before} -> {after}, from {origin}{_saved(image, fetched)}"
            return Change(kind=ChangeKind.REPLACED, image=image.name, text=text)
        return Change(
            kind=ChangeKind.REPAIRED, image=image.name, text=f"{image.name}: {version} {be}linked as {image.link}"
        )
    if image.action is Action.KEEP and image.chosen is not None and image.chosen.file_name in fetched:
        text = f"{image.name}: {image.chosen.shown} {be}repaired, from {image.chosen.origin}"
        text += _saved(image, fetched)
        return Change(kind=ChangeKind.REPAIRED, image=image.name, text=text)
    if image.action is Action.LEAVE_OUT and image.remove:
        text = f"{image.name}: {image.shown_before} {be}left out: {image.reason}"
        return Change(kind=ChangeKind.LEFT_OUT, image=image.name, text=text)
    if image.action is Action.REMOVE and image.remove:
        return Change(kind=ChangeKind.REMOVED, image=image.name, text=f"{image.name}: {image.shown_before} {be}removed")
    return None


def _saved(image: ImagePlan, fetched: Collection[str]) -> str:
    """How much of a file that was fetched did come, where the rest was here already."""
    return saved_text(_came(image, fetched))


def saved_text(came: Record | None) -> str:
    """How much of a file with this record came, to be put behind where it is from; empty where all of it did."""
    if came is None or came.fetched is None or not came.reused:
        return ""
    return f": {size_text(came.fetched)} fetched, {size_text(came.reused)} were here"


def _came(image: ImagePlan, fetched: Collection[str]) -> Record | None:
    """The record of an image's file that was fetched; None where it was not."""
    stored = image.chosen.stored if image.chosen is not None and image.chosen.file_name in fetched else None
    return stored.record if stored is not None else None


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """What came of a transaction: the plan as it was carried out, and what changed."""

    plan: Plan
    changes: tuple[Change, ...]

    @property
    def refusals(self) -> Mapping[str, str]:
        """Reason by image for those that stop the update."""
        return self.plan.refusals

    @property
    def missed(self) -> Mapping[str, str]:
        """Reason by image for required ones that the update passes without."""
        return {image.name: image.reason for image in self.plan.missed}
