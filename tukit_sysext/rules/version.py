# SPDX-License-Identifier: LGPL-2.1-or-later
"""Order of image versions: UAPI.10 version format specification, as systemd carries it out.

The steps, on what is left of both strings (taken from left to right):

1. characters outside `a-z A-Z 0-9 - . ~ ^` are skipped
2. `~` sorts lower than anything, even than the end
3. the end sorts lower than any rest
4. `-`, then `^`, then `.`: the string that has it sorts lower than the one that has something else
5. digits sort as numbers (leading zeros do not count), and higher than no digits
6. letters sort in ASCII order, capitals first; of two equal beginnings the longer run is higher
7. again from 1

A separator that both strings have is passed, and the comparison goes on with the next step, not with step 1:
so `1-` is higher than `1-.`. systemd 252 and 257 both do this, and `systemd-analyze compare-versions` is the
truth for us (tests/truth/test_version_order.py).
"""

from __future__ import annotations

import re
from functools import cmp_to_key

_SKIPPED = re.compile(r"[^a-zA-Z0-9.~^-]*")
_DIGITS = re.compile(r"[0-9]*")
_LETTERS = re.compile(r"[a-zA-Z]*")
_END = ""


def compare(a: str, b: str) -> int:
    """Order of two versions, any text: -1 if `a` is lower, 1 if it is higher, 0 if neither is."""
    if a == b:
        return 0
    # These expressions match everywhere, if need be nothing.
    skip, digits, letters = _SKIPPED.match, _DIGITS.match, _LETTERS.match
    i = j = 0
    while True:
        i = skip(a, i).end()  # type: ignore[union-attr]
        j = skip(b, j).end()  # type: ignore[union-attr]
        x, y = a[i : i + 1], b[j : j + 1]

        if x == "~" or y == "~":
            if x != y:
                return -1 if x == "~" else 1
            i, j = i + 1, j + 1
            x, y = a[i : i + 1], b[j : j + 1]

        if x == _END or y == _END:
            return (x != _END) - (y != _END)

        for separator in "-^.":
            if x == separator or y == separator:
                if x != y:
                    return -1 if x == separator else 1
                i, j = i + 1, j + 1
                x, y = a[i : i + 1], b[j : j + 1]

        if "0" <= x <= "9" or "0" <= y <= "9":
            run_a, run_b = digits(a, i).group(), digits(b, j).group()  # type: ignore[union-attr]
            i, j = i + len(run_a), j + len(run_b)
            if not run_a or not run_b:
                return 1 if run_a else -1
            # By length and text, not int(): numbers may be as long as they like.
            run_a, run_b = run_a.lstrip("0"), run_b.lstrip("0")
            if len(run_a) != len(run_b):
                return 1 if len(run_a) > len(run_b) else -1
        else:
            run_a, run_b = letters(a, i).group(), letters(b, j).group()  # type: ignore[union-attr]
            i, j = i + len(run_a), j + len(run_b)
        if run_a != run_b:
            return 1 if run_a > run_b else -1


sort_key = cmp_to_key(compare)
"""Key for sorted(), min() and max(): `max(versions, key=sort_key)` is the newest."""
