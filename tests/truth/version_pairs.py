# SPDX-License-Identifier: LGPL-2.1-or-later
"""Versions to compare, each with every other of its group."""

from __future__ import annotations

from itertools import combinations

ASCENDING: tuple[tuple[str, ...], ...] = (
    # The specification's own row
    (
        "122.1", "123~rc1-1", "123", "123-a", "123-a.1", "123-1", "123-1.1", "123^post1", "123.a-1", "123.1-1",
        "123a-1", "124-1",
    ),
    ("~", "~~1", "~a", "~1"),
    ("1~", "1~~", "1", "1-", "1^", "1.", "1a"),
    ("2.43~rc1", "2.43", "2.43^20260101", "2.43.1", "2.44"),
    ("6.12.0-160000.5-default", "6.12.0-160000.27-default", "6.12.1-1-default", "6.13.0"),
    ("20260304", "20260304.1", "20261101", "20261102"),
    ("1.0", "1.00.1", "1.0a", "1.1", "1.09", "1.10", "1.100"),
    ("A", "AB", "B", "a", "aB", "ab", "b"),
    ("v1.9.0", "v1.10.0", "v1.29.2", "v2"),
    ("9", "10", "99999999999999999999", "100000000000000000000"),
)  # fmt: skip

NASTY: tuple[tuple[str, ...], ...] = (
    # Equal though not the same
    ("1", "01", "0001", "1_", "_1", "+1", "1:", "1\u00e9", "(1)"),
    ("1.0", "1_.0", "1+.0", "1.00", "1.0+"),
    ("a", "_a", "a_", "a+"),
    ("", "_", "+", "0", "00", "~", "^", "-", "."),
    # A separator on both sides, then another
    ("1-", "1-.", "1-^", "1--", "1-~", "1-_", "1-1", "1-a", "1-_1", "1-+a"),
    ("1~", "1~_", "1~~", "1~-", "1~.", "1~_1", "1~1", "1~a"),
    ("1^", "1^.", "1^-", "1^^", "1^~", "1^_", "1^1"),
    ("1.", "1..", "1.-", "1.^", "1.~", "1._", "1.1", "1.a"),
    # Numbers and letters that change over
    ("1a", "1a1", "1a2", "1a10", "1aa", "1b", "1", "1.a", "a1", "aa1", "a"),
    ("1.2.3", "1.2.3-4", "1.2.3.4", "1.2.3~4", "1.2.3^4", "1.2.3+4", "1.2.3_4"),
    ("0", "0.0", "0.0.0", "00.0", "0.0a"),
)  # fmt: skip


def pairs() -> list[tuple[str, str]]:
    """Every pair of a group, in the order of the group, and every third one turned round."""
    found = [pair for group in (*ASCENDING, *NASTY) for pair in combinations(group, 2)]
    return [(b, a) if number % 3 == 0 else (a, b) for number, (a, b) in enumerate(found)]
