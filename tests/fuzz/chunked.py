# SPDX-License-Identifier: LGPL-2.1-or-later
"""Indexes of chunks, and what is put together by them."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Sequence
from random import Random

from tests.fuzz.target import Target, told
from tukit_sysext.formats import caibx
from tukit_sysext.formats.caibx import ChunkIndex, ChunkSizes, compose
from tukit_sysext.sources.assembly import FETCHED, Part, assemble

_SIZES = ChunkSizes(least=4, average=16, most=64)
_MANY = 32


def _index(chunks: Sequence[tuple[int, int]]) -> bytes:
    """An index of chunks, each with its size, and a number in the place of its content."""
    end, table = 0, []
    for size, content in chunks:
        end += size
        table.append((end, hashlib.sha256(b"%d %d" % (size, content)).digest()))
    return compose(_SIZES, table)


_OTHER = caibx.parse(_index([(16, number) for number in range(0, _MANY, 2)]), where="seed")


def check_index(data: bytes) -> None:
    try:
        index = caibx.parse(data, where="index")
    except caibx.IndexRefused as error:
        told(str(error))
        return
    assert len(data) <= caibx.LIMIT and len(index) <= caibx.MOST_CHUNKS
    chunks = list(index.chunks())
    assert [begin for begin, _, _ in chunks] == [0, *(end for _, end, _ in chunks)][: len(chunks)]
    assert all(0 < end - begin <= caibx.LARGEST_CHUNK for begin, end, _ in chunks)
    assert index.size == (chunks[-1][1] if chunks else 0)
    again = caibx.parse(compose(index.sizes, [(end, chunk) for _, end, chunk in chunks]), where="index")
    assert (again.table, again.sizes) == (index.table, index.sizes)
    for seeds in ([], [_OTHER], [index], [_OTHER, index, index]):
        for have in {0, 1, index.size // 2, index.size, index.size + 5}:
            _check_parts(index, seeds, assemble(index, seeds, have=have), have)


def _check_parts(index: ChunkIndex, seeds: Sequence[ChunkIndex], parts: Sequence[Part], have: int) -> None:
    """What is not there yet is covered once, by whole chunks, from files that say that they have them."""
    ids, number, end = list(index.ids()), None, None
    for part in parts:
        assert number in (None, part.first) and end in (None, part.begin), "something is missing or twice"
        number, end = part.behind, part.end
        assert (part.begin, part.end) == (index.end(part.first - 1), index.end(part.behind - 1))
        if part.file == FETCHED:
            assert part.offset == part.begin
            continue
        there = {begin: chunk for begin, _, chunk in seeds[part.file].chunks()}
        for chunk in range(part.first, part.behind):
            assert there[part.offset + index.end(chunk - 1) - part.begin] == ids[chunk]
    assert not parts or ((parts[0].begin <= have or have == 0) and parts[-1].end == index.size)
    assert parts or have >= index.size


def make_index(random: Random) -> bytes:
    chunks = [(random.choice((16, 16, 4, 64, 3, 65)), random.randrange(_MANY)) for _ in range(random.randrange(12))]
    return _index(chunks)


_SAMPLES = (_index([(16, number) for number in range(9)]), _index([(64, 1), (4, 2), (1, 3)]), _index([]))

TARGETS = (
    Target(
        name="index of chunks",
        check=check_index,
        samples=_SAMPLES,
        words=[
            _SAMPLES[0][:48],
            _SAMPLES[0][:64],
            _SAMPLES[0][64:104],
            _SAMPLES[0][-40:],
            b"\0" * 8,
            b"\xff" * 8,
            struct.pack("<Q", 2**63),
            struct.pack("<Q", 48),
            struct.pack("<Q", 16),
            b"\0" * 7 + b"\x20",
        ],
        make=make_index,
        share=0.5,
    ),
)
