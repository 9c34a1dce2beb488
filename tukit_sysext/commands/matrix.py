# SPDX-License-Identifier: LGPL-2.1-or-later
"""Snapshots down, images across, versions in the cells, and what changed from one to the next. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cmp_to_key

from tukit_sysext.commands.output import GAP, Tone, Toned, one_line
from tukit_sysext.rules.version import compare

Versions = Mapping[str, str]
"""What one snapshot has: the version of each image by name."""

_ABSENT = " ."
_WENT = "-"
UNKNOWN = " ?"

MARKS = {"+": "came", ">": "newer than before", "<": "older than before", "-": "went"}
"""The first character of a cell; a blank where nothing changed, so that versions stand below each other."""

BETWEEN = ","
"""Stands between the versions of an image that has several links."""

NOT_WHOLE = "!"
"""The last character of a version whose file is not whole."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Line:
    """One snapshot: the cells before those of the images, and what it has (None: not known)."""

    cells: tuple[str, ...]
    has: Versions | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Block:
    """A part of the matrix that fits beside each other: the names of its images, and rows of cells."""

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def unchanged(lines: Sequence[Line]) -> Versions:
    """Images that every snapshot has in the same version; none where there is but one snapshot, or one is not known."""
    known = [line.has for line in lines if line.has is not None]
    if len(known) < 2 or len(known) < len(lines):
        return {}
    return {name: version for name, version in known[0].items() if all(has.get(name) == version for has in known)}


def names(lines: Sequence[Line]) -> list[str]:
    """All images of the snapshots."""
    return sorted({name for line in lines for name in line.has or ()})


def cell(before: Versions | None, has: Versions | None, name: str) -> str:
    """The version with the mark of what changed since ``before`` (None: not known, nothing is marked)."""
    if has is None:
        return Toned(UNKNOWN, Tone.NOTICE)
    new = has.get(name)
    old = before.get(name) if before is not None else None
    if new is None:
        return Toned(_ABSENT, Tone.FAINT) if old is None else Toned(_WENT, Tone.BAD)
    if before is not None and old is None:
        return Toned(f"+{new}", Tone.GOOD)
    order = compare(_newest(new), _newest(old)) if old is not None else 0
    if order == 0:  # a second link, and whether the file is whole, change no version
        return Toned(f" {new}", Tone.BAD) if NOT_WHOLE in new else f" {new}"
    return Toned(f"{'<' if order < 0 else '>'}{new}", Tone.NOTICE)


def _newest(versions: str) -> str:
    """Of the versions of a cell the newest: where there are several, systemd would merge them all."""
    found = (version.removesuffix(NOT_WHOLE) for version in versions.split(BETWEEN))
    return max(found, key=cmp_to_key(compare))


def column(lines: Sequence[Line], name: str) -> list[str]:
    """The cells of one image."""
    cells: list[str] = []
    before: Versions | None = None
    for line in lines:
        cells.append(cell(before, line.has, name))
        before = line.has if line.has is not None else before
    return cells


def blocks(head: Sequence[str], lines: Sequence[Line], shown: Sequence[str], width: int | None) -> list[Block]:
    """The matrix of these images, cut into blocks of at most ``width`` columns of a terminal (None: one block).

    The first block has all of ``head``, the others its first column alone.
    """
    base = [[title, *(line.cells[index] for line in lines)] for index, title in enumerate(head)]
    found: list[Block] = []
    current, used = list(base), _width(base)
    fresh = True
    for name in shown:
        cells = [f" {one_line(name)}", *column(lines, name)]
        size = GAP + max(map(len, cells))
        if width is not None and not fresh and used + size > width:
            found.append(_block(current))
            current, used = base[:1], _width(base[:1])
        current.append(cells)
        used += size
        fresh = False
    found.append(_block(current))
    return found


def _width(columns: Sequence[Sequence[str]]) -> int:
    return sum(max(map(len, cells)) for cells in columns) + GAP * (len(columns) - 1)


def _block(columns: Sequence[Sequence[str]]) -> Block:
    head, *rows = zip(*columns, strict=True)
    return Block(head=head, rows=tuple(rows))


def changes(lines: Sequence[Line], shown: Sequence[str]) -> Iterator[Sequence[str]]:
    """What changed from one snapshot to the next, as ``>gdb=15.2`` and ``-gdb``; the first has all, without marks."""
    before: Versions | None = None
    for line in lines:
        cells = {name: cell(before, line.has, name) for name in shown} if line.has is not None else {}
        marked = {name: text for name, text in cells.items() if text[0] in MARKS}
        if before is None:
            marked = {name: text for name, text in cells.items() if text != _ABSENT}
        yield [text[0].strip() + name + (f"={text[1:]}" if text[1:] else "") for name, text in marked.items()]
        before = line.has if line.has is not None else before
