# SPDX-License-Identifier: LGPL-2.1-or-later
"""Points in time as in systemd.time(7), as far as a person types them: ``yesterday``, ``2026-11-01 12:00``, ``-2d``.

Local time where no zone is named: only UTC is (``UTC`` or ``Z`` behind it). A weekday before a date says nothing more.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from tukit_sysext.formats.time_span import SECOND, microseconds

_DAYS = {"yesterday": -1, "today": 0, "tomorrow": 1}
_DATE = re.compile(
    r"(?:(?:mon|tue|wed|thu|fri|sat|sun)[a-z]* +)?"
    r"(?:(?P<date>\d{4}-\d\d?-\d\d?)|(?P<day>yesterday|today|tomorrow))?"
    r"(?:(?:^|[ t]+)(?P<time>\d\d?:\d\d?(?::\d\d?(?:\.\d+)?)?))?"
    r"(?P<utc> *(?:utc|z))?",
    re.IGNORECASE,
)
_EXPECTED = "expected a time such as yesterday, 2026-11-01, '2026-11-01 12:00' or '2 days ago'"


def seconds(text: str, now: float) -> int:
    """Seconds since the epoch of a point in time. Raises ValueError where it is none."""
    text = text.strip()
    if text.lower() == "now":
        return int(now)
    if re.fullmatch(r"@[0-9]{1,12}", text):
        return int(text[1:])
    span = text.removesuffix(" ago")
    if text[:1] in ("-", "+") or span != text:
        sign = 1 if text[:1] == "+" else -1
        return int(now) + sign * _span(text[1:] if text[:1] in ("-", "+") else span, now)
    match = _DATE.fullmatch(text)
    if match is None or not (match["date"] or match["day"] or match["time"]):
        raise ValueError(_EXPECTED)
    zone = UTC if match["utc"] else None
    try:
        day = datetime.fromtimestamp(now, zone)
        if match["date"]:
            year, month, number = map(int, match["date"].split("-"))
            day = day.replace(year=year, month=month, day=number)
        else:
            day += timedelta(days=_DAYS[(match["day"] or "today").lower()])
        hour, minute, second = ((match["time"] or "0:0").partition(".")[0] + ":0").split(":")[:3]
        return int(day.replace(hour=int(hour), minute=int(minute), second=int(second), microsecond=0).timestamp())
    except (ValueError, OverflowError, OSError) as error:
        raise ValueError(_EXPECTED) from error


def _span(text: str, now: float) -> int:
    span = microseconds(text)
    if span is None or span > now * SECOND:
        raise ValueError(_EXPECTED)
    return span // SECOND
