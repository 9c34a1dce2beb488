# SPDX-License-Identifier: LGPL-2.1-or-later
"""Tables that fit a terminal, drawn by rich; imported where a terminal gets one, and nowhere else."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Sequence
from itertools import groupby

import rich.table
from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from tukit_sysext.rules.printable import printable
from tukit_sysext.terminal.text import GAP, Table, Tone, Toned

_LEAST = 18
"""A column that wraps becomes no narrower than this, as far as its text needs that much."""

_STYLES = {
    Tone.GOOD: "green",
    Tone.NOTICE: "yellow",
    Tone.BAD: "bold red",
    Tone.FAINT: "dim",
    Tone.STRONG: "bold",
}
_TRAILING = re.compile(r"(?: |\033\[[0-9;]*m)+$", re.MULTILINE)

Row = Sequence[str]


def draw(table: Table, *, width: int, colours: bool) -> str:
    """The text of a table, each line with its end, for a terminal with so many columns.

    Where the columns that do not wrap leave no space for the others, the longest texts of the first column stand on
    lines of their own. Where that is not enough the terminal breaks the lines: nothing is lost.
    """
    head, rows, indent = table.head, list(table.rows), table.indent
    widths = [max(cell_len(printable(row[index])) for row in (head, *rows)) for index in range(len(head))]
    space = width - indent - GAP * (len(head) - 1)
    least = [min(size, _LEAST) if index in table.wraps else size for index, size in enumerate(widths)]
    over = sum(least) - space
    if over > 0 and 0 not in table.wraps:
        most = max(_LEAST, widths[0] - over)
        fitting = [size for row in (head, *rows) if (size := cell_len(printable(row[0]))) <= most]
        widths[0] = least[0] = max(fitting, default=most)
    while sum(widths) > space and (widest := _widest(widths, least)) is not None:
        widths[widest] -= 1
    console = Console(
        file=io.StringIO(),
        width=max(width, indent + sum(widths) + GAP * len(head)),
        force_terminal=colours,
        no_color=not colours,
        markup=False,
        highlight=False,
        emoji=False,
    )
    padding = " " * indent
    with console.capture() as capture:
        for own_line, group in groupby(_in_order(rows, widths[0]), key=lambda row: len(row) == 1):
            if own_line:
                for (name,) in group:
                    console.print(Text(padding).append_text(_text(name)), no_wrap=True, overflow="ignore", crop=False)
            else:
                _print_rows(console, table, widths, list(group))
    heading = Text(padding + _heading(table, widths), style="bold" if colours else "")
    with console.capture() as top:
        console.print(heading, no_wrap=True, overflow="ignore", crop=False)
    # rich fills lines up with blanks, with a colour and after it
    return _TRAILING.sub(lambda found: found[0].replace(" ", ""), top.get() + capture.get())


def _widest(widths: Sequence[int], least: Sequence[int]) -> int | None:
    """The widest column that may still be narrower."""
    wide = [index for index, size in enumerate(widths) if size > least[index]]
    return max(wide, key=lambda index: widths[index], default=None)


def _in_order(rows: Sequence[Row], first: int) -> Iterator[Row]:
    """The rows; a first cell that is wider than its column goes before its row, alone."""
    for row in rows:
        if cell_len(printable(row[0])) > first:
            yield (row[0],)
            yield ("", *row[1:])
        else:
            yield row


def _heading(table: Table, widths: Sequence[int]) -> str:
    cells = (
        title.rjust(size) if index in table.right else title.ljust(size)
        for index, (title, size) in enumerate(zip(table.head, widths, strict=True))
    )
    return (" " * GAP).join(cells).rstrip()


def _print_rows(console: Console, table: Table, widths: Sequence[int], rows: Sequence[Row]) -> None:
    # indent and gaps are columns: versions of rich differ in whether the last column has its padding
    drawn = rich.table.Table(box=None, pad_edge=False, padding=0, show_header=False)
    if table.indent:
        drawn.add_column(width=table.indent, no_wrap=True)
    for index, size in enumerate(widths):
        if index:
            drawn.add_column(width=GAP, no_wrap=True)
        drawn.add_column(
            width=size,
            no_wrap=index not in table.wraps,
            overflow="fold",
            justify="right" if index in table.right else "left",
        )
    for row in rows:
        first, *others = map(_text, row)
        drawn.add_row(*([""] if table.indent else []), first, *(part for cell in others for part in ("", cell)))
    console.print(drawn)


def _text(cell: str) -> Text:
    return Text(printable(cell), style=_STYLES[cell.tone] if isinstance(cell, Toned) else "")
