# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a defence is, and how it is broken."""

from __future__ import annotations

from dataclasses import dataclass

Edit = tuple[str, str, str]
"""A file, what stands there exactly once, and what it becomes."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Defence:
    """One defence: the threat's row, what is broken, how, and the tests that must fail then."""

    row: str
    what: str
    edits: tuple[Edit, ...]
    tests: tuple[str, ...]


def broken(row: str, what: str, file: str, old: str, new: str, *tests: str) -> Defence:
    """A defence that stands in one place."""
    return Defence(row=row, what=what, edits=((file, old, new),), tests=tests)
