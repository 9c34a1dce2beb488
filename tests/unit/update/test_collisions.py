# SPDX-License-Identifier: LGPL-2.1-or-later
"""Older packages, and images with other files under one path: told, or refused where Shadow= says so."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import pytest

from tests.unit.requirements.grounds import folder
from tests.unit.update.samples import candidate, facts, file_of, level, link, plan_one, stored, want
from tukit_sysext.config.wanted import Attitude, WantedImage
from tukit_sysext.requirements.capabilities import Package
from tukit_sysext.requirements.contents import Contents, pack
from tukit_sysext.sources.candidate import Candidate, Description, Standing
from tukit_sysext.store.image_store import Stored
from tukit_sysext.store.record import Record
from tukit_sysext.update.deciding import beside_each_other, decide, undecided
from tukit_sysext.update.facts import Facts
from tukit_sysext.update.outcome import Outcome
from tukit_sysext.update.plan import Action, ImagePlan
from tukit_sysext.update.report import warning_lines

OLD = (Package("openssl", "3.1-1"),)
DOWNGRADE = "its openssl-3.1-1 is older than openssl-3.2-1 of the system"


class ShadowOffers:
    """A system with a newer openssl than OLD; files of images that are as large differ where they are ``other``."""

    def __init__(self, *other: str) -> None:
        self.other = frozenset(other)
        self.compared: list[Sequence[str]] = []

    def worse(self, name: str, version: str, contents: Contents, others: frozenset[str]) -> frozenset[str]:
        return frozenset()

    lacks = worse

    def in_words(self, need: str) -> str:
        return ""

    def shadows(self, name: str, version: str, contents: Contents) -> tuple[str, ...]:
        return (DOWNGRADE,) if contents.packages == OLD else ()

    def warnings(self, name: str, version: str, contents: Contents) -> tuple[str, ...]:
        return ("it has no labels",) if contents.unlabelled else ()

    def differing(self, one: Record, other: Record, paths: Sequence[str]) -> frozenset[str]:
        self.compared.append(paths)
        return self.other & frozenset(paths)


def having(contents: Contents, *, merge_name: str | None = "gdb", vouched: bool = True) -> Description:
    return Description(release=level("1"), merge_name=merge_name, contents=contents, vouched=vouched)


def kept(version: str, contents: Contents, name: str = "gdb") -> Stored:
    made = stored(version, name)
    assert made.record is not None
    return replace(made, record=replace(made.record, contents=contents))


def tool(size: int) -> Contents:
    """An image with /usr/bin/tool of so many bytes."""
    return Contents(packed=pack(folder(usr=folder(bin=folder(tool=size)))))


def given(
    *wanted: WantedImage,
    store: Sequence[Stored],
    offered: Mapping[Candidate, Description | None] | None = None,
    offers: ShadowOffers | None = None,
    linked: Sequence[tuple[str, str]] = (),
) -> Facts:
    entries = [link(version, name) for name, version in linked]
    return replace(facts(*wanted, offers=offered, store=store, entries=entries), offers=offers or ShadowOffers())


def planned(made: Facts, name: str) -> ImagePlan:
    return next(image for image in decide(made).images if image.name == name)


def test_an_older_package_is_told_of_what_is_linked_and_of_what_comes() -> None:
    stays = given(want(), store=[kept("1", Contents(packages=OLD))], linked=[("gdb", "1")])
    image = plan_one(stays)

    assert (image.action, image.shadows, image.warnings) == (Action.KEEP, (DOWNGRADE,), (DOWNGRADE,))
    outcome = Outcome(plan=decide(stays), changes=())
    assert list(warning_lines(outcome)) == [f"tukit-sysext: gdb: {DOWNGRADE}"]
    assert outcome.plan.told == {"gdb": DOWNGRADE}
    assert plan_one(given(want(), store=[], offered={candidate("2"): having(Contents(packages=OLD))})).shadows


def test_ignore_does_not_look() -> None:
    ignored = want(shadow=Attitude.IGNORE)
    assert plan_one(given(ignored, store=[kept("1", Contents(packages=OLD))], linked=[("gdb", "1")])).warnings == ()


def test_refuse_takes_another_version() -> None:
    offered = {candidate("3"): having(Contents(packages=OLD)), candidate("2"): having(Contents())}
    image = plan_one(given(want(shadow=Attitude.REFUSE), store=[], offered=offered))

    assert image.chosen is not None and image.chosen.version == "2"
    assert image.considered[0].standing is Standing.DOES_NOT_FIT
    assert image.considered[0].reason == f"{DOWNGRADE}, which Shadow= refuses"


def test_where_there_is_none_the_update_is_refused() -> None:
    made = given(want(shadow=Attitude.REFUSE), store=[kept("1", Contents(packages=OLD))], linked=[("gdb", "1")])
    image = plan_one(made)

    assert (image.action, image.refuses, image.shadows) == (Action.LEAVE_OUT, True, ())
    assert DOWNGRADE in image.reason


def test_a_description_for_which_nobody_vouches_refuses_nothing() -> None:
    """Anybody on the way could keep a version from being found (row P9); its content decides."""
    offered = {candidate("2"): having(Contents(packages=OLD, described=True), merge_name=None, vouched=False)}
    image = plan_one(given(want(shadow=Attitude.REFUSE), store=[], offered=offered))

    assert (image.action, image.considered[0].standing) == (Action.FETCH, Standing.DOUBTED)


TWO = (("docker", "1"), ("gdb", "1"))


def two(
    docker: Attitude = Attitude.WARN,
    gdb: Attitude = Attitude.WARN,
    *more: Stored,
    sizes: tuple[int, int] = (5, 6),
    offers: ShadowOffers | None = None,
    linked: Sequence[tuple[str, str]] = TWO,
    offered: Mapping[Candidate, Description | None] | None = None,
) -> Facts:
    """A tree with docker and gdb, whose /usr/bin/tool have these sizes."""
    store = [kept("1", tool(sizes[0]), "docker"), kept("1", tool(sizes[1])), *more]
    wanted = want("docker", shadow=docker), want(shadow=gdb)
    return given(*wanted, store=store, offers=offers, linked=linked, offered=offered)


TOLD = "it hides /usr/bin/tool of docker 1, which differs: the last name is on top"


def test_two_images_with_one_path_are_told_once_of_the_one_that_is_on_top() -> None:
    plan = decide(two())

    assert {image.name: image.shadows for image in plan.images} == {"docker": (), "gdb": (TOLD,)}
    assert planned(two(), "gdb").warnings == (TOLD,)
    assert list(warning_lines(Outcome(plan=plan, changes=()))) == [f"tukit-sysext: gdb: {TOLD}"]


def test_names_are_ordered_as_versions_are() -> None:
    store = [kept("1", tool(5), "tool-9"), kept("1", tool(6), "tool-10")]
    linked = [("tool-9", "1"), ("tool-10", "1")]
    made = given(want("tool-9"), want("tool-10"), store=store, linked=linked)

    assert planned(made, "tool-10").shadows == (
        "it hides /usr/bin/tool of tool-9 1, which differs: the last name is on top",
    )
    assert planned(made, "tool-9").shadows == ()


@pytest.mark.parametrize(("other", "told"), [((), ()), (("usr/bin/tool",), (TOLD,))])
def test_files_of_one_size_are_compared(other: tuple[str, ...], told: tuple[str, ...]) -> None:
    offers = ShadowOffers(*other)

    assert planned(two(sizes=(5, 5), offers=offers), "gdb").shadows == told
    assert offers.compared == [("usr/bin/tool",)]


def test_files_of_different_sizes_are_not() -> None:
    offers = ShadowOffers()
    decide(two(offers=offers))
    assert offers.compared == []


@pytest.mark.parametrize("attitudes", [(Attitude.IGNORE, Attitude.WARN), (Attitude.WARN, Attitude.IGNORE)])
def test_one_that_ignores_it_is_enough(attitudes: tuple[Attitude, Attitude]) -> None:
    assert planned(two(*attitudes), "gdb").shadows == ()


@pytest.mark.parametrize(
    ("docker", "gdb", "linked", "refused", "reason"),
    [
        (Attitude.WARN, Attitude.REFUSE, TWO, "gdb", f"{TOLD}, which Shadow= refuses"),
        (Attitude.IGNORE, Attitude.REFUSE, TWO, "gdb", TOLD),
        (Attitude.REFUSE, Attitude.WARN, TWO, "docker", "gdb 1 hides its /usr/bin/tool, which differs: the "),
        (Attitude.REFUSE, Attitude.REFUSE, TWO, "gdb", TOLD),
        (Attitude.REFUSE, Attitude.REFUSE, TWO[1:], "docker", "gdb 1 hides its /usr/bin/tool"),
    ],
)
def test_the_one_that_refuses_it_is_refused(
    docker: Attitude, gdb: Attitude, linked: Sequence[tuple[str, str]], refused: str, reason: str
) -> None:
    """Where both do, the one that is new, else the one on top: one of them is enough."""
    offered = {candidate("1", name): having(tool(size), merge_name=name) for name, size in (("docker", 5), ("gdb", 6))}
    plan = decide(two(docker, gdb, linked=linked, offered=offered))

    assert [image.name for image in plan.images if image.left_out] == [refused]
    (left_out,) = (image for image in plan.images if image.left_out)
    assert reason in left_out.reason
    assert all(image.shadows == () for image in plan.images)


def test_a_version_that_does_not_collide_is_taken() -> None:
    """The linked one stays where the newest collides, as where it does not fit."""
    offered = {candidate("2"): having(tool(6))}
    newest = kept("2", tool(7))
    made = given(
        want("docker"),
        want(shadow=Attitude.REFUSE),
        store=[kept("1", tool(5), "docker"), kept("1", Contents(packed=pack(folder(usr=folder()))), "gdb"), newest],
        linked=TWO,
        offered=offered,
    )
    image = planned(made, "gdb")

    assert (image.action, image.chosen and image.chosen.version) == (Action.KEEP, "1")
    assert beside_each_other(made).colliding == {file_of("gdb", "2"): TOLD}


@pytest.mark.parametrize(
    ("planned_for", "said"),
    [("gdb", TOLD), ("docker", "gdb 1 hides its /usr/bin/tool, which differs: the last name is on top")],
)
@pytest.mark.parametrize("attitude", [Attitude.WARN, Attitude.REFUSE])
def test_where_one_is_planned_for_the_other_counts_as_it_is_linked(
    planned_for: str, said: str, attitude: Attitude
) -> None:
    """What the other one refuses is no matter of the one that is asked for."""
    made = two(attitude, attitude)
    here = replace(made.wanted[planned_for], shadow=Attitude.WARN)
    others = {name: wanted for name, wanted in made.wanted.items() if name != planned_for}

    assert plan_one(replace(made, wanted={planned_for: here}, others=others)).shadows == (said,)


def test_the_next_version_is_described_where_one_is_refused() -> None:
    offered: dict[Candidate, Description | None] = {candidate("1"): having(tool(6)), candidate("0.9"): None}
    made = two(Attitude.WARN, Attitude.REFUSE, linked=TWO[:1], offered=offered)

    assert [each.version for each in undecided(made)] == ["0.9"]
    assert undecided(two(linked=TWO[:1], offered=offered)) == ()


def test_what_comes_is_told_with_what_has_to_be_known_of_it() -> None:
    unlabelled = Contents(unlabelled=2)
    comes = given(want(), store=[kept("1", unlabelled)], offered={candidate("1"): having(unlabelled)})
    stays = replace(comes, tree=replace(comes.tree, entries=(link("1"),)))
    for made, lines in ((comes, ["tukit-sysext: gdb: it has no labels"]), (stays, [])):
        outcome = Outcome(plan=decide(made), changes=())
        assert list(warning_lines(outcome)) == lines
        assert plan_one(made).warnings == ("it has no labels",)
        assert outcome.plan.told == {"gdb": "it has no labels"}
