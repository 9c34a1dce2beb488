# SPDX-License-Identifier: LGPL-2.1-or-later
"""The mark in /run of a refused update, and of one that came without a required image: since when, how often and why.

tukit's status gets lost on the way to the caller, so both are made visible here: ``tukit-sysext status`` reads it, and
a unit fails while it exists. It goes when an update passes, and has the images. Across a reboot the ledger remembers
since when.
"""

from __future__ import annotations

import json
import logging
import sqlite3
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tukit_sysext.ledger.kept_open import opened
from tukit_sysext.ledger.ledger import Ledger, LedgerEvent
from tukit_sysext.ledger.tables import HAD_AGAIN, MISSED, REFUSAL_OVER, REFUSED
from tukit_sysext.machine import Machine
from tukit_sysext.quantities import time_text
from tukit_sysext.rules.printable import printable
from tukit_sysext.rules.release import ReleaseData
from tukit_sysext.store.record import plausible_time, seconds_of
from tukit_sysext.system.durable import make_directory, write_file
from tukit_sysext.system.mark import read_mark, write_mark
from tukit_sysext.system.system_release import label, running_label, system_in_words

if TYPE_CHECKING:
    from tukit_sysext.update.outcome import Outcome

_LIMIT = 256 * 1024
_JUDGED_BY = ("ID", "ID_LIKE", "NAME", "VERSION_ID", "SYSEXT_LEVEL", "IMAGE_ID", "IMAGE_VERSION")
"""Keys of os-release by which images are judged, and that name a system."""
_RELEASE = "refused release"
"""Under which the ledger keeps those of the system that was refused last: /run is gone after a reboot."""


log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class HeldBack:
    """Why an image holds back updates, since when (seconds since the epoch), and the next step (empty: not known)."""

    reason: str
    since: int
    next_step: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Refusal:
    """An update that is held back, and what is missed since one that passed.

    ``last`` in seconds since the epoch, ``times`` how often it was refused, ``images`` those that hold it back, by
    name (empty: none is), ``system`` the version of the refused tree (ID, VERSION_ID and SYSEXT_LEVEL of its
    os-release), ``release`` the keys of that os-release by which images are judged (empty: not known), ``missed``
    required images without which an update passed, by name.
    """

    last: int
    times: int
    system: str
    images: Mapping[str, HeldBack]
    missed: Mapping[str, HeldBack] = field(default_factory=dict)
    release: Mapping[str, str] = field(default_factory=dict)

    @property
    def system_in_words(self) -> str:
        """What a person calls the refused system."""
        return system_in_words(ReleaseData(self.release)) if self.release else self.system or "a new system"

    @property
    def since(self) -> int:
        """Since when updates are held back, in seconds since the epoch."""
        return min((held.since for held in self.images.values()), default=self.last)

    @property
    def next_steps(self) -> Mapping[str, str]:
        """What can be done, by image; empty where it is not known."""
        return {name: held.next_step for name, held in sorted(self.images.items())}


NONE = Refusal(last=0, times=0, system="", images={})
"""Nothing is refused, and nothing is missed."""


def read(path: Path) -> Refusal | None:
    """The mark; None if there is none, or if it cannot be read as one."""
    try:
        document = read_mark(path, limit=_LIMIT)
        return Refusal(
            last=plausible_time(document["last"]),
            times=int(document["times"]),
            system=str(document["system"]),
            images=_read_images(document["images"]),
            missed=_read_images(document.get("missed", {})),
            release=_read_release(document.get("release", {})),
        )
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError, OverflowError):
        return None


def _read_release(document: Any) -> Mapping[str, str]:
    return {key: str(document[key]) for key in _JUDGED_BY if key in document}


def _read_images(document: Any) -> Mapping[str, HeldBack]:
    return {
        str(name): HeldBack(
            reason=str(held["reason"]),
            since=plausible_time(held["since"]),
            next_step=str(held.get("next_step") or ""),
        )
        for name, held in document.items()
    }


def document(refusal: Refusal) -> dict[str, Any]:
    """The refusal as the mark has it."""
    return {
        "since": refusal.since,
        "last": refusal.last,
        "times": refusal.times,
        "system": refusal.system,
        "images": images_document(refusal.images),
        "missed": images_document(refusal.missed),
        "release": dict(refusal.release),
    }


