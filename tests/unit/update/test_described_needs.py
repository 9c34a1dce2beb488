# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a description says of requirements and needs: known before the image is fetched, and believed as far as the
list vouches for it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from tests.unit.update.samples import candidate, level, plan_one
from tests.unit.update.test_needs import NEW, OLD, PlainOffers, needing, offering, stored_needing
from tukit_sysext.requirements.contents import Contents
from tukit_sysext.requirements.requirement import Requirement
from tukit_sysext.snapshots.fitting import Question
from tukit_sysext.sources.candidate import Candidate, Description, Standing
from tukit_sysext.store.image_store import Stored
from tukit_sysext.update.facts import Facts
from tukit_sysext.update.plan import Action, ImagePlan

KERNEL = Requirement("kernel-default", "=", "6.16")


def described(
    *needs: str, requires: tuple[Requirement, ...] = (), vouched: bool = True, early: bool = False
) -> Description:
    contents = Contents(needs=needs, stated=requires, described=True)
    return Description(release=level("1"), contents=contents, vouched=vouched, early=early)


def objecting(question: Question) -> str:
    """The system has nothing that is stated."""
    return "it requires something that the system has not" if question.stated else ""


def offered(offers: Mapping[Candidate, Description | None], *store: Stored) -> Facts:
    return replace(offering(offers, PlainOffers(OLD), *store), objection=objecting)


def chosen(plan: ImagePlan) -> tuple[Action, str | None]:
    return plan.action, plan.chosen.version if plan.chosen is not None else None


def test_a_version_whose_requirements_are_not_met_is_not_fetched() -> None:
    offers = {candidate("3"): described(requires=(KERNEL,)), candidate("2"): described(OLD)}
    image = plan_one(offered(offers, stored_needing("1", OLD)))

    assert chosen(image) == (Action.FETCH, "2")
    assert image.considered[0].standing is Standing.DOES_NOT_FIT


def test_a_version_that_needs_what_is_missing_is_not_fetched() -> None:
    offers = {candidate("3"): described(NEW), candidate("2"): described(OLD)}
    image = plan_one(offered(offers, stored_needing("1", OLD)))

    assert chosen(image) == (Action.FETCH, "2")
    assert image.considered[0].standing is Standing.LACKS


def test_nobody_on_the_way_keeps_a_version_away_by_what_it_needs() -> None:
    """Threat P9: such a description only puts it behind the others, and what is linked is replaced all the same."""
    offers = {candidate("2"): described(NEW, vouched=False)}
    image = plan_one(offered(offers, stored_needing("1", OLD)))

    assert chosen(image) == (Action.FETCH, "2")


def test_nobody_on_the_way_keeps_a_version_away_by_what_it_requires() -> None:
    offers = {candidate("2"): described(requires=(KERNEL,), vouched=False)}
    image = plan_one(offered(offers, stored_needing("1", OLD)))

    assert chosen(image) == (Action.FETCH, "2")


def test_what_is_found_inside_decides_whatever_was_described() -> None:
    offers = {candidate("2"): replace(needing(NEW), vouched=False)}
    image = plan_one(offered(offers, stored_needing("1", OLD)))

    assert chosen(image) == (Action.KEEP, "1")


def test_what_is_required_does_not_change_when_the_image_is_done() -> None:
    """mkosi's description of a release is early, and its content may still decide; not so what the publisher states."""
    offers = {candidate("2"): described(requires=(KERNEL,), early=True)}
    store = stored_needing("1", OLD)
    assert store.record is not None
    any_system = replace(store, record=replace(store.record, release={"ID": "_any"}))
    for linked in ((store,), (any_system,), ()):
        image = plan_one(offered(offers, *linked))
        assert image.action is not Action.FETCH, linked
