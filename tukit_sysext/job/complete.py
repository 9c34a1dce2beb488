# SPDX-License-Identifier: LGPL-2.1-or-later
"""Fetching until a plan has nothing left to fetch: what comes may not be what was promised, so it is decided again."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

from tukit_sysext.errors import Busy, TukitSysextError
from tukit_sysext.job import carry_out
from tukit_sysext.job.facts import Standing
from tukit_sysext.job.options import spare
from tukit_sysext.job.plan import Plan, decide
from tukit_sysext.job.resolve import Resolver
from tukit_sysext.state.store import Store

if TYPE_CHECKING:
    from tukit_sysext.job.collect import Collection

    MakeRoom = Callable[[frozenset[str]], Collection]

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class Completed:
    """A plan whose images are all in the store, and the files that were fetched for it."""

    plan: Plan
    fetched: frozenset[str]


def complete(
    resolver: Resolver,
    store: Store,
    *,
    make_room: MakeRoom | None = None,
    aside: Callable[[], AbstractContextManager[None]] = nullcontext,
) -> Completed:
    """Fetch what the plan of a resolver wants, into the store.

    ``make_room`` is called once where the store has no room, with the files that are needed, and with the lock given
    up (``aside``). Raises OSError where the machine fails us.
    """
    fetched: set[str] = set()
    while (plan := decide(resolver.facts)).fetches:
        findings = carry_out.fetch(plan, resolver, store)
        fetched |= findings.stored.keys()
        resolver.learn(known=findings.known, stored=findings.stored)
        resolver.describe()
        if findings.lacking_room and make_room is not None:
            with aside():
                found = _make_room(make_room, _needed(plan, resolver))
            make_room = None  # once, or it would go on for ever
            # somebody else may have collected meanwhile, what this was about to link too
            resolver.try_again(findings.lacking_room if found else ())
    return Completed(plan=plan, fetched=frozenset(fetched))


def _needed(plan: Plan, resolver: Resolver) -> frozenset[str]:
    """Files of the store that this transaction links, or would link if nothing can be fetched."""
    chosen = {image.chosen.file_name for image in plan.images if image.chosen is not None}
    for image in plan.fetches:
        fits = (item for item in spare(resolver.facts, image.wanted) if item.standing is Standing.FITS)
        chosen |= {item.option.file_name for item in islice(fits, 1)}
    return frozenset(chosen)


def _make_room(make_room: MakeRoom, needed: frozenset[str]) -> bool:
    """Have what nothing needs collected at once; whether anything went. What fails in it leaves no more room."""
    try:
        found = make_room(needed)
    except Busy as error:
        log.warning("no room can be made now: %s", error)
        return False
    except (OSError, sqlite3.Error, TukitSysextError) as error:
        log.error("no room can be made: %s", error)
        return False
    if found.fault:
        log.error("what was collected is not written down: %s", found.fault)
    for unknown in found.unknown:
        log.warning("no room can be made, as nothing is deleted while anything is unknown: %s", unknown)
    return bool(found.gone)
