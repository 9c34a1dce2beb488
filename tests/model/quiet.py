# SPDX-License-Identifier: LGPL-2.1-or-later
"""When all is quiet: invariant (5), the store holds what is needed, and no more."""

from __future__ import annotations

import os
import sqlite3

from tests.model import hands, images, look, package, snapper
from tests.model.checks import GRACE, Broken
from tests.model.model import Etc, Words
from tests.model.world import World


def calm(world: World) -> None:
    """Everything can be read again, everything that happened is told, and the grace time passes twice."""
    model = world.model
    hands.free(world)
    hands.mount(world, True, stale=False)
    for snap in model.trees():
        if snap.etc is not Etc.THERE:
            world.bring_etc_back(snap)
    for _ in range(len(model.snaps)):
        snapper.mend(world, 0, back=False)
    model.words = Words.NOTHING
    model.merged.clear()
    snapper.merge(world)
    world.event_mode = "once"
    world.deliver()
    world.did()
    world.faults.now = max(world.faults.now, world.latest) + GRACE + 86400
    package.settle(world)
    package.collect(world)
    world.faults.now += GRACE + 86400


def check(world: World) -> None:
    """Hold the store against what is needed. Leaves the machine calm."""
    calm(world)
    before = look.read(world)
    needed = world.model.needed()
    package.collect(world)
    after = look.read(world)
    # what is no image of ours is nobody's business here
    stays = needed | {"README"} | {
        name
        for name, content in before.files.items()
        if before.records.get(name) is None and images.is_image(content) and not name.startswith(".")
    }  # fmt: skip
    expected = {name for name in before.files if name in stays}
    if set(after.files) != expected:
        raise Broken(f"(5) too much: {set(after.files) - expected}, too little: {expected - set(after.files)}")
    idle = {name for name, sha256 in after.records.items() if sha256 is not None and name not in stays}
    if idle:
        raise Broken(f"(5) records that nothing needs: {idle}")
    left = os.listdir(world.runtime / "events") if (world.runtime / "events").exists() else []
    if left:
        raise Broken(f"events that nobody settled: {left}")
    package.settle(world)
    package.check_ledger(world)
    _check_images(world, after)


def _check_images(world: World, now: look.Disk) -> None:
    connection = sqlite3.connect(world.ledger)
    try:
        rows = connection.execute("SELECT file FROM image WHERE gone IS NULL").fetchall()
    finally:
        connection.close()
    found = {file for (file,) in rows}
    expected = {name for name, sha256 in now.records.items() if sha256 is not None}
    if not expected <= found:
        raise Broken(f"the ledger does not know of {expected - found}")
    gone = found - now.files.keys() - now.others - now.records.keys()
    if gone:
        raise Broken(f"the ledger has {gone}, which are gone")
