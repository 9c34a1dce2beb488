# SPDX-License-Identifier: LGPL-2.1-or-later
"""tukit's transactions, with the main job of the package in them."""

from __future__ import annotations

import sqlite3
from typing import Any

from tests.model import checks, hands, snapper
from tests.model.model import Snap
from tests.model.package import before_run, run
from tests.model.world import World, pick
from tukit_sysext.collect import collection as collecting
from tukit_sysext.errors import Busy
from tukit_sysext.update.transaction import Transaction


def opened(world: World, which: int) -> bool:
    """Open a transaction where none is; whether there is one now."""
    return bool(_ready(world)) or snapper.begin(world, which, reuse=False, slowly=False)


def _ready(world: World) -> list[Snap]:
    return [snap for snap in world.model.pending() if snap.complete and snap.overlay is None]


def finalize(
    world: World,
    which: int,
    *,
    kill_at: int | None = None,
    again: bool = False,
    collect_at: int | None = None,
    discard: bool = False,
) -> bool:
    """tukit closes a transaction: the main job, and what tukit does then, which may be to ``discard`` it.

    ``again``: after being killed it is done once more. ``collect_at``: a collection begins in the middle of it.
    """
    model = world.model
    snap = pick(_ready(world), which)
    if snap is None or not model.mounted:
        return False
    number = snap.number

    at_work = False

    def between() -> None:
        if not at_work:
            return  # the ledger is being written to
        try:
            collecting.collect(world.machine, world.plugins, collecting.CollectionOptions(at_once=True))
        except (OSError, sqlite3.Error):
            pass
        except Busy:
            world.seen["a collection that found a transaction at work"] += 1

    before = before_run(world, collects=world.faults.full or collect_at is not None, hurried=True, tree=snap)
    outcome: Any = None

    def work() -> None:
        nonlocal at_work, outcome
        transaction = Transaction(machine=world.machine, path=world.tree(number), number=number)
        at_work = True
        outcome = world.plugins.finalizing(transaction)
        at_work = False
        if outcome is not None:
            world.plugins.judged(transaction, outcome)

    happening = (collect_at, between) if collect_at is not None else None
    done = run(world, "transaction", work, before, kill_at=kill_at, between=happening)
    if not done and kill_at is not None and again:
        done = run(world, "transaction", work, before_run(world, collects=world.faults.full, hurried=True, tree=snap))
    if not done or outcome is None:
        return True
    if outcome.refusals:
        world.seen["refused"] += 1
        if snap in model.removable():
            snapper.remove(world, snap)
        return True
    if not world.faults.full:
        checks.check_finalized(world, snap)
    if discard:
        snapper.end_badly(world, world.model.pending().index(snap), how="discard")
    else:
        snapper.close(world, snap)
    return True


def again_while_collecting(world: World, name: str, collect_at: int) -> bool:
    """An update is discarded. What it has fetched is needed by nothing, and no longer young, when the next one comes.

    In the middle of that a collection begins.
    """
    model = world.model
    snap = model.snaps[model.default]
    if snap not in model.usable() or len(model.snaps) >= snapper.MOST:
        return False
    hands.offer(world, name, 1 + model.serial % (hands.MOST_VERSIONS + 1), snap.level, again=False)
    done = True
    for discard in (True, False):
        parent = model.usable().index(snap)
        done = done and snapper.begin(world, parent, reuse=False, slowly=False)
        which = [index for index, item in enumerate(_ready(world)) if item.number == model.made]
        at = None if discard else collect_at % 6  # before the link is there: it has nothing to fetch
        done = done and bool(which) and finalize(world, which[0], discard=discard, collect_at=at)
        hands.move_clock(world, 2 * hands.HOUR)
        if snap not in model.usable():
            return done
    return done


def update(world: World, parent: int, level: str, *, reuse: bool) -> bool:
    """A whole update: open, another system perhaps, finalize."""
    if not snapper.begin(world, parent, reuse=reuse, slowly=False):
        return False
    model = world.model
    # made last, with whatever number
    which, snap = next((index, snap) for index, snap in enumerate(_ready(world)) if snap.number == model.made)
    if snap.level != level:
        world.set_level(snap, level)
    return finalize(world, which)


def release(world: World, name: str, level: str, *, reuse: bool) -> bool:
    """The source has a new version for a system; the oldest snapshot gives way, and the newest is updated."""
    model = world.model
    version = 1 + model.serial % (hands.MOST_VERSIONS + 1)
    hands.offer(world, name, version, level, again=False)
    if len(model.snaps) >= snapper.MOST and model.removable():
        snapper.remove(world, model.removable()[0])
    parents = [index for index, snap in enumerate(model.usable()) if snap.number == model.default]
    return update(world, parents[0] if parents else 0, level, reuse=reuse)


def release_without_room(world: World, name: str, level: str) -> bool:
    """The same where the store has no room for another image: what only snapshots needed that are gone has to go."""
    for snap in tuple(world.model.removable()):
        snapper.remove(world, snap)
    hands.move_clock(world, 2 * hands.HOUR)
    hands.fill(world, writes=None)
    done = release(world, name, level, reuse=False)
    hands.free(world)
    return done
