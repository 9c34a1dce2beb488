# SPDX-License-Identifier: LGPL-2.1-or-later
"""Values of configuration keys."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tukit_sysext.config import values


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0),
        ("90", 90),
        ("90s", 90),
        ("2min", 120),
        ("2 minutes", 120),
        ("1h 30min", 5400),
        ("1h30min", 5400),
        ("14d", 14 * 86400),
        ("1day", 86400),
        ("2 weeks 1 day", 15 * 86400),
        ("1m", 60),
        ("1M", 2_629_800),
        ("1y 12month", 2 * 31_557_600),
        ("1.5d", 36 * 3600),
        ("100y", 36525 * 86400),
        ("infinity", 36525 * 86400),
        ("1us", 1),
        ("1s 1ms", 2),
    ],
)
def test_time_spans(text: str, seconds: int) -> None:
    assert values.time_span(text) == seconds


@pytest.mark.parametrize("text", ["101 years", "100y 1us", "5219w", "1201M", "600000y", "9" * 30, "2 dayz"])
def test_no_time_spans(text: str) -> None:
    """Nothing waits for more than 100 years, and the C library has no such times."""
    with pytest.raises(ValueError, match="expected"):
        values.time_span(text)


@pytest.mark.parametrize(
    ("text", "count"), [("0", 0), ("512", 512), ("1K", 1024), ("512M", 512 << 20), ("4G", 4 << 30), ("1TiB", 1 << 40)]
)
def test_sizes(text: str, count: int) -> None:
    assert values.size(text) == count


@pytest.mark.parametrize("text", ["/", "/srv/images", "/srv/a b", "/srv/..a"])
def test_paths(text: str) -> None:
    assert values.absolute_path(text) == text


@pytest.mark.parametrize("text", ["1", "2.43~rc1", "6.12.0-160000.5-default", "123^post1"])
def test_versions(text: str) -> None:
    assert values.version(text) == text


@pytest.mark.parametrize(
    ("convert", "text", "words"),
    [
        (values.time_span, "soon", "time span"),
        (values.time_span, "-1d", "time span"),
        (values.age, "0", "longer than zero"),
        (values.waiting_time, "0", "longer than zero"),
        (values.waiting_time, "30d 1s", "not longer than 30 days"),
        (values.waiting_time, "1M", "not longer than 30 days"),
        (values.waiting_time, "infinity", "not infinity"),
        (values.time_span, "3 fortnights", "time span"),
        (values.version, "15.*", "version"),
        (values.size, "much", "size"),
        (values.size, "-1", "size"),
        (values.size, "1.5G", "size"),
        (values.size, "4P", "size"),
        (values.absolute_path, "srv/images", "absolute path"),
        (values.absolute_path, "/srv/../etc", "absolute path"),
        (values.number, "-1", "whole number"),
        (values.number, "1e3", "whole number"),
        (values.number, "\u0663", "whole number"),
        (values.version, "1 2", "version"),
        (values.version, "1/2", "version"),
        (values.version, "1\u00e9", "version"),
        (values.version, "1" * 256, "version"),
        (values.component, "../up", "name"),
        (values.component, "a/b", "name"),
    ],
)
def test_what_is_wrong_says_what_was_expected(convert: Callable[[str], object], text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        convert(text)


_CONVERTERS: list[Callable[[str], object]] = [
    values.time_span,
    values.size,
    values.absolute_path,
    values.number,
    values.version,
    values.component,
]


@given(st.sampled_from(_CONVERTERS), st.one_of(st.text(max_size=20), st.from_regex(r"\A[0-9]+ ?[A-Za-z]*\Z")))
def test_nothing_but_value_error_is_raised(convert: Callable[[str], object], text: str) -> None:
    try:
        found = convert(text)
    except ValueError:
        return
    assert not isinstance(found, int) or found >= 0


@pytest.mark.parametrize("text", ["9223372036854775808", "8388608T", "9" * 40])
def test_a_size_that_no_file_can_have(text: str) -> None:
    with pytest.raises(ValueError, match="at most 8388607T"):
        values.size(text)
    assert values.size("8388607T") < 2**63


def test_a_number_of_too_many_digits() -> None:
    assert values.number("999999999") == 999_999_999
    with pytest.raises(ValueError, match="at most 9 digits"):
        values.number("1000000000")
