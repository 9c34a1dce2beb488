# SPDX-License-Identifier: LGPL-2.1-or-later
"""What is printed, before anybody knows where: tables, coloured words, times."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from enum import StrEnum
from typing import NamedTuple, Self

GAP = 2
"""Blanks between two columns."""


class Tone(StrEnum):
    """How a text is shown where there are colours; the numbers of ECMA-48's SGR."""

    GOOD = "32"
    NOTICE = "33"
    BAD = "1;31"
    FAINT = "2"
    STRONG = "1"


class Toned(str):
    """A text with a tone. The text has to say the same without it: a pipe shows none."""

    __slots__ = ("tone",)
    tone: Tone

    def __new__(cls, text: str, tone: Tone) -> Self:
        made = super().__new__(cls, text)
        made.tone = tone
        return made


class Table(NamedTuple):
    """A table among lines of text, see :meth:`Output.table`."""

    head: Sequence[str]
    rows: Iterable[Sequence[str]]
    wraps: Collection[int] = (-1,)
    right: Collection[int] = ()
    indent: int = 0
