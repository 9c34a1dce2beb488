# SPDX-License-Identifier: LGPL-2.1-or-later
"""The content says which image a file is: what calls itself otherwise is not taken, and never replaces anything."""

from __future__ import annotations

import pytest

from tests.unit.update.samples import candidate, facts, file_of, level, link, plan_one, stored, want
from tukit_sysext.rules.image_names import calls_itself
from tukit_sysext.sources.candidate import Candidate, Description, Reading, Standing
from tukit_sysext.update import explain
from tukit_sysext.update.left_out import LeftOut
from tukit_sysext.update.plan import Action
from tukit_sysext.update.rule import Side


def content(name: str) -> Description:
    """What the content of an image that fits says, once somebody looked into it."""
    return Description(release=level("1"), merge_name=name)


@pytest.mark.parametrize(
    ("merge_name", "file_name", "same"),
    [
        ("gcc", "gcc-13.4.x86-64.raw", True),
        ("gcc-13.4", "gcc-13.4.x86-64.raw", True),
        ("gcc_13.4", "gcc-13.4.x86-64.raw", True),
        ("gcc-13.4.x86-64", "gcc-13.4.x86-64.raw", True),
        ("gcc-13.4.x86-64", "gcc-13.4.x86-64.sysext.raw", True),
        ("gcc-13", "gcc-13.4.x86-64.raw", False),
        ("gcc-14.1", "gcc-13.4.x86-64.raw", False),
        ("GCC", "gcc-13.4.x86-64.raw", False),
        ("", "gcc-13.4.x86-64.raw", False),
    ],
)
def test_what_content_may_call_itself(merge_name: str, file_name: str, same: bool) -> None:
    assert calls_itself(merge_name, name="gcc", version="13.4", file_name=file_name) is same


def test_another_image_is_not_taken_and_that_is_said() -> None:
    offer: Candidate = candidate("2")
    image = plan_one(facts(want(), offers={offer: content("gdb-extra")}))
    assert (image.action, image.left_out) == (Action.LEAVE_OUT, LeftOut.NOTHING_FITS)
    assert "its content calls itself gdb-extra, not gdb" in image.reason


def test_what_is_linked_stays_and_the_other_is_said() -> None:
    image = plan_one(
        facts(want(), offers={candidate("2"): content("gdb-extra")}, store=[stored("1")], entries=[link("1")])
    )
    assert (image.action, image.chosen and image.chosen.version) == (Action.KEEP, "1")
    assert image.warnings == (
        "2 of source local could not be had, is another image: its content calls itself gdb-extra, not gdb",
    )


def test_an_older_one_that_is_the_image_is_taken() -> None:
    image = plan_one(facts(want(), offers={candidate("2"): content("gdb-extra"), candidate("1"): content("gdb")}))
    assert (image.action, image.chosen and image.chosen.version) == (Action.FETCH, "1")


def test_one_that_is_in_the_store_is_not_taken_either() -> None:
    image = plan_one(facts(want(), store=[stored("2", merge_name="gdb-extra"), stored("1")]))
    assert image.chosen is not None
    assert image.chosen.file_name == file_of("gdb", "1")


class TestWhatWasLinkedUnderAnotherName:
    """As former versions did: gcc-13 was linked where gcc was wanted. It is not taken away."""

    GIVEN = stored("13.4", "gcc", merge_name="gcc-13")
    LINK = link("13.4", "gcc", as_name="gcc-13")

    def test_it_is_not_replaced_by_what_calls_itself_otherwise(self) -> None:
        offers = {candidate("14", "gcc"): content("gcc")}
        image = plan_one(facts(want("gcc"), offers=offers, store=[self.GIVEN], entries=[self.LINK]))
        assert (image.action, image.link) == (Action.KEEP, "gcc-13.raw")
        assert "its content calls itself gcc, and that of the linked image gcc-13" in image.warnings[0]

    def test_it_gets_its_own_updates(self) -> None:
        offers = {candidate("14", "gcc"): content("gcc-13")}
        image = plan_one(facts(want("gcc"), offers=offers, store=[self.GIVEN], entries=[self.LINK]))
        assert (image.action, image.chosen and image.chosen.version) == (Action.FETCH, "14")

    def test_where_it_does_not_fit_nothing_comes_in_its_place(self) -> None:
        unfit = stored("13.4", "gcc", merge_name="gcc-13", fits="2")
        offers = {candidate("14", "gcc"): content("gcc")}
        image = plan_one(facts(want("gcc"), offers=offers, store=[unfit], entries=[self.LINK]))
        assert image.action is Action.LEAVE_OUT
        assert image.refuses


def test_a_stem_proves_nothing_for_another_reading() -> None:
    offer = candidate("13-4.2", "gcc", reading=Reading.OTHER)
    image = plan_one(facts(want("gcc"), offers={offer: content("gcc-13-4.2.x86-64")}))
    assert image.action is Action.LEAVE_OUT
    likeliest = candidate("13-4.2", "gcc", reading=Reading.LIKELIEST)
    image = plan_one(facts(want("gcc"), offers={likeliest: content("gcc-13-4.2.x86-64")}))
    assert image.action is Action.FETCH


def test_why_not_says_it() -> None:
    given = facts(want(), offers={candidate("2"): content("gdb-extra")})
    (version,) = explain.versions(given, "gdb", given.wanted["gdb"])
    assert (version.standing, version.usable) == (Standing.ANOTHER_IMAGE, False)
    assert "gdb-extra" in version.reason
    assert any(rule.rule == Side.CONTENT and rule.fits is False for rule in version.rules)
