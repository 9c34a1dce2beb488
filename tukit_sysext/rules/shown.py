# SPDX-License-Identifier: LGPL-2.1-or-later
"""Escape untrusted text for messages: it must not reach a terminal or a log as it is."""

from __future__ import annotations

_MOST = 100


def shown(text: str) -> str:
    """The text itself where it is short and every character of it can be printed, else escaped and cut."""
    return text if text.isprintable() and len(text) <= _MOST else ascii(text[:_MOST])