def images_document(images: Mapping[str, HeldBack]) -> dict[str, Any]:
    """Images that are held back or missed as JSON has them."""
    return {
        name: {"reason": held.reason, "since": held.since, "next_step": held.next_step or None}
        for name, held in images.items()
    }


def write(path: Path, refusal: Refusal) -> None:
    """Set the mark. Raises OSError."""
    write_mark(path, document(refusal))


def clear(path: Path) -> None:
    """Take the mark away. Raises OSError."""
    path.unlink(missing_ok=True)


def again(
    before: Refusal | None,
    *,
    now: int,
    system: str,
    images: Mapping[str, str],
    next_steps: Mapping[str, str] | None = None,
) -> Refusal:
    """The mark after one more refusal: reason and next step by image.

    A clock that went back makes no negative age (threat L14).
    """
    times = before.times + 1 if before is not None and before.images else 1
    return Refusal(last=now, times=times, system=system, images=_held(before, images, next_steps or {}, now))


def _held(
    before: Refusal | None, images: Mapping[str, str], steps: Mapping[str, str], now: int
) -> Mapping[str, HeldBack]:
    """Images by reason, each since it was held back or missed first."""
    known = {**before.missed, **before.images} if before is not None else {}
    return {
        name: HeldBack(
            reason=reason,
            since=min(now, known[name].since) if name in known else now,
            next_step=steps.get(name, ""),
        )
        for name, reason in images.items()
    }


def is_over(refusal: Refusal, *, passed: str, running: str, still_required: frozenset[str]) -> bool:
    """Whether a transaction that was not refused ends the refusal.

    ``passed`` is the version of its tree, ``running`` that of the running system. A package that is installed on top of
    the running system says nothing about the update that is held back; an update that passes does, and so does an image
    that is no longer required.
    """
    return passed == refusal.system or passed != running or not still_required.intersection(refusal.images)


def known(machine: Machine, *, writable: bool = True) -> Refusal | None:
    """The refusal that is in force: from its mark in /run, else, after a reboot, from the ledger.

    With ``writable`` false the ledger is only read.
    """
    mark = read(machine.layout.refused)
    if mark is not None or not machine.layout.ledger.exists():
        return mark
    try:
        with Ledger(machine.layout.ledger, writable=writable) as ledger:
            found = _from_events(ledger.events())
            if found is None or not found.images:
                return found
            release = _recalled(ledger)
            return replace(found, release=release, system=label(ReleaseData(release)) if release else "")
    except (OSError, sqlite3.Error) as error:
        log.warning("%s: %s; since when updates are refused is not known", machine.layout.ledger, error)
        return None


def _recalled(ledger: Ledger) -> Mapping[str, str]:
    try:
        return _read_release(json.loads(ledger.recall(_RELEASE) or "{}"))
    except (ValueError, TypeError, RecursionError):
        return {}


def _from_events(events: Sequence[LedgerEvent]) -> Refusal | None:
    """The refusals since the last one that was over, and what is missed since it was had last."""
    images: dict[str, HeldBack] = {}
    missed: dict[str, HeldBack] = {}
    times: set[int] = set()
    for event in events:
        when = seconds_of(event.time)
        if event.kind == REFUSAL_OVER:
            images, times = {}, set()
        elif event.kind == HAD_AGAIN:
            missed.pop(event.image or "", None)
        elif event.kind in (REFUSED, MISSED) and event.image is not None and when is not None:
            held = images if event.kind == REFUSED else missed
            before = held.get(event.image)
            held[event.image] = HeldBack(reason=event.detail, since=min(before.since, when) if before else when)
            times |= {when} if event.kind == REFUSED else set()
    if not images and not missed:
        return None
    return Refusal(last=max(times, default=0), times=len(times), system="", images=images, missed=missed)


def ages(mark: Refusal | None, *, now: int) -> Mapping[str, int]:
    """Seconds since when each image holds back updates; a clock that went back makes zero of it (threat L14).

    One that RefuseFor= let an update pass without counts on: it does not hold back the next one either.
    """
    held = {**mark.missed, **mark.images} if mark is not None else {}
    return {name: max(0, now - each.since) for name, each in held.items()}


