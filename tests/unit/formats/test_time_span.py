# SPDX-License-Identifier: LGPL-2.1-or-later
"""Time spans: what each is worth is said here, and held against systemd itself where it is there."""

from __future__ import annotations

import random
import re
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tukit_sysext.formats.time_span import microseconds

ANALYZE = Path("/usr/bin/systemd-analyze")

SECOND = 10**6
MINUTE, HOUR, DAY = 60 * SECOND, 3600 * SECOND, 86400 * SECOND
MONTH, YEAR = 2_629_800 * SECOND, 31_557_600 * SECOND

SPANS = {
    # no unit, and each unit in all its spellings
    "0": 0,
    "90": 90 * SECOND,
    "1usec": 1,
    "1us": 1,
    "1\u00b5s": 1,
    "1\u03bcs": 1,
    "1msec": 1000,
    "1ms": 1000,
    "1seconds": SECOND,
    "1second": SECOND,
    "1sec": SECOND,
    "1s": SECOND,
    "1minutes": MINUTE,
    "1minute": MINUTE,
    "1min": MINUTE,
    "1m": MINUTE,
    "1hours": HOUR,
    "1hour": HOUR,
    "1hr": HOUR,
    "1h": HOUR,
    "1days": DAY,
    "1day": DAY,
    "1d": DAY,
    "1weeks": 7 * DAY,
    "1week": 7 * DAY,
    "1w": 7 * DAY,
    "1months": MONTH,
    "1month": MONTH,
    "1M": MONTH,
    "1years": YEAR,
    "1year": YEAR,
    "1y": YEAR,
    # the examples of systemd.time(7)
    "2 h": 2 * HOUR,
    "2hours": 2 * HOUR,
    "48hr": 48 * HOUR,
    "1y 12month": 2 * YEAR,
    "55s500ms": 55_500_000,
    "300ms20s 5day": 5 * DAY + 20_300_000,
    # several, in any order and any spacing
    "1h 30min": 90 * MINUTE,
    "1h30min": 90 * MINUTE,
    "30 min1 h": 90 * MINUTE,
    "1M1m": MONTH + MINUTE,
    "1ms1M1m": MONTH + MINUTE + 1000,
    "12 34": 46 * SECOND,
    "5sec6": 11 * SECOND,
    "\t1d\n 2h\r": 26 * HOUR,
    "+5": 5 * SECOND,
    "3 +1": 4 * SECOND,
    "00000000000000000000000000000007s": 7 * SECOND,
    # fractions, in systemd's integers
    "1.5d": 36 * HOUR,
    "0.5M": MONTH // 2,
    ".5s": SECOND // 2,
    "3 .5": 3_500_000,
    "1.5 .5": 2 * SECOND,
    "12.34s.56": 12_900_000,
    "0.0000001s": 0,
    "1.99999999999999999999999y": 63_115_199_999_973,
    # the largest ones
    "infinity": None,
    " infinity ": None,
    "9223372036854775807us": 2**63 - 1,
    "18446744073708s": 18_446_744_073_708 * SECOND,
    "584541y": 584_541 * YEAR,
    "9223372036854775807us 9223372036854775807us": 2**64 - 2,
}

REFUSED = (
    *("", " ", "soon", "d", "a month", "-1d", "-0", "5s-1", "1d -2h", "+-5", "+ 5", "5-1", "5+1"),
    *("1e3", "0x10", "1_000", "1,5s", "3.", "3.s", "3. 1s", "3.+1", ".s", "+.5", "1.5.5", "1..5", "\u0663s"),
    *("5secs", "5mins", "5hrs", "5mo", "5mon", "2 dayz", "3 fortnights", "5S", "5Min", "5H", "1D", "1W", "1Y", "5MS"),
    *("1ns", "1nsec", "1Days", "1 d ays", "Infinity", "INFINITY", "infinity 1", "1d infinity", "infinitys", "inf"),
    *("9223372036854775808us", "18446744073709551614us", "18446744073709s", "584542y", "7014504M", "9" * 30 + "s"),
    *("9" * 5000, "584541y 2y", "9223372036854775807us 9223372036854775807us 1us", "18446744073708s 2s"),
)


@pytest.mark.parametrize(("text", "worth"), SPANS.items())
def test_what_a_span_is_worth(text: str, worth: int | None) -> None:
    assert microseconds(text) == worth


@pytest.mark.parametrize("text", REFUSED)
def test_what_is_no_span(text: str) -> None:
    with pytest.raises(ValueError, match="expected a time span"):
        microseconds(text)


def systemds(text: str) -> int | str | None:
    """What systemd takes a span for: microseconds, None for infinity, "refused"."""
    argv = [str(ANALYZE), "timespan", "--", text]
    result = subprocess.run(argv, capture_output=True, text=True, env={"LC_ALL": "C.UTF-8"}, check=False, timeout=60)
    if result.returncode:
        return "refused"
    # systemd writes a micro sign in front of the number, or a "u" of ASCII
    worth = re.search(r"^ *[\u00b5\u03bcu]s: (\d+)$", result.stdout, re.M)
    assert worth, result.stdout
    return None if int(worth[1]) == 2**64 - 1 else int(worth[1])


def ours(text: str) -> int | str | None:
    try:
        return microseconds(text)
    except ValueError:
        return "refused"


@pytest.mark.tool("systemd-analyze")
@pytest.mark.parametrize("text", [*SPANS, *REFUSED])
def test_systemd_takes_it_for_the_same(text: str) -> None:
    assert ours(text) == systemds(text)


_WORDS = ["1", "2.5", ".25", "30", "0", "s", "ms", "m", "M", "min", "month", "d", "w", "y", " ", "\t", "+", "-", "."]


@pytest.mark.tool("systemd-analyze")
def test_systemd_takes_anything_made_of_these_for_the_same() -> None:
    """Random words, put together: 150 of them, the same with each run."""
    chance = random.Random(7)
    texts = ["".join(chance.choices(_WORDS, k=chance.randint(1, 5))) for _ in range(150)]
    assert {text: ours(text) for text in texts} == {text: systemds(text) for text in texts}


@given(st.text(max_size=20))
def test_nothing_but_value_error_is_raised(text: str) -> None:
    found = ours(text)
    assert found is None or found == "refused" or int(found) >= 0
