# SPDX-License-Identifier: LGPL-2.1-or-later
"""Where the power goes, and what may be left then."""

from __future__ import annotations

from random import Random

import pytest

from tests.powercuts.blocklog import Entry, Flag
from tests.powercuts.cuts import MANY, TORN, Cut, Kept, choose, flushed, survivors

SIZE = 4 * TORN


def entries(text: str) -> list[Entry]:
    """w: a write, f: a flush, u: a write that is sure by itself, b: a write with a flush before it."""
    flags = {"w": Flag(0), "f": Flag.FLUSH, "u": Flag.FUA, "b": Flag.FLUSH}
    return [
        Entry(at=number, data=0, offset=number, size=0 if letter == "f" else SIZE, flags=flags[letter])
        for number, letter in enumerate(text)
    ]


@pytest.mark.parametrize(
    ("text", "end", "sure"), [("ww", 2, 0), ("wfw", 3, 2), ("wfwf", 4, 4), ("wfwf", 3, 2), ("wwb", 3, 2), ("wb", 1, 0)]
)
def test_what_a_flush_makes_sure_of(text: str, end: int, sure: int) -> None:
    assert flushed(entries(text), end) == sure


@pytest.mark.parametrize(
    ("kept", "sizes"),
    [
        (Kept.NOTHING, [{1: SIZE}]),
        (Kept.ALL, [{0: SIZE, 1: SIZE, 2: SIZE}]),
        (Kept.FIRST, [{1: SIZE}, {0: SIZE, 1: SIZE}, {0: SIZE, 1: SIZE, 2: SIZE}]),
        (Kept.HALF, [{1: SIZE}, {0: SIZE, 1: SIZE}, {1: SIZE, 2: SIZE}, {0: SIZE, 1: SIZE, 2: SIZE}]),
        (Kept.ALL_BUT_ONE, [{0: SIZE, 1: SIZE}, {1: SIZE, 2: SIZE}]),
        (Kept.LAST, [{1: SIZE, 2: SIZE}]),
        (Kept.TORN, [{0: SIZE, 1: SIZE}, *({0: SIZE, 1: SIZE, 2: size} for size in range(TORN, SIZE, TORN))]),
    ],
)
def test_what_is_kept(kept: Kept, sizes: list[dict[int, int]]) -> None:
    """Of two writes and one that is sure by itself each thing that may be there is, and nothing else."""
    found = []
    for seed in range(200):
        left = survivors(entries("wuww"), 0, Cut(entries=3, kept=kept), Random(seed))
        assert [entry.at for entry, _ in left] == sorted(entry.at for entry, _ in left)
        found.append({entry.at: size for entry, size in left})
    assert all(each in found for each in sizes)
    assert all(each in sizes for each in found)


def test_what_is_flushed_is_no_choice() -> None:
    assert [entry.at for entry, _ in survivors(entries("wfw"), 2, Cut(entries=3, kept=Kept.ALL), Random(1))] == [2]


def test_points_are_spread_over_steps_and_ways() -> None:
    log = entries("wf" * 50 + "wwwwf" * 10)
    steps = [range(1, 101), range(101, 151)]
    cuts = choose(log, steps, 24, Random(1))

    assert len(cuts) == 24
    assert [cut.entries for cut in cuts] == sorted({cut.entries for cut in cuts})
    assert all(log[cut.entries - 1].writes for cut in cuts)
    assert [sum(cut.entries in step for cut in cuts) for step in steps] == [12, 12]
    assert {way: sum(cut.kept is way for cut in cuts) for way in Kept} == dict.fromkeys(Kept, 3)
    assert sum(cut.entries - flushed(log, cut.entries) >= MANY for cut in cuts) >= 6
    assert cuts == choose(log, steps, 24, Random(1)) != choose(log, steps, 24, Random(2))


def test_there_are_no_more_points_than_writes() -> None:
    assert [cut.entries for cut in choose(entries("wfwf"), [range(1, 5)], 100, Random(1))] == [1, 3]
