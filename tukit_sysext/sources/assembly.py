# SPDX-License-Identifier: LGPL-2.1-or-later
"""Of what a file is put together, by the indexes of its chunks: parts of files that are here, and others. Pure.

Chunks that follow each other in one file are one part. What lies between two parts that are fetched is fetched with
them where it is small: a request of its own costs more.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tukit_sysext.formats.caibx import ChunkIndex

FETCHED = -1
"""The number of the file that is not here."""
BLOCK = 4096
"""Bytes by which file systems share what two files have in common."""

_GAP = 16 * 1024
_MOST_FETCHED = 1024
"""Parts that are fetched at the most, for which larger gaps are fetched too."""
_OFFSET_BITS = 48


@dataclass(kw_only=True, slots=True)
class Part:
    """Some chunks of a file: the first one, the one behind the last, where they begin and end in bytes, and at which
    offset they stand in which file (its number, or FETCHED).
    """

    first: int
    behind: int
    begin: int
    end: int
    file: int
    offset: int

    @property
    def size(self) -> int:
        """In bytes."""
        return self.end - self.begin

    @property
    def is_fetched(self) -> bool:
        """Whether no file that is here has it."""
        return self.file == FETCHED

    @property
    def is_aligned(self) -> bool:
        """Whether blocks of it can be shared with the file that has it."""
        return not self.is_fetched and (self.begin - self.offset) % BLOCK == 0


def assemble(index: ChunkIndex, seeds: Sequence[ChunkIndex], *, have: int = 0) -> Sequence[Part]:
    """The parts of a file in their order, but those that are within its first ``have`` bytes."""
    parts = list(_parts(index, seeds, have))
    gap = _GAP
    joined = _joined(parts, gap)
    while sum(part.is_fetched for part in joined) > _MOST_FETCHED:
        gap *= 2
        joined = _joined(joined, gap)
    return joined


def _parts(index: ChunkIndex, seeds: Sequence[ChunkIndex], have: int) -> Iterator[Part]:
    # an integer for each chunk: they may be many
    places = dict.fromkeys(index.ids(), FETCHED)
    for number, seed in enumerate(seeds):
        if seed.digest != index.digest:
            continue
        for begin, _, chunk in seed.chunks():
            if places.get(chunk) == FETCHED:
                places[chunk] = number << _OFFSET_BITS | begin
    part: Part | None = None
    for number, (begin, end, chunk) in enumerate(index.chunks()):
        if end <= have:
            continue
        place = places[chunk]
        file, offset = (FETCHED, begin) if place == FETCHED else divmod(place, 1 << _OFFSET_BITS)
        if part is not None and (file, offset) == (part.file, part.offset + part.size):
            part.behind, part.end = number + 1, end
            continue
        if part is not None:
            yield part
        part = Part(first=number, behind=number + 1, begin=begin, end=end, file=file, offset=offset)
    if part is not None:
        yield part


def _joined(parts: Sequence[Part], gap: int) -> Sequence[Part]:
    """The same, with parts fetched as one where at most ``gap`` bytes are between them."""
    joined: list[Part] = []
    between: list[Part] = []
    before: Part | None = None
    for part in parts:
        if not part.is_fetched:
            between.append(part)
            continue
        if before is not None and part.begin - before.end <= gap:
            before.behind, before.end = part.behind, part.end
        else:
            joined += [*between, part]
            before = part
        between = []
    return [*joined, *between]
