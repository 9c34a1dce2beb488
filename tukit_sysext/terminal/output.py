# SPDX-License-Identifier: LGPL-2.1-or-later
"""Printing: for a person on a terminal, for a pipe, and JSON.

On a terminal tables fit its width: long columns wrap, names and versions are never cut. In a pipe they are as wide as
they need to be. Colours are on a terminal alone, and not under NO_COLOR (https://no-color.org) nor TERM=dumb. rich is
imported only where a terminal gets a table; where it is not installed, tables are those of a pipe.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
import textwrap
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TextIO

from tukit_sysext.errors import COMMAND, next_step_lines
from tukit_sysext.machine import Machine
from tukit_sysext.progress.progress import Progress, Watcher
from tukit_sysext.rules.printable import printable
from tukit_sysext.terminal.text import GAP, Table, Tone, Toned

if TYPE_CHECKING:
    from tukit_sysext.progress.job_report import Report

_NARROWEST = 40
_COMMAND = rf" *{COMMAND}.*$"


@dataclass(frozen=True, kw_only=True, slots=True)
class Output:
    """Where a command prints.

    ``wants_json`` and ``quiet`` are what the user asked for; ``width`` is that of the terminal, None in a pipe.
    """

    stream: TextIO
    errors: TextIO
    wants_json: bool = False
    quiet: bool = False
    width: int | None = None
    colours: bool = False

    @classmethod
    def of(cls, arguments: argparse.Namespace) -> Output:
        """The process's own streams, as ``--json`` and ``--quiet`` say."""
        return cls(
            stream=sys.stdout,
            errors=sys.stderr,
            wants_json=getattr(arguments, "json", False),
            quiet=getattr(arguments, "quiet", False),
            width=terminal_width(sys.stdout),
            colours=has_colours(sys.stdout, os.environ),
        )

    def say(self, text: str = "") -> None:
        """One line about what goes on: not with ``--quiet``, nor with ``--json``."""
        if not self.quiet:
            self.tell(text)

    def tell(self, text: str = "") -> None:
        """One line of what was asked for: with ``--quiet`` too, not with ``--json``. It wraps on a terminal."""
        if self.wants_json:
            return
        tone = text.tone if isinstance(text, Toned) else None
        for line in self._wrapped(printable(text)):
            print(self._coloured(line, tone), file=self.stream)

    def teller(self, *, dry_run: bool) -> Callable[[str], None]:
        """:meth:`tell` for a dry run, as its lines are what was asked for; else :meth:`say`."""
        return self.tell if dry_run else self.say

    def table(
        self,
        head: Sequence[str],
        rows: Iterable[Sequence[str]],
        *,
        wraps: Collection[int] = (-1,),
        right: Collection[int] = (),
        indent: int = 0,
    ) -> None:
        """A table of what was asked for; nothing with ``--json``.

        ``wraps`` are the columns that may be wrapped where the terminal is too narrow, ``right`` those that are aligned
        to the right (both by index, as Python counts: -1 is the last). Cells may be :class:`Toned`.
        """
        if self.wants_json:
            return
        size = len(head)
        table = Table(
            head=head,
            rows=[tuple(row) for row in rows],
            wraps={index % size for index in wraps},
            right={index % size for index in right},
            indent=indent,
        )
        plain = list(_plain_lines(table))
        if self.width is not None and (self.colours or max(map(len, plain)) > self.width):
            try:
                from tukit_sysext.terminal.table_drawing import draw
            except ImportError:
                pass
            else:
                print(draw(table, width=self.width, colours=self.colours), end="", file=self.stream)
                return
        print("\n".join(plain), file=self.stream)

    def show(self, items: Iterable[str | Table]) -> None:
        """Lines and tables of what was asked for, see :meth:`tell` and :meth:`table`."""
        for item in items:
            if isinstance(item, Table):
                self.table(item.head, item.rows, wraps=item.wraps, right=item.right, indent=item.indent)
            else:
                self.tell(item)

    def report(self, items: Iterable[str | Table], *, dry_run: bool) -> None:
        """What was changed, or would be: with ``--quiet`` only the latter, which was asked for."""
        if dry_run or not self.quiet:
            self.show(items)

    def json(self, document: Any) -> None:
        """A document as JSON; nothing without ``--json``."""
        if self.wants_json:
            print(json.dumps(document, indent=2, ensure_ascii=False), file=self.stream)

    def warn(self, text: str, next_step: str = "") -> None:
        """A message to stderr, and the next step below it, in a line for each of its parts; always."""
        tell_error(self.errors, text, next_step)

    @contextmanager
    def progress_bars(self, stream: TextIO) -> Iterator[Watcher | None]:
        """Bars on a stream, None where it is no terminal, or not wanted (``--quiet``, ``--json`` on it)."""
        width = terminal_width(stream)
        if width is None or self.quiet or (self.wants_json and stream is self.stream):
            yield None
            return
        bars = _LazyBars(stream, width=width, colours=has_colours(stream, os.environ))
        try:
            yield bars
        finally:
            bars.close()

    @contextmanager
    def progress(self, machine: Machine, job: str | None) -> Iterator[Machine]:
        """The machine, which tells how far a job is: bars on stderr where that is a terminal, and a notice in /run.

        ``job`` is the command, as ``status`` names it; None for no notice (a dry run).
        """
        with self.progress_bars(self.errors) as bars:
            watchers: list[Watcher] = [bars] if bars is not None else []
            if job is not None and machine.privileged:
                from tukit_sysext.progress.notice import ProgressFile

                watchers.append(ProgressFile(machine.layout.progress, job=job))
            progress = Progress(watchers)
            try:
                yield replace(machine, progress=progress)
            finally:
                progress.close()

    def _wrapped(self, line: str) -> Sequence[str]:
        return wrapped(line, self.width)

    def _coloured(self, line: str, tone: Tone | None) -> str:
        return f"\033[{tone}m{line}\033[0m" if self.colours and tone is not None and line else line


