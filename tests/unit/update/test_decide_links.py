# SPDX-License-Identifier: LGPL-2.1-or-later
"""Which links a plan makes and takes out, and what it asks next."""

from __future__ import annotations

from tests.unit.update.samples import (
    FITS,
    OTHER,
    candidate,
    facts,
    file_of,
    foreign,
    link,
    plan_one,
    removed,
    stored,
    unreachable,
    want,
)
from tukit_sysext.sources.candidate import Description, Standing
from tukit_sysext.update.deciding import decide, undecided
from tukit_sysext.update.left_out import LeftOut
from tukit_sysext.update.plan import Action


def test_a_newer_image_takes_the_link() -> None:
    plan = decide(facts(want(), offers={candidate("2"): FITS}, store=[stored("1"), stored("2")], entries=[link("1")]))
    assert (plan.links, plan.remove) == ({"gdb.raw": file_of("gdb", "2")}, ())
    assert plan.images[0].before == "1"


def test_what_stays_is_not_linked_again() -> None:
    plan = decide(facts(want(), store=[stored("1")], entries=[link("1")]))
    assert (plan.links, plan.remove, plan.fetches) == ({}, (), ())


def test_a_link_under_a_wrong_name_is_mended() -> None:
    plan = decide(facts(want(), store=[stored("1")], entries=[link("1", as_name="gdb-1")]))
    assert (plan.links, plan.remove) == ({"gdb.raw": file_of("gdb", "1")}, ("gdb-1.raw",))


def test_of_two_links_of_an_image_the_better_one_stays() -> None:
    """systemd-sysext would merge both."""
    entries = [link("2"), link("1", as_name="gdb-old")]
    plan = decide(facts(want(), store=[stored("1"), stored("2")], entries=entries))
    assert (plan.links, plan.remove) == ({}, ("gdb-old.raw",))
    plan = decide(facts(want(), store=[stored("1"), stored("2", fits="2")], entries=entries))
    assert (plan.links, plan.remove) == ({"gdb.raw": file_of("gdb", "1")}, ("gdb-old.raw",))


def test_what_does_not_fit_goes() -> None:
    plan = decide(facts(want(), store=[stored("1", fits="2")], entries=[link("1")]))
    assert (plan.links, plan.remove, list(plan.refusals)) == ({}, ("gdb.raw",), ["gdb"])


def test_a_tombstone_takes_all_links_out() -> None:
    entries = [link("1"), link("2", as_name="gdb-2")]
    plan = decide(facts(removed(), store=[stored("1"), stored("2")], entries=entries))
    assert plan.remove == ("gdb-2.raw", "gdb.raw")


def test_a_tombstone_leaves_the_link_that_another_image_gets() -> None:
    """The old image was linked under the name that the new one has."""
    given = facts(
        removed("old"),
        want("gdb"),
        store=[stored("1", "old", merge_name="gdb"), stored("2")],
        entries=[link("1", "old", as_name="gdb")],
    )
    plan = decide(given)
    assert (plan.links, plan.remove) == ({"gdb.raw": file_of("gdb", "2")}, ())


def test_of_two_images_with_one_name_the_first_has_the_link() -> None:
    given = facts(
        want("a"),
        want("b"),
        store=[stored("1", "a", merge_name="tool"), stored("1", "b", merge_name="tool")],
        entries=[link("1", "a"), link("1", "b", as_name="tool")],
    )
    plan = decide(given)
    assert (plan.links, plan.remove) == ({"tool.raw": file_of("a", "1")}, ("a.raw",))
    first, second = plan.images
    assert (first.action, second.action, second.left_out) == (Action.LINK, Action.LEAVE_OUT, LeftOut.BROKEN)
    assert "tool" in second.reason
    assert second.refuses


def test_a_name_that_only_the_content_told_may_be_taken() -> None:
    given = facts(want(), store=[stored("1", merge_name="gdb-1")], foreign=(foreign("gdb-1"),))
    image = plan_one(given)
    assert (image.action, image.link) == (Action.LEAVE_ALONE, None)
    assert "gdb-1" in image.warnings[0]


def test_links_of_others_are_never_touched() -> None:
    given = facts(want("other"), store=[stored("1")], entries=[link("1")])
    assert decide(given).remove == ()


def test_masked_images_are_told_and_not_planned() -> None:
    plan = decide(facts(masked={"gdb": "/etc/tukit-sysext/images.d/gdb.conf"}, offers={candidate("2"): FITS}))
    assert plan.images == ()
    assert plan.masked == {"gdb": "/etc/tukit-sysext/images.d/gdb.conf"}


def test_a_newer_image_that_cannot_be_had_is_told() -> None:
    image = plan_one(facts(want(), offers={candidate("2"): unreachable()}, store=[stored("1")], entries=[link("1")]))
    assert image.warnings == ("2 of source local could not be had, cannot be fetched: no answer",)


def test_an_image_that_no_source_offers_is_told() -> None:
    (warning,) = plan_one(facts(want(), store=[stored("1")])).warnings
    assert "from the store" in warning


class TestUndecided:
    """What has to be described next."""

    def test_the_newest_first_and_one_at_a_time(self) -> None:
        new, old = candidate("2"), candidate("1")
        assert undecided(facts(want(), offers={old: None, new: None})) == (new,)
        assert undecided(facts(want(), offers={old: None, new: FITS})) == ()
        assert undecided(facts(want(), offers={old: None, new: OTHER})) == (old,)
        assert undecided(facts(want(), offers={old: None, new: unreachable()})) == (old,)
        assert undecided(facts(want(), offers={old: OTHER, new: OTHER})) == ()

    def test_without_a_description_nothing_more_is_asked(self) -> None:
        new, old = candidate("2"), candidate("1")
        no_description = Description(reason="its content decides")
        assert undecided(facts(want(), offers={old: None, new: no_description})) == ()

    def test_what_is_whole_in_the_store_is_not_asked(self) -> None:
        assert undecided(facts(want(), offers={candidate("2"): None}, store=[stored("2")])) == ()

    def test_one_of_each_image(self) -> None:
        a, b = candidate("1", "a"), candidate("1", "b")
        assert undecided(facts(want("a"), want("b"), offers={b: None, a: None})) == (a, b)

    def test_what_is_not_wanted_is_not_asked(self) -> None:
        assert undecided(facts(removed(), offers={candidate("1"): None})) == ()
        assert undecided(facts(want(hold="2"), offers={candidate("1"): None, candidate("2"): FITS})) == ()
        assert undecided(facts(want(sources=("own",)), offers={candidate("1"): None})) == ()

    def test_what_failed_at_one_source_is_asked_of_the_next(self) -> None:
        a, b = candidate("1", source="a"), candidate("1", source="b")
        assert a.sha256 == b.sha256
        assert undecided(facts(want(), offers={a: unreachable(), b: None})) == (b,)
        image = plan_one(facts(want(), offers={a: Description(failure=Standing.BROKEN, reason="x"), b: FITS}))
        assert image.chosen is not None
        assert image.chosen.candidate == b
