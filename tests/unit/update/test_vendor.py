# SPDX-License-Identifier: LGPL-2.1-or-later
"""An installed image stays with its source; a weaker one serves none while a stronger one is away (threat P8)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.unit.update.samples import FITS, OTHER, candidate, facts, link, plan_one, stored, want
from tukit_sysext.update import explain
from tukit_sysext.update.facts import Facts
from tukit_sysext.update.left_out import LeftOut
from tukit_sysext.update.plan import Action, ImagePlan
from tukit_sysext.update.rule import Side

MAIN: dict[str, Any] = {"source": "main", "priority": 10}
THIRD: dict[str, Any] = {"source": "third", "priority": 90}
AWAY = {"main": "packets are dropped"}
EVIL = {candidate("9999", **THIRD): FITS}
HAVE_1: dict[str, Any] = {"store": [stored("1", source="main")], "entries": [link("1")]}
HAVE_UNFITTING: dict[str, Any] = {"store": [stored("1", source="main", fits="0")], "entries": [link("1")]}


def given(*, sources: tuple[str, ...] = (), unusable: dict[str, str] | None = None, **keys: Any) -> Facts:
    """Two sources, main the stronger one."""
    made: dict[str, Any] = {"sources": ("main", "third"), "priorities": {"main": 10, "third": 90}, **keys}
    return replace(facts(want(sources=sources), **made), unusable=unusable or {})


def chosen(facts: Facts) -> tuple[Action, str | None]:
    image = plan_one(facts)
    return image.action, image.chosen.version if image.chosen is not None else None


@pytest.mark.parametrize("away", [{}, AWAY])
def test_an_installed_image_stays_with_its_source(away: dict[str, str]) -> None:
    """Whether that one is away, or has nothing newer."""
    assert chosen(given(offers=EVIL, unreachable=away, **HAVE_1)) == (Action.KEEP, "1")
    newer = {**EVIL, candidate("2", **MAIN): FITS}
    assert chosen(given(offers=newer, **HAVE_1)) == (Action.FETCH, "2")


@pytest.mark.parametrize("away", [{}, AWAY])
def test_another_source_is_no_successor_either(away: dict[str, str]) -> None:
    """The image does not fit any more: the update is refused, and the way out is named."""
    image = plan_one(given(offers=EVIL, unreachable=away, **HAVE_UNFITTING))
    assert image.left_out is (LeftOut.UNREACHABLE if away else LeftOut.NOTHING_FITS)
    assert image.refuses
    assert image.next_step.startswith("to have it from another source too, Source=main third in /etc/")
    assert "third" not in image.reason


def test_the_other_way_round_too() -> None:
    """A stronger source takes nothing over."""
    have: dict[str, Any] = {"store": [stored("1", source="third")], "entries": [link("1")]}
    assert chosen(given(offers={candidate("2", **MAIN): FITS}, **have)) == (Action.KEEP, "1")


def test_the_configuration_lets_another_one_serve_it() -> None:
    both = ("main", "third")
    assert chosen(given(sources=both, offers=EVIL, **HAVE_1)) == (Action.FETCH, "9999")
    newer = {**EVIL, candidate("2", **MAIN): FITS}
    assert chosen(given(sources=both, offers=newer, **HAVE_1)) == (Action.FETCH, "2"), "in this order"
    assert chosen(given(sources=("third", "main"), offers=newer, **HAVE_1)) == (Action.FETCH, "9999")
    # what fits stays while its source is away; what does not is served
    assert chosen(given(sources=both, offers=EVIL, unreachable=AWAY, **HAVE_1)) == (Action.KEEP, "1")
    assert chosen(given(sources=both, offers=EVIL, unreachable=AWAY, **HAVE_UNFITTING)) == (Action.FETCH, "9999")


def test_a_source_that_is_not_configured_any_more() -> None:
    image = plan_one(replace(given(offers=EVIL, **HAVE_1), sources=("third",), priorities={"third": 90}))
    assert (image.action, image.chosen and image.chosen.version) == (Action.FETCH, "9999")
    assert image.warnings == ("1 is of main, which is not configured any more: from now on it comes from source third",)


NOT_ASKED: list[dict[str, dict[str, str]]] = [
    {"unreachable": AWAY},
    {"broken_sources": {"main": "its signature is refused"}},
    {"unusable": {"main": "a fault"}},
]


@pytest.mark.parametrize("away", NOT_ASKED)
def test_a_fresh_image_waits_for_the_stronger_source(away: dict[str, Any]) -> None:
    image: ImagePlan = plan_one(given(offers=EVIL, in_use={}, **away))
    assert (image.action, image.refuses, image.is_missed) == (Action.LEAVE_OUT, False, True)
    assert chosen(given(sources=("third",), offers=EVIL, **away)) == (Action.FETCH, "9999"), "nothing goes before it"
    assert chosen(given(sources=("main", "third"), offers=EVIL, **away))[0] is Action.LEAVE_OUT
    spare = given(store=[stored("1", source="third")], **away)
    assert chosen(spare)[0] is Action.LEAVE_OUT


def test_a_stronger_source_that_has_nothing_is_no_obstacle() -> None:
    assert chosen(given(offers=EVIL)) == (Action.FETCH, "9999")
    assert chosen(given(offers={**EVIL, candidate("2", **MAIN): OTHER})) == (Action.FETCH, "9999")
    equal = replace(given(offers=EVIL, unreachable=AWAY), priorities={"main": 90, "third": 90})
    assert chosen(equal) == (Action.FETCH, "9999")


def test_why_not_tells_it() -> None:
    told = given(offers=EVIL, **HAVE_1)
    found = {version.option.version: version for version in explain.versions(told, "gdb", told.wanted["gdb"])}
    (rule,) = (rule for rule in found["9999"].rules if rule.rule == Side.VENDOR)
    assert (rule.fits, rule.image) == (False, "third")
    assert found["9999"].reason == (
        "it is of third, and the linked image is of main, with which it stays unless Source= has both"
    )
    assert found["1"].usable