def tell_error(errors: TextIO, text: str, next_step: str = "") -> None:
    """A message to stderr, which wraps on a terminal, and the next step below it."""
    for line in wrapped(f"tukit-sysext: {printable(text)}", terminal_width(errors)):
        print(line, file=errors)
    for line in next_step_lines(next_step):
        print(f"  {printable(line)}", file=errors)


def wrapped(line: str, width: int | None) -> Sequence[str]:
    """The line in as many as it needs; a command stays whole, so that it can be copied."""
    if width is None or len(line) <= width or re.match(_COMMAND, line):
        return (line,)
    start = len(line) - len(line.lstrip())
    indent = " " * start
    lines = textwrap.wrap(
        line[start:],
        max(width, _NARROWEST),
        initial_indent=indent,
        subsequent_indent=f"{indent}  ",
        break_long_words=False,
        break_on_hyphens=False,
    )
    return lines or (line,)


class _LazyBars:
    """Bars that are there once a file is on its way: most jobs fetch nothing, and need no rich."""

    def __init__(self, stream: TextIO, *, width: int, colours: bool) -> None:
        self._stream = stream
        self._width = width
        self._colours = colours
        self._bars: Watcher | None = None

    def show(self, report: Report) -> None:
        """See Watcher. Raises ImportError where rich is not installed."""
        if self._bars is None and report.downloads:
            from tukit_sysext.terminal.bars import Bars

            self._bars = Bars(self._stream, width=self._width, colours=self._colours)
        if self._bars is not None:
            self._bars.show(report)

    def close(self) -> None:
        """See Watcher."""
        if self._bars is not None:
            self._bars.close()
            self._bars = None


def is_terminal(stream: TextIO) -> bool:
    """Whether a person reads it."""
    try:
        return stream.isatty()
    except ValueError:
        return False  # closed


def terminal_width(stream: TextIO) -> int | None:
    """Columns of the terminal (COLUMNS, else its own word); None where the stream is none."""
    if not is_terminal(stream):
        return None
    told = os.environ.get("COLUMNS", "")
    if told.isascii() and told.isdigit() and int(told) > 0:
        return int(told)
    try:
        return os.get_terminal_size(stream.fileno()).columns or 80
    except (OSError, ValueError):
        import shutil  # 2 ms, of which hardly any run needs them

        return shutil.get_terminal_size().columns


def has_colours(stream: TextIO, environment: Mapping[str, str]) -> bool:
    """Whether colours may be used: https://no-color.org, and TERM=dumb of terminals that have none."""
    return is_terminal(stream) and not environment.get("NO_COLOR") and environment.get("TERM") not in (None, "", "dumb")


def _plain_lines(table: Table) -> Iterator[str]:
    """Lines of a table with columns as wide as they need to be; the last one is not padded."""
    rows = [tuple(table.head), *(tuple(map(printable, row)) for row in table.rows)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(table.head))]
    for row in rows:
        cells = [
            cell.rjust(width) if column in table.right else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        yield f"{' ' * table.indent}{(' ' * GAP).join(cells)}".rstrip()
