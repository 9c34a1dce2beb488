# SPDX-License-Identifier: LGPL-2.1-or-later
"""Time spans as in systemd.time(7): ``14d``, ``1h 30min``, ``1y 12month``, ``1.5h``, ``infinity``.

A unit counts as it is written there: ``M`` is a month, ``m`` a minute. Numbers are added up, each with a unit behind it
or without one, which means seconds. Fractions are worth what systemd's integer arithmetic makes of them.
"""

from __future__ import annotations

import re

SECOND = 1_000_000
"""In microseconds, in which systemd counts."""

_MINUTE, _HOUR, _DAY = 60 * SECOND, 3600 * SECOND, 86400 * SECOND
_UNITS = {
    **dict.fromkeys(("usec", "us", "\u00b5s", "\u03bcs"), 1),
    **dict.fromkeys(("msec", "ms"), 1000),
    **dict.fromkeys(("seconds", "second", "sec", "s"), SECOND),
    **dict.fromkeys(("minutes", "minute", "min", "m"), _MINUTE),
    **dict.fromkeys(("hours", "hour", "hr", "h"), _HOUR),
    **dict.fromkeys(("days", "day", "d"), _DAY),
    **dict.fromkeys(("weeks", "week", "w"), 7 * _DAY),
    **dict.fromkeys(("months", "month", "M"), 2_629_800 * SECOND),
    **dict.fromkeys(("years", "year", "y"), 31_557_600 * SECOND),
}
"""Microseconds of each unit; a month is the twelfth part of a year of 365.25 days. Both signs for micro are known."""

_BLANKS = " \t\n\r"
_UNIT = "|".join(sorted(_UNITS, key=len, reverse=True))
_PART = re.compile(rf"[{_BLANKS}]*(\+?[0-9]+)?(?:\.([0-9]+))?(?:[{_BLANKS}]*({_UNIT})|[{_BLANKS}]+|\Z)")
"""A number, perhaps with a fraction, and its unit. Where it has none, white space or the end is behind it."""

_INFINITY = 2**64 - 1
_END = 2**63
"""What systemd's numbers end at: microseconds, and what stands in front of a unit."""


def microseconds(text: str) -> int | None:
    """Microseconds of a time span, None for ``infinity``. Raises ValueError where systemd takes it for none."""
    text = text.strip(_BLANKS)
    if text == "infinity":
        return None
    total, position = 0, 0
    while position < len(text) or not text:
        part = _PART.match(text, position)
        whole, fraction, unit = part.groups() if part else (None, None, None)
        if part is None or (whole is None and fraction is None):
            raise ValueError("expected a time span such as 14d or 1h 30min")
        size = _UNITS[unit or "s"]
        # cut, as Python refuses to read numbers of thousands of digits
        number = int((whole or "").lstrip("+0")[:20] or 0)
        if number >= min(_END, _INFINITY // size):
            raise ValueError(_TOO_LONG)
        total += number * size
        for digit in fraction or "":
            size //= 10
            total += int(digit) * size
        if total >= _INFINITY:
            raise ValueError(_TOO_LONG)
        position = part.end()
    return total


_TOO_LONG = "expected a time span of less than 584542 years"
