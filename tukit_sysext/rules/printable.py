# SPDX-License-Identifier: LGPL-2.1-or-later
"""Escape untrusted text for messages: names on a disk, words of servers, plugins and images may be anything."""

from __future__ import annotations


def printable(text: str) -> str:
    """The text in one line, with everything escaped that would break it, command a terminal, or be refused by a log."""
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text)


def excerpt(text: str, *, longest: int = 100) -> str:
    """The text in one line, escaped, and cut where it has more than ``longest`` characters."""
    return printable(text if len(text) <= longest else f"{text[:longest]}...")
