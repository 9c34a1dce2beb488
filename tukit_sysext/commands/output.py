# SPDX-License-Identifier: LGPL-2.1-or-later
"""Printing: plain tables, and JSON."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from tukit_sysext.errors import TukitSysextError
from tukit_sysext.machine import Machine


def print_json(document: Any) -> None:
    """Print a document as JSON."""
    print(json.dumps(document, indent=2, ensure_ascii=False))


def require_root(machine: Machine, command: str) -> None:
    """Raise TukitSysextError for an ordinary user, before anything is touched (threat L8)."""
    if not machine.privileged:
        raise TukitSysextError(f"{command} needs root", hint=f"sudo tukit-sysext {command}")


def local_time(seconds: int) -> str:
    """A time (seconds since the epoch) for a person: local, to the minute."""
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(seconds))


def size_text(size: int) -> str:
    """Bytes for a person, in binary units."""
    number, units = float(size), iter(("B", "KiB", "MiB", "GiB"))
    for unit in units:
        if number < 1024:
            return f"{size} B" if unit == "B" else f"{number:.1f} {unit}"
        number /= 1024
    return f"{number:.1f} TiB"


def one_line(text: str) -> str:
    """A text with everything escaped that would break a line or command a terminal: names on a disk may be anything."""
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text)


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """Lines of a table with columns as wide as they need to be; the last one is not padded."""
    all_rows = [tuple(head), *(tuple(map(one_line, row)) for row in rows)]
    widths = [max(len(row[column]) for row in all_rows) for column in range(len(head) - 1)]
    for row in all_rows:
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=False)]
        yield "  ".join([*cells, row[-1]]).rstrip()