def note(machine: Machine, outcome: Outcome, before: Refusal | None, *, now: int) -> None:
    """Mark what is refused or missed, and take the mark away where both are over. Raises OSError, sqlite3.Error."""
    from tukit_sysext.update import report  # not for who only shows it again, as at each boot

    system = label(outcome.plan.tree.release)
    known = before or Refusal(last=now, times=0, system=system, images={})
    missed = _held(known, outcome.missed, report.next_steps(outcome.plan.missed), now)
    over: list[LedgerEvent] = []
    if outcome.refusals:
        steps = report.next_steps(outcome.plan.refusing)
        after = again(before, now=now, system=system, images=outcome.refusals, next_steps=steps)
        release = outcome.plan.tree.release or ReleaseData()
        judged_by = {key: release[key] for key in _JUDGED_BY if key in release}
        after = replace(after, missed={**known.missed, **missed}, release=judged_by)  # the tree without them goes
    else:
        after = replace(known, missed=missed)
        over = [_event(now, HAD_AGAIN, image=name) for name in sorted(known.missed.keys() - missed.keys())]
        required = frozenset(image.name for image in outcome.plan.images if image.wanted.may_refuse)
        running = running_label(machine.layout.root)
        if known.images and is_over(known, passed=system, running=running, still_required=required):
            after = replace(after, images={})
            over.append(_event(now, REFUSAL_OVER, detail=system))
    _set(machine, after, over)
    if outcome.refusals:
        with opened(machine.layout.ledger) as ledger:
            ledger.remember(_RELEASE, json.dumps(dict(after.release)))


def had_again(machine: Machine, names: Collection[str], *, now: int) -> None:
    """Take in that what boots next has images that an update came without. Raises OSError, sqlite3.Error."""
    mark = read(machine.layout.refused)
    if mark is None or not (found := mark.missed.keys() & set(names)):
        return
    missed = {name: held for name, held in mark.missed.items() if name not in found}
    _set(machine, replace(mark, missed=missed), [_event(now, HAD_AGAIN, image=name) for name in sorted(found)])


def configured(machine: Machine, *, changed: Collection[str], optional: Collection[str], now: int) -> None:
    """Take in that the files of these images were changed in what boots next, of which some may refuse nothing now.

    What was to be done of the others is done, or not known any more. Raises OSError, sqlite3.Error.
    """
    mark = read(machine.layout.refused)
    if mark is None:
        return
    images, missed = (
        {
            name: replace(held, next_step="") if name in changed else held
            for name, held in there.items()
            if name not in optional
        }
        for there in (mark.images, mark.missed)
    )
    over = [_event(now, HAD_AGAIN, image=name) for name in sorted(mark.missed.keys() - missed.keys())]
    if mark.images and not images:
        over.append(_event(now, REFUSAL_OVER, detail=f"no longer required: {', '.join(sorted(mark.images))}"))
    if images != mark.images or missed != mark.missed:
        _set(machine, replace(mark, images=images, missed=missed), over)


def show(machine: Machine, mark: Refusal) -> None:
    """Set the mark, or take it away where nothing is refused or missed, and tell who logs in. Raises OSError."""
    if mark.images or mark.missed:
        write(machine.layout.refused, mark)
    else:
        clear(machine.layout.refused)
    motd, lines = machine.layout.motd, list(_for_login(mark))
    try:
        if lines:
            make_directory(motd.parent)
            write_file(motd, "\n".join([*lines, _NEXT_STEP, ""]).encode(), durable=False)
        else:
            motd.unlink(missing_ok=True)
    except OSError as error:
        log.warning("%s: %s: refused updates are not shown at the login", motd, error.strerror)


_NEXT_STEP = "Why, and what to do:\n  tukit-sysext status"


def _for_login(mark: Refusal) -> Iterator[str]:
    """Plain words; names and reasons come from others, and a terminal reads them."""
    if mark.images:
        names = ", ".join(sorted(mark.images))
        yield printable(f"UPDATES ARE REFUSED since {time_text(mark.since)}, because of extension images: {names}")
    if mark.missed:
        names = ", ".join(sorted(mark.missed))
        yield printable(f"THE LAST UPDATE CAME WITHOUT required extension images: {names}")


def _set(machine: Machine, mark: Refusal, over: Sequence[LedgerEvent]) -> None:
    show(machine, mark)
    if over:
        with opened(machine.layout.ledger) as ledger:
            ledger.add(over)


def _event(now: int, kind: str, *, image: str | None = None, detail: str = "") -> LedgerEvent:
    return LedgerEvent(time=time_text(now), kind=kind, snapshot=None, image=image, detail=detail)
