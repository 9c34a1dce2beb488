# SPDX-License-Identifier: LGPL-2.1-or-later
"""RPM's comparison of [EPOCH:]VERSION[-RELEASE], and whether a capability meets a requirement.

As rpm-version(7) and rpm's rpmverOverlap() have it; tests/unit/requirements/test_evr.py holds both to rpm itself. Image
versions have an order of their own: tukit_sysext.rules.version.
"""

from __future__ import annotations

import re
from functools import cmp_to_key

from tukit_sysext.requirements.requirement import Requirement

_PIECE = re.compile(r"[0-9]+|[a-zA-Z]+|[~^]")
_EPOCH = re.compile(r"([0-9]*):(.*)", re.DOTALL)


def compare_evr(a: str, b: str) -> int:
    """Order of two of them: -1 if ``a`` is lower, 1 if it is higher, 0 if neither; a missing release is lower."""
    return _compare(_parted(a), _parted(b))


def meets(provided: Requirement, required: Requirement) -> bool:
    """Whether what is provided (one version, a range, or any) overlaps with what is required."""
    if provided.name != required.name:
        return False
    if not (provided.evr and required.evr):
        return True
    a, b = _parted(provided.evr), _parted(required.evr)
    if not (a[2] and b[2]) and _compare(a[:2], b[:2]) == 0:
        if (a[2] and "=" in required.operator) or (b[2] and "=" in provided.operator):
            return True
        a, b = a[:2], b[:2]
    order = _compare(a, b)
    if order == 0:
        return any(sign in provided.operator and sign in required.operator for sign in "<=>")
    below, above = (provided, required) if order < 0 else (required, provided)
    return ">" in below.operator or "<" in above.operator


evr_key = cmp_to_key(compare_evr)
"""Key for sorted(), min() and max()."""


def _parted(evr: str) -> tuple[str, ...]:
    """Epoch, version and release; an epoch that is missing is 0."""
    match = _EPOCH.fullmatch(evr)
    epoch, rest = match.groups() if match else ("", evr)
    version, _, release = rest.rpartition("-") if "-" in rest else (rest, "", "")
    return epoch or "0", version, release


def _compare(a: tuple[str, ...], b: tuple[str, ...]) -> int:
    return next((order for x, y in zip(a, b, strict=True) if (order := _compare_part(x, y))), 0)


def _compare_part(a: str, b: str) -> int:
    """One part: ``~`` is below the end, the end below ``^``, that below letters, those below numbers."""
    if a == b:
        return 0
    pieces, others = _PIECE.findall(a), _PIECE.findall(b)
    for x, y in zip([*pieces, ""], [*others, ""], strict=False):
        if (_rank(x), _value(x)) != (_rank(y), _value(y)):
            return 1 if (_rank(x), _value(x)) > (_rank(y), _value(y)) else -1
    return 0


def _rank(piece: str) -> int:
    if piece in _RANKS:
        return _RANKS[piece]
    return 4 if piece[0].isdigit() else 3


_RANKS = {"~": 0, "": 1, "^": 2}


def _value(piece: str) -> tuple[int, str]:
    """Numbers by length and text, not int(): they may be as long as they like."""
    number = piece.lstrip("0") if piece[:1].isdigit() else ""
    return (len(number), number) if number or piece[:1] == "0" else (0, piece)
