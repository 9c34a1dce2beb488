# SPDX-License-Identifier: LGPL-2.1-or-later
"""Pre-releases do not beat releases unless they are asked for; ``Series=`` keeps to one."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.update.samples import FITS, OTHER, candidate, facts, link, plan_one, stored, want
from tukit_sysext.update.left_out import LeftOut
from tukit_sysext.update.plan import Action, ImagePlan


def plan(*versions: str, have: str | None = None, **keys: Any) -> ImagePlan:
    offers = {candidate(version): FITS for version in versions}
    store, entries = ([stored(have)], [link(have)]) if have is not None else ([], [])
    return plan_one(facts(want(**keys), offers=offers, store=store, entries=entries))


def chosen(image: ImagePlan) -> str | None:
    return image.chosen.version if image.chosen is not None else None


@pytest.mark.parametrize("newer", ["2.0~rc1", "2.0rc1", "2.0-beta.1", "1.9~git20260101", "2.0a1-1.fc42"])
def test_a_release_is_taken_before_a_newer_pre_release(newer: str) -> None:
    assert chosen(plan(newer, "1.8")) == "1.8"


@pytest.mark.parametrize("keys", [{"prereleases": True}, {"constraint": ">=1.0rc0"}, {"hold": "2.0rc1"}])
def test_one_that_is_asked_for(keys: dict[str, Any]) -> None:
    assert chosen(plan("2.0rc1", "1.8", **keys)) == "2.0rc1"


def test_of_sources_that_are_equally_strong() -> None:
    offers = {candidate("2.0rc1", source="b"): FITS, candidate("1.8", source="a"): FITS}
    assert chosen(plan_one(facts(want(), offers=offers, sources=("a", "b")))) == "1.8"


def test_one_is_taken_where_there_is_no_release() -> None:
    assert chosen(plan("2.0rc1")) == "2.0rc1"
    unfit = facts(want(), offers={candidate("2.0rc1"): FITS, candidate("1.8"): OTHER})
    assert chosen(plan_one(unfit)) == "2.0rc1"


def test_a_linked_release_stays() -> None:
    image = plan("2.0rc1", have="1.8")
    assert (image.action, chosen(image)) == (Action.KEEP, "1.8")
    assert chosen(plan("2.0rc1", have="1.8", prereleases=True)) == "2.0rc1"


def test_from_a_pre_release_to_the_release() -> None:
    assert chosen(plan("2.0rc2", "1.8", have="2.0rc1")) == "2.0rc2"
    assert chosen(plan("2.0", "2.0rc2", "1.8", have="2.0rc1")) == "2.0"
    assert chosen(plan("1.8", have="2.0rc1")) == "2.0rc1", "never an older one"


def test_of_the_store_a_release_comes_first() -> None:
    image = plan_one(facts(want(), store=[stored("2.0rc1"), stored("1.8")]))
    assert chosen(image) == "1.8"


class TestSeries:
    def test_it_is_kept_to(self) -> None:
        assert chosen(plan("1.32.0", "1.31.5", "1.31.4", series="1.31")) == "1.31.5"

    def test_what_it_keeps_away_is_said(self) -> None:
        image = plan("1.32.0", have="1.30.1", series="1.31")
        assert (image.action, image.left_out) == (Action.LEAVE_OUT, LeftOut.KEPT_AWAY)
        assert "Series=1.31 does not allow it" in image.reason
        assert image.next_step == "tukit-sysext install --any-version gdb"

    def test_with_a_specifier_both_count(self) -> None:
        assert chosen(plan("1.31.5", "1.31.4", series="1.31", constraint="!=1.31.5")) == "1.31.4"
