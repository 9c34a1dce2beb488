# SPDX-License-Identifier: LGPL-2.1-or-later
"""Where the power goes, and what the disk has kept of what nobody had flushed."""

from __future__ import annotations

import enum
import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from tests.powercuts.blocklog import Entry, Flag

TORN = 4096
"""Bytes that a disk writes whole, or not at all: a block of the file system."""


MANY = 3
"""Writes of which the disk may keep some in more ways than all and none."""


class Kept(enum.Enum):
    """What is there of the writes since the last flush."""

    NOTHING = "nothing"
    ALL = "all"
    FIRST = "the first ones"
    HALF = "half of them"
    FEW = "few of them"
    ALL_BUT_ONE = "all but one"
    LAST = "the last one alone"
    TORN = "all, the last one torn"


@dataclass(frozen=True, kw_only=True, slots=True)
class Cut:
    """A power cut after so many entries."""

    entries: int
    kept: Kept

    def __str__(self) -> str:
        return f"{self.entries}, {self.kept.value}"


def choose(entries: Sequence[Entry], steps: Sequence[range], number: int, random: Random) -> list[Cut]:
    """Cuts in the order of the log: as many in each step, half of them where some writes are unflushed, if there are.

    :param steps: the entries of each step of the run, by their numbers
    """
    chosen: set[int] = set()
    pools = [[index for index in step if _unflushed(entries, index)] for step in steps]
    many = [[index for index in pool if index - flushed(entries, index) >= MANY] for pool in pools]
    turn = 0
    while len(chosen) < number and any(pools):
        which = turn % len(pools)
        pool = many[which] if turn // len(pools) % 2 and many[which] else pools[which]
        turn += 1
        if pool:
            index = random.choice(pool)
            chosen.add(index)
            for rest in (pools[which], many[which]):
                if index in rest:
                    rest.remove(index)
    ways = [way for _, way in zip(chosen, itertools.cycle(Kept), strict=False)]
    random.shuffle(ways)
    return [Cut(entries=index, kept=way) for index, way in zip(sorted(chosen), ways, strict=True)]


def _unflushed(entries: Sequence[Entry], index: int) -> bool:
    """A write comes right before: after a flush there is nothing to choose from."""
    return index > 0 and entries[index - 1].writes


def flushed(entries: Sequence[Entry], end: int) -> int:
    """How many of the entries before the end the last flush among them made sure of."""
    for index in range(end - 1, -1, -1):
        entry = entries[index]
        if entry.flags & Flag.FLUSH:  # comes before its own data, which is sure by itself if at all
            return index if entry.writes else index + 1
    return 0


def survivors(entries: Sequence[Entry], since: int, cut: Cut, random: Random) -> list[tuple[Entry, int]]:
    """The writes from ``since`` to the cut that are there, each with the bytes of it that are."""
    writes = [entry for entry in entries[since : cut.entries] if entry.writes]
    sure = [entry for entry in writes if entry.flags & Flag.FUA]
    loose = [entry for entry in writes if not entry.flags & Flag.FUA]
    sizes = {entry.at: entry.size for entry in writes}
    kept = loose
    match cut.kept:
        case Kept.NOTHING:
            kept = []
        case Kept.FIRST:
            kept = loose[: random.randint(0, len(loose))]
        case Kept.HALF | Kept.FEW:
            share = 0.5 if cut.kept is Kept.HALF else 0.1
            kept = [entry for entry in loose if random.random() < share]
        case Kept.ALL_BUT_ONE if loose:
            left_out = random.choice(loose)
            kept = [entry for entry in loose if entry is not left_out]
        case Kept.LAST:
            kept = loose[-1:]
        case Kept.TORN if loose:
            last = loose[-1]
            sizes[last.at] = random.randrange(0, last.size, TORN)
    there = {entry.at for entry in (*sure, *kept)}
    return [(entry, sizes[entry.at]) for entry in writes if entry.at in there and sizes[entry.at]]
