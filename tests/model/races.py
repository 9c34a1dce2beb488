# SPDX-License-Identifier: LGPL-2.1-or-later
"""Collections while snapper works."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

from tests.model import checks, hands, snapper
from tests.model.model import Snap
from tests.model.package import Happening, collect
from tests.model.world import NAMES, World, pick


def collect_while(world: World, which: int, moment: int, *, over: bool) -> bool:
    """A collection while snapper works: a snapshot becomes another one; ``over``: with the number of a third."""
    model = world.model
    moved = pick([snap for snap in model.removable() if snap.tree], which)
    if moved is None or not model.mounted:
        return False
    victim = pick([snap for snap in model.removable() if snap is not moved], which)
    if over and victim is None:
        return False
    parent: Snap = moved

    def happen() -> None:
        number = model.free_number(reuse=False)
        if over and victim is not None:
            snapper.remove(world, victim)
            number = victim.number
        snapper.make(world, parent, number)
        snapper.remove(world, parent)
        world.seen["snapshots that changed during a collection"] += 1

    # each snapshot is found twice, and the root and the folder once
    calls = itertools.count(-(moment % (2 * len(model.snaps) + 2)))
    with _Looking(world, lambda _: next(calls) == 0, happen):
        return collect(world, others=True)


def collect_what_hides(world: World, which: int, *, swap: bool) -> bool:
    """A link to an image that nothing needed for long is made by hand, and its snapshot moves before it is looked at.

    Once in each look of the collection: to a number that was not listed, or (``swap``) to that of a snapshot that was
    looked at already, which gets its own.
    """
    model = world.model
    if not model.sure() or world.faults.full or model.snaps[model.running] not in model.usable():
        return False
    hands.put_file(world, NAMES[which % 2], 1 + which % hands.MOST_VERSIONS, "image")
    image = pick(sorted(model.truth.keys() - model.damaged - model.needed()), which)
    while len(_holders(world)) < (3 if swap else 1) and len(model.snaps) < snapper.MOST:
        snapper.make(world, model.snaps[model.running], model.free_number(reuse=False))
    holders = _holders(world)
    if image is None or len(holders) < (3 if swap else 1):
        return True
    collect(world)
    hands.move_clock(world, checks.GRACE + hands.DAY)
    stored = sorted(name for name in world.store_names() if name.endswith(".raw") and not name.startswith("."))
    if image not in stored:
        return True
    holder, left = holders[-1], 2
    hands.link(world, model.trees().index(holder), stored.index(image), place="extensions", name="hides", style="plain")

    def find(path: Any) -> bool:
        return left > 0 and path.parts[-2:] == (str(holder.number), "snapshot")

    def happen() -> None:
        nonlocal holder, left
        left -= 1
        number = model.free_number(reuse=False)
        if swap:
            lower = [snap for snap in holders if snap.number < holder.number and snap.number in model.snaps]
            number = lower[-1].number
            snapper.remove(world, model.snaps[number])
        moved = snapper.make(world, holder, number)
        snapper.remove(world, holder)
        if swap:
            snapper.make(world, model.snaps[model.running], holder.number)
        holder = moved
        world.seen["an image that hid from a collection"] += 1

    with _Looking(world, find, happen):
        return collect(world, others=True, unknown_origin=True)


def _holders(world: World) -> list[Snap]:
    return [snap for snap in world.model.removable() if snap in world.model.usable()]


class _Looking:
    """Lets something happen when the package looks at a snapshot; ``when`` tells of which path."""

    def __init__(self, world: World, when: Callable[[Any], bool], happen: Happening) -> None:
        self._world = world
        self._when = when
        self._happening = False
        self._happen = happen
        self._real = world.volume.subvolumes.find

    def _find(self, path: Any) -> Any:
        # what happens looks at snapshots too
        if not self._happening and self._when(path):
            self._happening = True
            with self._world.faults.paused():
                self._happen()
            self._happening = False
        return self._real(path)

    def __enter__(self) -> None:
        self._world.volume.subvolumes.find = self._find  # type: ignore[method-assign]

    def __exit__(self, *_: object) -> None:
        del self._world.volume.subvolumes.find
