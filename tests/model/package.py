# SPDX-License-Identifier: LGPL-2.1-or-later
"""The package at work: each run is held against the invariants, and one that was killed is followed by another."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from typing import Any

from tests.model import checks, look
from tests.model.checks import Before, Broken, check
from tests.model.faults import Killed
from tests.model.world import World
from tukit_sysext.collect import collection as collecting
from tukit_sysext.errors import TukitSysextError
from tukit_sysext.ledger import settling as settling
from tukit_sysext.ledger.spool import EventKind, SnapshotEvent

Happening = Callable[[], None]


def before_run(world: World, **may: Any) -> Before:
    """How things are before a run, and what it may do."""
    model = world.model
    world.faults.unsynced.clear()
    needed = model.needed()
    if may.get("collects"):
        clock = world.faults.now
        for name in world.store_names() - needed:
            model.waiting.setdefault(name, []).append(clock)
    return Before(
        disk=look.read(world),
        needed=needed,
        sure=model.sure(),
        everything=look.everything_else(world),
        **may,
    )


def run(
    world: World,
    kind: str,
    work: Callable[[], Any],
    before: Before,
    *,
    kill_at: int | None = None,
    between: tuple[int, Happening] | None = None,
    others: bool = False,
) -> bool:
    """Run something; whether it came to its end. What a full disk makes of it is told, never an error of another kind.

    ``kill_at`` and the moment of ``between`` are taken modulo the steps that such a run had before. Raises Broken where
    an invariant does not hold.
    """
    done, most = False, world.steps.get(kind, 10)
    if kill_at is not None:
        kill_at = 1 + kill_at % most
    if between is not None:
        between = (1 + between[0] % most, between[1])
    with world.faults.active(kill_at=kill_at, between=between):
        try:
            work()
            done = not world.faults.killed
        except Killed:
            pass
        except (OSError, sqlite3.Error, TukitSysextError) as error:
            world.seen["ended by a full disk"] += 1
            if not world.faults.full:
                raise Broken(f"(6) it does not complete: {type(error).__name__}: {error}") from error
    if world.faults.killed:
        world.seen[f"killed: {kind}"] += 1
    world.steps[kind] = max(world.faults.steps, world.steps.get(kind, 1))
    if before.tree is not None:
        world.reread(before.tree)
    check(world, before, others=others)
    if others or between is not None:
        for name in world.store_names() - world.model.needed():
            world.model.waiting.setdefault(name, [world.faults.now])
    return done


def collect(
    world: World,
    *,
    kill_at: int | None = None,
    lacking_space: bool = False,
    unknown_origin: bool = False,
    others: bool = False,
) -> bool:
    """A collection; ``others``: while somebody else changes snapshots."""
    before = before_run(world, collects=True, hurried=lacking_space, unknown_origin=unknown_origin)
    options = collecting.CollectionOptions(at_once=lacking_space, unknown_origin=unknown_origin)
    found: list[collecting.Collection] = []

    def work() -> None:
        found.append(collecting.collect(world.machine, world.plugins, options))

    done = run(world, "collection", work, before, kill_at=kill_at, others=others)
    if done and not others:
        if before.sure and found[0].unknown:
            raise Broken(f"everything can be read, and it says: {found[0].unknown}")
        if not before.sure and not found[0].unknown:
            raise Broken("(4) not everything can be read, and it does not say so")
        world.seen["collection with all known" if before.sure else "collection with something unknown"] += 1
        forgotten = before.needed | (world.model.waiting.keys() - world.store_names())
        for name in forgotten:
            world.model.waiting.pop(name, None)
    if kill_at is not None:
        collect(world)
    return True


def settle(world: World, *, kill_at: int | None = None, booted: bool = False) -> bool:
    """A settling."""
    before = before_run(world, collects=True)
    default = world.model.default
    found = [SnapshotEvent(kind=EventKind.BOOTED, number=world.model.running)] if booted else []

    def work() -> None:
        settling.settle(world.machine, world.plugins, noticed=found)

    done = run(world, "settling", work, before, kill_at=kill_at)
    if done and not world.faults.full:
        check_ledger(world)
        if world.settled_default not in (None, default):
            checks.check_told(world)
        world.settled_default = default if world.model.sure() else None
    elif done:
        world.settled_default = None
    if kill_at is not None:
        settle(world)
    return True


def check_ledger(world: World) -> None:
    """After a settling the ledger has what the disk has."""
    model = world.model
    if not model.mounted:
        return
    there = {(snap.number, snap.uuid) for snap in model.trees()}
    connection = sqlite3.connect(world.ledger)
    try:
        rows = connection.execute("SELECT number, uuid, state FROM snapshot WHERE gone IS NULL").fetchall()
    finally:
        connection.close()
    found = {(number, uuid) for number, uuid, _ in rows}
    if not there <= found:
        raise Broken(f"the ledger does not know of {there - found}")
    if model.sure() and found != there:
        raise Broken(f"the ledger has {found - there}, which are gone")
    states = {number: state for number, uuid, state in rows if (number, uuid) in there}
    for snap in model.trees():
        if snap.complete and (states[snap.number] == "open") != snap.open:
            raise Broken(f"the ledger has snapshot {snap.number} as {states[snap.number]}")
