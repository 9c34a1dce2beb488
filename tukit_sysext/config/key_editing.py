# SPDX-License-Identifier: LGPL-2.1-or-later
"""Changing keys of a configuration file, and leaving every other line of it as it is. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tukit_sysext.formats.ini import parse

Changes = Mapping[str, Sequence[str] | None]
"""Values by key; None takes the key away, several values are a line each."""


def edited(content: str, section: str, changes: Changes) -> str:
    """The text of a file after its keys of a section were changed.

    A key that is there gets its values where it was set last, a new one stands at the end of its section, which is made
    if need be. A continued line is replaced whole.
    """
    lines = content.splitlines()
    assignments, _ = parse(content.encode())
    places = {key: [each.line for each in assignments if (each.section, each.key) == (section, key)] for key in changes}
    drop: set[int] = set()
    instead: dict[int, list[str]] = {}
    missing: list[str] = []
    for key, values in changes.items():
        written = [f"{key}={value}" for value in values or ()]
        for start in places[key]:
            drop |= _whole(lines, start)
        if places[key]:
            instead[places[key][-1]] = written
        else:
            missing += written
    result: list[str] = []
    for number, line in enumerate(lines, start=1):
        result += instead.get(number, [])
        result += [line] if number not in drop else []
    return "\n".join(_with(result, section, missing)) + "\n"


def _whole(lines: Sequence[str], start: int) -> set[int]:
    """The numbers of the lines of an assignment: those that it goes on in, too."""
    last = start
    while last < len(lines) and (lines[last - 1].endswith("\\") or lines[last - 1].lstrip()[:1] in ("#", ";")):
        last += 1
    return set(range(start, last + 1))


def _with(lines: list[str], section: str, missing: Sequence[str]) -> list[str]:
    if not missing:
        return lines
    heads = [number for number, line in enumerate(lines) if line.strip() == f"[{section}]"]
    if not heads:
        return [*lines, f"[{section}]", *missing]
    end = next((n for n in range(heads[-1] + 1, len(lines)) if lines[n].strip().startswith("[")), len(lines))
    while not lines[end - 1].strip():
        end -= 1
    return [*lines[:end], *missing, *lines[end:]]
