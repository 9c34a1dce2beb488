# SPDX-License-Identifier: LGPL-2.1-or-later
"""Comparison of package versions, with rpm itself as the oracle."""

from __future__ import annotations

import itertools
import random
import time
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import pytest

from tukit_sysext.requirements.evr import compare_evr, evr_key, meets
from tukit_sysext.requirements.requirement import Requirement

rpm_itself = pytest.mark.skipif(find_spec("rpm") is None, reason="Python has no module rpm")

VERSIONS = [
    "1", "1.0", "1.0.0", "01", "1.1", "1.10", "1.2", "10", "1a", "1.a", "a", "A", "a1", "1~", "1~rc1", "1~rc2", "1~~",
    "1^", "1^git1", "1^git1~pre", "1.", "1..0", "1_0", "1+0", "2.0.1a", "2.0.1", "20261120", "20261120.1", "0", "00",
    "5.5p1", "5.5p10", "10xyz", "xyz10", "6.0.rc1", "6.0", "99999999999999999999999999", "1.0^20210501", "1.0~beta",
    "1" * 30 + "0", "~", "^", "~~", "é1", "1é",
]  # fmt: skip
"""Versions as packages have them, and some that none should have."""


@pytest.fixture
def rpm() -> Any:
    return import_module("rpm")


def pairs(count: int) -> list[tuple[str, str]]:
    """Pairs of the versions above, and of random ones of the characters that matter."""
    dice = random.Random(4)
    strange = ["".join(dice.choices("0019aB.~^-+_", k=dice.randint(1, 8))).replace("-", "") or "1" for _ in range(400)]
    return [*itertools.product(VERSIONS, VERSIONS), *zip(strange[:count], strange[::-1], strict=False)]


@rpm_itself
def test_a_version_is_higher_where_rpm_has_it_higher(rpm: Any) -> None:
    differ = [(a, b) for a, b in pairs(400) if compare_evr(a, b) != rpm.labelCompare(("0", a, ""), ("0", b, ""))]
    assert len(pairs(400)) > 2000
    assert differ == []


EVRS = [
    "1", "1-1", "1-2", "2", "2-1", "0:1", "0:1-1", "1:1", "1:1-1", "1:0.5-3", "1.0-1.fc42", "1~rc1-1", "2:1",
    ":1", "00:1-1", "1.0", "1.0-2.1", "1^git-1", "3-1", "1:2-1",
]  # fmt: skip
OPERATORS = ["", "<", "<=", "=", ">=", ">"]


@rpm_itself
@pytest.mark.parametrize("operator", OPERATORS)
@pytest.mark.parametrize("provided", OPERATORS)
def test_a_requirement_is_met_where_rpm_has_it_met(rpm: Any, provided: str, operator: str) -> None:
    """All operators on both sides, with and without epochs and releases."""
    sense = {"": 0, "<": rpm.RPMSENSE_LESS, "=": rpm.RPMSENSE_EQUAL, ">": rpm.RPMSENSE_GREATER}

    def dependency(requirement: Requirement, tag: str) -> Any:
        flags = sum(sense[sign] for sign in requirement.operator)
        return rpm.ds((requirement.name, flags, requirement.evr), tag)

    def stated(sign: str, evr: str) -> Requirement:
        return Requirement("glibc", sign, evr) if sign else Requirement("glibc")

    differ = [
        f"{capability}; {requirement}"
        for a, b in itertools.product(EVRS, EVRS)
        for capability, requirement in [(stated(provided, a), stated(operator, b))]
        if meets(capability, requirement)
        != bool(dependency(capability, "provides").Compare(dependency(requirement, "requires")))
    ]
    assert differ == []


def test_another_name_meets_nothing() -> None:
    assert not meets(Requirement("glibc", "=", "2.40"), Requirement("glibc-32bit"))
    assert meets(Requirement("glibc", "=", "2.40"), Requirement("glibc"))


@pytest.mark.parametrize(
    ("lower", "higher"),
    [("1~rc1-1", "1-1"), ("1-1", "1^git-1"), ("2.9-1", "2.10-1"), ("9-1", "1:1-1"), ("1", "1-1"), ("1a", "1.1")],
)
def test_the_order(lower: str, higher: str) -> None:
    assert compare_evr(lower, higher) == -1
    assert compare_evr(higher, lower) == 1
    assert compare_evr(higher, higher) == 0
    assert max([lower, higher], key=evr_key) == higher


@pytest.mark.parametrize(
    "compare", [compare_evr, lambda a, b: meets(Requirement("a", "=", a), Requirement("a", "=", b))]
)
def test_what_a_publisher_writes_costs_little(compare: Callable[[str, str], object]) -> None:
    """A version of many thousand digits or letters, which int() would refuse or take seconds for."""
    for text in ("9" * 100_000, "a" * 100_000, "~" * 100_000, "1." * 50_000, "-" * 100_000, ":" * 100_000):
        started = time.process_time()
        compare(text + "1", text + "2")
        assert time.process_time() - started < 1, text[:2]
