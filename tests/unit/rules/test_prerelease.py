# SPDX-License-Identifier: LGPL-2.1-or-later
"""What upstream calls a version, which versions come before a release, and which are of a series."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tukit_sysext.rules.prerelease import check_series, is_of_series, is_prerelease, newer_key, order, parts_of
from tukit_sysext.rules.version import compare


@pytest.mark.parametrize(
    ("version", "release", "before", "local"),
    [
        ("15.2", "15.2", "", ""),
        ("v1.31.5+k3s1", "1.31.5", "", "k3s1"),
        ("24.0.9+1", "24.0.9", "", "1"),
        ("140.0-1.fc42", "140.0", "", ""),
        ("9.1.825-1.fc42", "9.1.825", "", ""),
        ("5:29.1.2-1~debian.13~trixie", "29.1.2", "", ""),
        ("5+29.1.2_13", "29.1.2", "", ""),
        ("3_29.1.2-1.fc42", "29.1.2", "", ""),
        ("1:v2.0", "2.0", "", ""),
        ("2.43~rc1", "2.43", "rc1", ""),
        ("2.43rc1", "2.43", "rc1", ""),
        ("v1.32.0-rc.1", "1.32.0", "rc1", ""),
        ("v1.32.0-alpha.3", "1.32.0", "a3", ""),
        ("2.0-beta", "2.0", "b0", ""),
        ("3.14.0a1", "3.14.0", "a1", ""),
        ("6.12~git20260101", "6.12", ".dev0", ""),
        ("6.12.0~rc3-1", "6.12.0", "rc3", ""),
        ("2.1^git5", "2.1", "", ""),
        ("1.0.post1", "1.0.post1", "", ""),
        ("2026-03-04", "2026.03.04", "", ""),
        ("20260101", "20260101", "", ""),
        ("1.28-3.20240101git1234567.fc42", "1.28", "", ""),
        ("1.0-0.1.rc2.fc42", "1.0", "", ""),
    ],
)
def test_parts(version: str, release: str, before: str, local: str) -> None:
    parts = parts_of(version)
    assert parts is not None
    assert (parts.release, parts.before, parts.local) == (release, before, local)
    assert is_prerelease(version) is bool(before)


@pytest.mark.parametrize("version", ["latest", "r5", "3.4a", "1.1.1w", "2024a", "1.0.fc42", "", "~rc1", "2024.3b4f5a6"])
def test_nobody_can_tell(version: str) -> None:
    assert parts_of(version) is None
    assert not is_prerelease(version)


@pytest.mark.parametrize(
    "versions",
    [
        ["1.9", "2.0a1", "2.0b2", "2.0rc1", "2.0rc2", "2.0", "2.0.1"],
        ["v1.31.9", "v1.32.0-alpha.1", "v1.32.0-rc.1", "v1.32.0", "v1.32.1"],
        ["2.42", "2.43~rc1", "2.43"],
        ["1:1.0-beta.1", "1:1.0", "1:1.1"],
        ["140.0-1.fc42", "140.0-2.fc42", "140.1-1.fc42"],
        ["2026-03-03", "2026-03-04"],
        ["1.1.1v", "1.1.1w"],
    ],
)
def test_below_its_release(versions: list[str]) -> None:
    backwards = versions[::-1]
    assert sorted(backwards, key=newer_key) == versions
    assert all(order(low, high) < 0 < order(high, low) for low, high in pairwise(versions))


@given(st.text(alphabet="012.-~^_+:vrcab", max_size=10), st.text(alphabet="012.-~^_+:vrcab", max_size=10))
def test_the_order_is_that_of_uapi_10_but_for_pre_releases(a: str, b: str) -> None:
    assert order(a, b) == -order(b, a)
    if not is_prerelease(a) and not is_prerelease(b):
        assert order(a, b) == compare(a, b)


@pytest.mark.parametrize(
    ("series", "version", "of_it"),
    [
        ("1.31", "1.31", True),
        ("1.31", "1.31.5", True),
        ("1.31", "v1.31.5+k3s1", True),
        ("v1.31", "1.31-2", True),
        ("1.31", "1.31~rc1", True),
        ("1.31", "1.031.5", True),
        ("1.31", "1.310", False),
        ("1.31", "1.3", False),
        ("1.31", "1.32.0", False),
        ("1.31", "2.1.31", False),
        ("1", "1.31", True),
        ("1", "10", False),
        ("29", "5:29.1.2-1", True),
        ("29", "5+29.1.2_13", True),
        ("5", "5+29.1.2_13", False),
        ("1.31", "latest", False),
    ],
)
def test_series(series: str, version: str, of_it: bool) -> None:
    assert is_of_series(check_series(series), version) is of_it


@pytest.mark.parametrize("text", ["", "1.", ">=1", "1.31 ", "latest", "1-2", "1:2"])
def test_no_series(text: str) -> None:
    with pytest.raises(ValueError, match=r"expected the beginning of a version, such as 1\.31"):
        check_series(text)
