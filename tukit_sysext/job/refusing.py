# SPDX-License-Identifier: LGPL-2.1-or-later
"""Refusals over time: since when an update is held back, and when that is over."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Mapping

from tukit_sysext.job.transaction import Outcome
from tukit_sysext.machine import Machine
from tukit_sysext.report import next_steps
from tukit_sysext.state import refusal
from tukit_sysext.state.ledger import Event, Ledger, now_text
from tukit_sysext.state.ledger_events import REFUSAL_OVER, REFUSED
from tukit_sysext.state.record import seconds_of
from tukit_sysext.state.refusal import HeldBack, Refusal
from tukit_sysext.system.system_release import label, running_label

log = logging.getLogger(__name__)


def known(machine: Machine, *, writable: bool = True) -> Refusal | None:
    """The refusal that is going on: from its mark in /run, else, after a reboot, from the ledger.

    With ``writable`` false the ledger is only read.
    """
    mark = refusal.read(machine.layout.refused)
    if mark is not None or not machine.layout.ledger.exists():
        return mark
    try:
        with Ledger(machine.layout.ledger, writable=writable) as ledger:
            return _from_events([event for event in ledger.events() if event.kind in (REFUSED, REFUSAL_OVER)])
    except (OSError, sqlite3.Error) as error:
        log.warning("%s: %s; since when updates are refused is not known", machine.layout.ledger, error)
        return None


def _from_events(events: list[Event]) -> Refusal | None:
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
        steps = next_steps(outcome.plan)
        refusal.write(path, refusal.again(before, now=now, system=system, images=outcome.refusals, steps=steps))
        return
    if before is None or any(image.wanted.may_refuse and image.missing is not None for image in outcome.plan.images):
        return  # none, or RefuseFor= let it pass without the image: it is held back still
    required = frozenset(image.name for image in outcome.plan.images if image.wanted.may_refuse)
    if refusal.is_over(before, passed=system, running=running_label(machine.layout.root), still_required=required):
        refusal.clear(path)
        with Ledger(machine.layout.ledger) as ledger:
            ledger.add([Event(time=now_text(now), kind=REFUSAL_OVER, snapshot=None, image=None, detail=system)])
