# SPDX-License-Identifier: LGPL-2.1-or-later
"""The mark of a refused update in /run: since when, how often and why.

tukit's status gets lost on the way to the caller, so the refusal is made visible here: ``tukit-sysext status`` reads
it, and a unit fails while it exists. It goes when an update passes. Across a reboot the ledger remembers since when.
"""

from __future__ import annotations

import json
import logging
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tukit_sysext.ledger.ledger import Ledger, LedgerEvent
from tukit_sysext.ledger.tables import REFUSAL_OVER, REFUSED
from tukit_sysext.machine import Machine
from tukit_sysext.quantities import time_text
from tukit_sysext.store.record import plausible_time, seconds_of
from tukit_sysext.system.durable import make_directory, write_file
from tukit_sysext.system.system_release import label, running_label
from tukit_sysext.update import report
from tukit_sysext.update.outcome import Outcome

_LIMIT = 256 * 1024


log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class HeldBack:
    """Why an image holds back updates, since when (seconds since the epoch), and the next step (empty: not known)."""

    reason: str
    since: int
    next_step: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Refusal:
    """An update that is held back.

    ``last`` in seconds since the epoch, ``times`` how often it was refused, ``images`` those that hold it back, by
    name, ``system`` the version of the refused tree (ID, VERSION_ID and SYSEXT_LEVEL of its os-release).
    """

    last: int
    times: int
    system: str
    images: Mapping[str, HeldBack]

    @property
    def since(self) -> int:
        """Since when updates are held back, in seconds since the epoch."""
        return min((held.since for held in self.images.values()), default=self.last)

    @property
    def next_steps(self) -> Mapping[str, str]:
        """What can be done, by image; empty where it is not known."""
        return {name: held.next_step for name, held in sorted(self.images.items())}


def read(path: Path) -> Refusal | None:
    """The mark; None if there is none, or if it cannot be read as one."""
    try:
        with open(path, "rb") as file:
            document = json.loads(file.read(_LIMIT))
        return Refusal(
            last=plausible_time(document["last"]),
            times=int(document["times"]),
            system=str(document["system"]),
            images={
                str(name): HeldBack(
                    reason=str(held["reason"]),
                    since=plausible_time(held["since"]),
                    next_step=str(held.get("next_step") or ""),
                )
                for name, held in document["images"].items()
            },
        )
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError, OverflowError):
        return None


def document(refusal: Refusal) -> dict[str, Any]:
    """The refusal as JSON has it, in the mark and for ``--json``."""
    return {
        "since": refusal.since,
        "last": refusal.last,
        "times": refusal.times,
        "system": refusal.system,
        "images": {
            name: {"reason": held.reason, "since": held.since, "next_step": held.next_step or None}
            for name, held in refusal.images.items()
        },
    }


def write(path: Path, refusal: Refusal) -> None:
    """Set the mark. Raises OSError."""
    make_directory(path.parent)
    write_file(path, json.dumps(document(refusal), indent=1).encode() + b"\n", durable=False)


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
    known = before.images if before is not None else {}
    held = {
        name: HeldBack(
            reason=reason,
            since=min(now, known[name].since) if name in known else now,
            next_step=(next_steps or {}).get(name, ""),
        )
        for name, reason in images.items()
    }
    return Refusal(last=now, times=1 if before is None else before.times + 1, system=system, images=held)


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
            return _from_events([event for event in ledger.events() if event.kind in (REFUSED, REFUSAL_OVER)])
    except (OSError, sqlite3.Error) as error:
        log.warning("%s: %s; since when updates are refused is not known", machine.layout.ledger, error)
        return None


def _from_events(events: list[LedgerEvent]) -> Refusal | None:
    """The refusals since the last one that was over."""
    over = max((index for index, event in enumerate(events) if event.kind == REFUSAL_OVER), default=-1)
    images: dict[str, HeldBack] = {}
    times: set[int] = set()
    for event in events[over + 1 :]:
        when = seconds_of(event.time)
        if event.image is None or when is None:
            continue
        before = images.get(event.image)
        since = when if before is None else min(before.since, when)
        images[event.image] = HeldBack(reason=event.detail, since=since)
        times.add(when)
    return Refusal(last=max(times), times=len(times), system="", images=images) if images else None


def ages(mark: Refusal | None, *, now: int) -> Mapping[str, int]:
    """Seconds since when each image holds back updates; a clock that went back makes zero of it (threat L14)."""
    return {} if mark is None else {name: max(0, now - held.since) for name, held in mark.images.items()}


def note(machine: Machine, outcome: Outcome, before: Refusal | None, *, now: int) -> None:
    """Set the mark after a refusal, or take it away where one is over. Raises OSError, sqlite3.Error."""
    path = machine.layout.refused
    system = label(outcome.plan.tree.release)
    if outcome.refusals:
        refusal = again(
            before, now=now, system=system, images=outcome.refusals, next_steps=report.next_steps(outcome.plan)
        )
        write(path, refusal)
        return
    if before is None or any(image.wanted.may_refuse and image.left_out is not None for image in outcome.plan.images):
        return  # none, or RefuseFor= let it pass without the image: it is held back still
    required = frozenset(image.name for image in outcome.plan.images if image.wanted.may_refuse)
    if is_over(before, passed=system, running=running_label(machine.layout.root), still_required=required):
        clear(path)
        with Ledger(machine.layout.ledger) as ledger:
            ledger.add([LedgerEvent(time=time_text(now), kind=REFUSAL_OVER, snapshot=None, image=None, detail=system)])
