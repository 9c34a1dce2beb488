# SPDX-License-Identifier: LGPL-2.1-or-later
"""Needs order and warn: a version that lacks what the one in use has is passed over, and said where nothing else is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest

from tests.unit.update.samples import candidate, facts, file_of, level, link, plan_one, stored, want
from tukit_sysext.config.wanted import Attitude
from tukit_sysext.requirements.contents import Contents
from tukit_sysext.sources.candidate import Candidate, Description, Standing
from tukit_sysext.store.image_store import Stored
from tukit_sysext.store.record import Record
from tukit_sysext.update.deciding import decide, undecided
from tukit_sysext.update.facts import Facts
from tukit_sysext.update.outcome import Outcome
from tukit_sysext.update.plan import Action
from tukit_sysext.update.report import warning_lines

NEW, OLD = "libunwind.so.9()(64bit)", "libunwind.so.8()(64bit)"


class PlainOffers:
    """A system that has these capabilities; ``before`` is what the version in use lacks (None: none is in use)."""

    def __init__(self, *has: str, before: frozenset[str] | None = frozenset()) -> None:
        self.has = frozenset(has)
        self.before = before

    def worse(self, name: str, version: str, contents: Contents, others: frozenset[str]) -> frozenset[str]:
        return frozenset(contents.needs) - self.has - others - (self.before or frozenset())

    def lacks(self, name: str, version: str, contents: Contents, others: frozenset[str]) -> frozenset[str]:
        return frozenset(contents.needs) - self.has - others

    def in_words(self, need: str) -> str:
        return f"package libunwind8 provides it in 20261120, nothing does in 20261215 ({need})"

    def shadows(self, name: str, version: str, contents: Contents) -> tuple[str, ...]:
        return ()

    def warnings(self, name: str, version: str, contents: Contents) -> tuple[str, ...]:
        return ()

    def differing(self, one: Record, other: Record, paths: Sequence[str]) -> frozenset[str]:
        return frozenset()


def needing(*needs: str) -> Description:
    return Description(release=level("1"), merge_name="gdb", contents=Contents(needs=needs))


def stored_needing(version: str, *needs: str, **keys: Any) -> Stored:
    made = stored(version, **keys)
    assert made.record is not None
    return replace(made, record=replace(made.record, contents=Contents(needs=needs)))


def offering(
    offers: Mapping[Candidate, Description | None], given: PlainOffers, *store: Stored, needs: Attitude = Attitude.WARN
) -> Facts:
    """Facts of a tree that has the first of the store linked."""
    linked = [link(each.version) for each in store[:1]]
    made = facts(want(needs=needs), offers=offers, store=store, entries=linked)
    return replace(made, offers=given)


def test_a_version_for_the_next_release_does_not_replace_one_that_works() -> None:
    image = plan_one(
        offering({candidate("2"): needing("libc.so.6(GLIBC_2.43)(64bit)")}, PlainOffers(OLD), stored_needing("1", OLD))
    )

    assert (image.action, image.chosen and image.chosen.version) == (Action.KEEP, "1")
    assert image.lacks == ""
    assert image.considered[0].standing is Standing.LACKS
    assert "libc.so.6(GLIBC_2.43)(64bit)" in image.considered[0].reason


def test_another_version_that_lacks_nothing_is_taken_in_the_place_of_the_linked_one() -> None:
    offers = {candidate("3"): needing("libnone.so.1"), candidate("2"): needing(NEW)}
    image = plan_one(offering(offers, PlainOffers(NEW), stored_needing("1", OLD)))

    assert (image.action, image.chosen and image.chosen.version) == (Action.FETCH, "2")


def test_also_an_older_one() -> None:
    image = plan_one(offering({candidate("1"): needing(NEW)}, PlainOffers(NEW), stored_needing("2", OLD)))

    assert (image.action, image.chosen and image.chosen.version) == (Action.FETCH, "1")


def test_one_of_the_store_is_taken_where_nothing_that_is_offered_works() -> None:
    offers = {candidate("3"): needing("libnone.so.1")}
    image = plan_one(offering(offers, PlainOffers(NEW), stored_needing("2", OLD), stored_needing("1", NEW)))

    assert (image.action, image.chosen and image.chosen.version) == (Action.LINK, "1")


def test_what_the_version_in_use_lacks_too_speaks_against_none() -> None:
    """The library of an optional plugin, which was never there."""
    offers = PlainOffers(before=frozenset({"libexotic.so.1"}))
    image = plan_one(offering({candidate("2"): needing("libexotic.so.1")}, offers, stored_needing("1")))

    assert (image.action, image.chosen and image.chosen.version) == (Action.FETCH, "2")


def test_where_only_such_are_left_the_one_that_lacks_the_least_is_taken_and_it_is_said() -> None:
    offers = {candidate("3"): needing("liba.so.1", "libb.so.1"), candidate("2"): needing(OLD)}
    given = offering(offers, PlainOffers(), stored_needing("1", OLD, "liba.so.1", "libb.so.1"))
    image = plan_one(given)

    assert (image.action, image.chosen and image.chosen.version) == (Action.FETCH, "2")
    said = f"2 needs {OLD}: package libunwind8 provides it in 20261120, nothing does in 20261215"
    assert image.lacks.startswith(said)
    assert image.warnings[0] == image.lacks
    (line,) = warning_lines(Outcome(plan=decide(given), changes=()))
    assert line.startswith(f"tukit-sysext: gdb: {said}")


def test_the_linked_one_stays_where_it_lacks_the_least() -> None:
    image = plan_one(offering({}, PlainOffers(), stored_needing("1", OLD)))

    assert (image.action, image.chosen and image.chosen.version) == (Action.KEEP, "1")
    assert OLD in image.lacks


def test_a_pre_release_that_lacks_less_does_not_take_the_place_of_a_release() -> None:
    offers = {candidate("3~rc1"): needing(OLD)}
    image = plan_one(offering(offers, PlainOffers(), stored_needing("2", OLD, "liba.so.1")))

    assert (image.action, image.chosen and image.chosen.version) == (Action.KEEP, "2")


@pytest.mark.parametrize(
    ("linked", "needs", "prereleases", "taken"),
    [
        ("2", Attitude.WARN, False, "2"),
        ("2", Attitude.WARN, True, "3~rc1"),
        ("2~rc1", Attitude.WARN, False, "3~rc1"),
        ("2", Attitude.REFUSE, False, "3~rc1"),
    ],
)
def test_a_pre_release_that_lacks_nothing_does_not_by_itself(
    linked: str, needs: Attitude, *, prereleases: bool, taken: str
) -> None:
    wanted = want(needs=needs, prereleases=prereleases)
    store = stored_needing(linked, OLD)
    made = facts(wanted, offers={candidate("3~rc1"): needing(NEW)}, store=[store], entries=[link(linked)])
    image = plan_one(replace(made, offers=PlainOffers(NEW)))

    assert image.chosen is not None and image.chosen.version == taken
    assert bool(image.lacks) is (taken == "2")


def test_nor_one_of_the_store_and_a_release_behind_it_is_taken() -> None:
    store = [stored_needing("2", OLD), stored_needing("3~rc1", NEW), stored_needing("1", NEW)]
    made = facts(want(), offers={candidate("4~rc1"): needing(NEW)}, store=store, entries=[link("2")])
    image = plan_one(replace(made, offers=PlainOffers(NEW)))

    assert image.chosen is not None and image.chosen.version == "1"


def test_refuse_counts_them_as_unfitting() -> None:
    image = plan_one(offering({}, PlainOffers(), stored_needing("1", OLD), needs=Attitude.REFUSE))

    assert (image.action, image.refuses) == (Action.LEAVE_OUT, True)
    assert OLD in image.reason
    assert image.lacks == ""


def test_refuse_refuses_nothing_that_works() -> None:
    image = plan_one(offering({}, PlainOffers(OLD), stored_needing("1", OLD), needs=Attitude.REFUSE))

    assert image.action is Action.KEEP


def test_ignore_asks_nobody() -> None:
    image = plan_one(
        offering({candidate("2"): needing(NEW)}, PlainOffers(), stored_needing("1", OLD), needs=Attitude.IGNORE)
    )

    assert (image.action, image.chosen and image.chosen.version, image.lacks) == (Action.FETCH, "2", "")


def test_a_fresh_image_takes_the_version_that_lacks_the_least() -> None:
    offers = {candidate("3"): needing("liba.so.1", "libb.so.1"), candidate("2"): needing("liba.so.1")}
    image = plan_one(offering(offers, PlainOffers(before=None)))

    assert (image.action, image.chosen and image.chosen.version) == (Action.FETCH, "2")
    assert "liba.so.1" in image.lacks


def test_what_another_wanted_image_provides_is_not_missing() -> None:
    library = stored("1", "unwind")
    assert library.record is not None
    library = replace(library, record=replace(library.record, contents=Contents(provides=(NEW,))))
    made = facts(
        want(), want("unwind"), offers={candidate("2"): needing(NEW)}, store=[stored_needing("1"), library],
        entries=[link("1"), link("1", "unwind")],
    )  # fmt: skip
    alone = replace(made, wanted={"gdb": made.wanted["gdb"]}, others={"unwind": made.wanted["unwind"]})
    for planned in (made, alone):
        gdb = next(image for image in decide(replace(planned, offers=PlainOffers())).images if image.name == "gdb")
        assert gdb.chosen is not None and gdb.chosen.file_name == file_of("gdb", "2")


def providing(version: str, *provides: str) -> Stored:
    """A version of unwind, of which the store has several as long as any snapshot has them."""
    library = stored(version, "unwind")
    assert library.record is not None
    return replace(library, record=replace(library.record, contents=Contents(provides=provides)))


def beside_unwind(
    offers: Mapping[Candidate, Description | None], *store: Stored, needs: Attitude = Attitude.WARN
) -> Facts:
    """gdb 1 and unwind 1 are linked; the system itself has nothing."""
    made = facts(
        want(needs=needs),
        want("unwind"),
        offers=offers,
        store=[stored_needing("1", OLD), providing("1", OLD), *store],
        entries=[link("1"), link("1", "unwind")],
    )
    return replace(made, offers=PlainOffers())


UNWIND = candidate("2", "unwind")
UNWIND_2 = Description(release=level("1"), merge_name="unwind", contents=Contents(provides=(NEW,)))


def test_another_image_provides_what_the_version_has_that_it_gets() -> None:
    """The store has unwind 1 for other snapshots; here it is replaced, and what needs its library does not start."""
    for there in ({UNWIND: UNWIND_2}, {UNWIND: replace(UNWIND_2, merge_name=None)}):
        for store in ([], [providing("2", NEW)]):
            (gdb, unwind) = decide(beside_unwind(there, *store)).images
            assert unwind.chosen is not None and unwind.chosen.version == "2"
            assert (gdb.action, OLD in gdb.lacks) == (Action.KEEP, True)
    (gdb, _) = decide(beside_unwind({})).images
    assert (gdb.action, gdb.lacks) == (Action.KEEP, "")
    (gdb, _) = decide(beside_unwind({UNWIND: UNWIND_2}, needs=Attitude.REFUSE)).images
    assert gdb.refuses


def test_another_version_that_works_with_it_is_looked_for_and_taken() -> None:
    made = beside_unwind({UNWIND: UNWIND_2, candidate("2"): None})
    assert [each.version for each in undecided(made)] == ["2"]

    for known in (needing(NEW), needing()):
        offers = {UNWIND: UNWIND_2, candidate("3"): needing(OLD), candidate("2"): known}
        made = beside_unwind(offers, providing("2", NEW))
        (gdb, _) = decide(made).images
        assert (gdb.chosen and gdb.chosen.version, gdb.lacks) == ("2", "")


@pytest.mark.parametrize("needs", [(), (OLD,)])
def test_the_next_version_is_looked_for_where_another_image_stops_to_provide(needs: Sequence[str]) -> None:
    """Whether the linked version needs it too, or a description alone says that anything does."""
    offers = {UNWIND: UNWIND_2, candidate("3"): needing(OLD), candidate("2"): None}
    made = beside_unwind(offers, providing("2", NEW))
    made = replace(made, stored={**made.stored, file_of("gdb", "1"): stored_needing("1", *needs)})
    assert [each.version for each in undecided(made)] == ["2"]


def test_what_another_image_provides_is_not_known_until_it_is_here() -> None:
    for description in (Description(release=level("1")), replace(UNWIND_2, contents=Contents(described=True))):
        (gdb, unwind) = decide(beside_unwind({UNWIND: description})).images
        assert (unwind.action, gdb.lacks) == (Action.FETCH, "")


def test_an_image_that_is_not_planned_for_provides_what_is_linked_of_it() -> None:
    made = beside_unwind({}, providing("2", NEW), stored_needing("2", NEW))
    made = replace(made, wanted={"gdb": made.wanted["gdb"]}, others={"unwind": made.wanted["unwind"]})
    (gdb,) = decide(made).images
    assert (gdb.chosen and gdb.chosen.version, gdb.lacks) == ("1", "")

    linked = replace(made.tree, entries=(link("1"), link("2", "unwind")))
    (gdb,) = decide(replace(made, tree=linked)).images
    assert (gdb.chosen and gdb.chosen.version, gdb.lacks) == ("2", "")


def test_what_nobody_knows_speaks_against_none() -> None:
    offers = {candidate("2"): Description(release=level("1"))}
    image = plan_one(offering(offers, PlainOffers(OLD), stored_needing("1", OLD)))

    assert (image.action, image.chosen and image.chosen.version) == (Action.FETCH, "2")
