# SPDX-License-Identifier: LGPL-2.1-or-later
"""Order of versions. That it is systemd's order is shown by tests/truth/test_version_order.py."""

from __future__ import annotations

import random
import time
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.truth.version_pairs import ASCENDING
from tukit_sysext.rules.version import compare, sort_key

VERSIONS = st.one_of(
    st.text(alphabet="0123ab.-~^_+", max_size=8),
    st.text(alphabet="~-^.0a1_", max_size=5),
    st.text(max_size=8),
)


@pytest.mark.parametrize("row", ASCENDING, ids=lambda row: " < ".join(row))
def test_rows_ascend(row: tuple[str, ...]) -> None:
    for low, high in combinations(row, 2):
        assert (compare(low, high), compare(high, low)) == (-1, 1), (low, high)
    shuffled = random.Random(1).sample(row, len(row))
    assert sorted(shuffled, key=sort_key) == list(row)


@pytest.mark.parametrize(
    ("a", "b"), [("1", "1"), ("1", "01"), ("1.0", "1_.0"), ("a", "a+"), ("", "_"), ("1.0", "1.00"), ("é", "")]
)
def test_equal_in_order(a: str, b: str) -> None:
    assert compare(a, b) == compare(b, a) == 0


def test_numbers_longer_than_any_machine_word() -> None:
    assert compare("9" * 5000, "1" + "0" * 5000) == -1


@given(VERSIONS, VERSIONS)
def test_antisymmetric(a: str, b: str) -> None:
    assert compare(a, b) == -compare(b, a)


@given(VERSIONS)
def test_reflexive(a: str) -> None:
    assert compare(a, a) == 0


@given(VERSIONS, VERSIONS, VERSIONS)
def test_transitive(a: str, b: str, c: str) -> None:
    low, middle, high = sorted([a, b, c], key=sort_key)
    assert compare(low, middle) <= 0
    assert compare(middle, high) <= 0
    assert compare(low, high) <= 0
    if compare(low, middle) < 0 or compare(middle, high) < 0:
        assert compare(low, high) < 0


def test_fast_enough_for_long_lists() -> None:
    """Ten thousand comparisons: a tenth of a second here, and no more than two on a slow and busy machine."""
    before = time.process_time()
    for number in range(10_000):
        compare("6.12.0-160000.5-default", f"6.12.0-{number}.6-default")
    assert time.process_time() - before < 2
