# SPDX-License-Identifier: LGPL-2.1-or-later
"""INI files as systemd's (systemd.syntax(7)), read leniently: every fault is kept with its line, the rest is used.

The standard library's configparser stops at the first fault and forgets line numbers; both are needed here.
"""

from __future__ import annotations

from typing import NamedTuple


class Assignment(NamedTuple):
    """One ``Key=value`` line: the section it stands in, and the number of its first line (from 1)."""

    section: str
    key: str
    value: str
    line: int


class SyntaxFault(NamedTuple):
    """A line that is none of: section, assignment, comment, empty."""

    line: int
    message: str


def parse(content: bytes) -> tuple[tuple[Assignment, ...], tuple[SyntaxFault, ...]]:
    """Split a file into assignments and faults, both in the order of their lines. Never raises.

    A line that ends in a backslash goes on in the next one, comments between them left out. Bytes that are not UTF-8
    are a fault of their line.
    """
    assignments: list[Assignment] = []
    faults: list[SyntaxFault] = []
    section: str | None = None
    pending, start = "", 0
    for number, raw in enumerate(content.removeprefix(b"\xef\xbb\xbf").split(b"\n"), start=1):
        try:
            line = raw.decode("utf-8")
        except UnicodeDecodeError:
            faults.append(SyntaxFault(line=number, message="not UTF-8"))
            pending = ""
            continue
        comment = line.lstrip()[:1] in ("#", ";")
        if not pending:
            start = number
        if comment or (not pending and not line.strip()):
            continue
        if line.endswith("\\"):
            pending += line[:-1] + " "
            continue
        text, pending = (pending + line).strip(), ""
        if any(ord(character) < 32 and character != "\t" for character in text):
            faults.append(SyntaxFault(line=start, message="a control character"))
        elif text.startswith("["):
            if text.endswith("]") and len(text) > 2:
                section = text[1:-1].strip()
            else:
                section = None
                faults.append(SyntaxFault(line=start, message=f"expected [Section], found {text!r}"))
        elif "=" not in text:
            faults.append(SyntaxFault(line=start, message=f"expected Key=value, found {text!r}"))
        elif section is None:
            faults.append(SyntaxFault(line=start, message=f"{text!r} stands in no section"))
        else:
            key, value = text.split("=", 1)
            assignments.append(Assignment(section=section, key=key.strip(), value=value.strip(), line=start))
    if pending:
        faults.append(SyntaxFault(line=start, message="the file ends inside a continued line"))
    return tuple(assignments), tuple(faults)
