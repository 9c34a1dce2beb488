# SPDX-License-Identifier: LGPL-2.1-or-later
"""The known word that a mistyped one most likely meant."""

from __future__ import annotations

from collections.abc import Iterable


def nearest(word: str, known: Iterable[str]) -> str | None:
    """What was most likely meant; None where nothing is near."""
    import difflib  # 1 ms, for who mistyped something alone

    return next(iter(difflib.get_close_matches(word, list(known), n=1)), None)
