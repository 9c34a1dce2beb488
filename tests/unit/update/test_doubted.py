# SPDX-License-Identifier: LGPL-2.1-or-later
"""A description that is not signed excludes no version: it neither freezes an image nor brings an older one (P9).

Attackers on the way can write one, where neither the signed list has its hash nor HTTPS brings it.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.unit.update.samples import FITS, OTHER, candidate, facts, level, link, plan_one, stored, want
from tukit_sysext.rules.release import ReleaseData
from tukit_sysext.sources.candidate import Candidate, Description, Standing
from tukit_sysext.store.image_store import Stored
from tukit_sysext.update.deciding import undecided
from tukit_sysext.update.judging import MOST_TRIED
from tukit_sysext.update.left_out import LeftOut
from tukit_sysext.update.options import published
from tukit_sysext.update.plan import Action, ImagePlan

NO = replace(OTHER, vouched=False)
YES = replace(FITS, vouched=False)
UNDESCRIBED = Description(reason="it has no description")


def content(fits: bool) -> Description:
    """What was found inside."""
    return Description(release=level("1" if fits else "2"), merge_name="gdb")


def chosen(plan: ImagePlan) -> tuple[Action, str | None]:
    return plan.action, plan.chosen.version if plan.chosen is not None else None


def offered(**described: Description) -> dict[Candidate, Description | None]:
    """Versions v1, v2, ... with what is described."""
    return {candidate(version[1:]): said for version, said in described.items()}


def test_no_image_is_frozen() -> None:
    """1 is linked, published and fits; 2 is said not to fit: its content decides."""
    given = facts(want(), offers=offered(v2=NO, v1=YES), store=[stored("1")], entries=[link("1")])
    assert chosen(plan_one(given)) == (Action.FETCH, "2")


def test_one_that_is_vouched_for_is_believed() -> None:
    given = facts(want(), offers=offered(v2=OTHER, v1=FITS), store=[stored("1")], entries=[link("1")])
    assert chosen(plan_one(given)) == (Action.KEEP, "1")


@pytest.mark.parametrize(("fits", "expected"), [(True, (Action.FETCH, "2")), (False, (Action.KEEP, "1"))])
def test_the_content_decides(fits: bool, expected: tuple[Action, str]) -> None:
    offers = offered(v2=content(fits), v1=YES)
    given = facts(want(), offers=offers, store=[stored("1")], entries=[link("1")])
    assert chosen(plan_one(given)) == expected


@pytest.mark.parametrize("other", [YES, UNDESCRIBED])
def test_it_comes_behind_those_without_a_no(other: Description) -> None:
    """What fits is fetched first, so that there is one whatever comes of the others."""
    given = facts(want(), offers=offered(v3=NO, v2=other, v1=NO))
    assert chosen(plan_one(given)) == (Action.FETCH, "2")
    given = facts(want(), offers=offered(v3=NO, v2=other, v1=NO), store=[stored("2")])
    assert chosen(plan_one(given)) == (Action.FETCH, "3")


def test_all_descriptions_are_asked_for_before_a_content() -> None:
    assert [each.version for each in undecided(facts(want(), offers={candidate("2"): NO, candidate("1"): None}))] == [
        "1"
    ]


def test_where_nothing_else_is_there_the_newest_content_is_fetched() -> None:
    assert chosen(plan_one(facts(want(), offers=offered(v2=NO, v1=NO)))) == (Action.FETCH, "2")


@pytest.mark.parametrize("described", [NO, YES, UNDESCRIBED])
def test_a_few_contents_are_fetched_in_vain_and_where_that_ends_is_said(described: Description) -> None:
    offers = offered(v4=content(False), v3=content(False), v2=content(False), v1=described)
    given = facts(want(), offers=offers, tried={"gdb": MOST_TRIED - 1})
    assert chosen(plan_one(given)) == (Action.FETCH, "1")
    given = replace(given, tried={"gdb": MOST_TRIED})
    plan = plan_one(given)
    assert (plan.action, plan.left_out) == (Action.LEAVE_OUT, LeftOut.NOTHING_FITS)
    (last,) = [each for each in published(given, want()) if each.option.version == "1"]
    assert last.standing is Standing.NOT_TRIED
    assert f"{MOST_TRIED} other contents were fetched in vain" in last.reason
    assert "3 other contents" in plan.reason


def test_what_was_not_looked_at_is_said_of_an_image_that_stays() -> None:
    offers = offered(v5=content(False), v4=content(False), v3=content(False), v2=NO)
    given = facts(want(), offers=offers, store=[stored("1")], entries=[link("1")], tried={"gdb": 3})
    plan = plan_one(given)
    assert chosen(plan) == (Action.KEEP, "1")
    assert any("2 of source local" in warning and "fetched in vain" in warning for warning in plan.warnings)


EARLY = replace(OTHER, early=True)
"""By mkosi's manifest, whose hash the signed list has: its no is of before the last scripts of the build."""
FOR_ANY = ReleaseData({"ID": "_any"})


def of_any(version: str) -> Stored:
    """A file of the store that fits any system."""
    there = stored(version)
    assert there.record is not None
    return replace(there, record=replace(there.record, release=FOR_ANY))


def test_an_early_no_counts_where_the_tree_has_the_image() -> None:
    """No content is fetched for it: it is what nearly every unfitting version says."""
    given = facts(want(), offers=offered(v3=EARLY, v2=EARLY, v1=FITS), store=[stored("1")], entries=[link("1")])
    assert chosen(plan_one(given)) == (Action.KEEP, "1")
    former = facts(want(), offers=offered(v2=EARLY), store=[stored("1", fits="0")], entries=[link("1")])
    assert plan_one(former).left_out is LeftOut.NOTHING_FITS


def test_where_there_is_none_and_nothing_else_fits_its_content_decides() -> None:
    """ID=_any that a finalize script has set, after the manifest was written."""
    offers = offered(v3=EARLY, v2=EARLY, v1=OTHER)
    plan = plan_one(facts(want(), offers=offers))
    assert chosen(plan) == (Action.FETCH, "3")
    assert "before the image was done" in plan.reason
    assert chosen(plan_one(facts(want(), offers={**offers, candidate("3"): content(False)}))) == (Action.FETCH, "2")
    assert chosen(plan_one(facts(want(), offers={**offers, candidate("4"): FITS}))) == (Action.FETCH, "4")


def test_of_these_too_a_few_are_fetched_in_vain() -> None:
    given = facts(want(), offers=offered(v3=EARLY, v2=EARLY), tried={"gdb": MOST_TRIED})
    assert plan_one(given).left_out is LeftOut.NOTHING_FITS


def test_where_one_was_for_any_system_the_next_one_may_be_too() -> None:
    """Else an image whose manifests all say no would be installed once, and never get an update."""
    given = facts(want(), offers=offered(v2=EARLY, v1=EARLY), store=[of_any("1")], entries=[link("1")])
    assert chosen(plan_one(given)) == (Action.FETCH, "2")
    given = facts(want(), offers=offered(v2=OTHER, v1=EARLY), store=[of_any("1")], entries=[link("1")])
    assert chosen(plan_one(given)) == (Action.KEEP, "1")
