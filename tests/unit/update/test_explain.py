# SPDX-License-Identifier: LGPL-2.1-or-later
"""What is explained agrees with what is chosen, and what is published with what would be done."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from tests.unit.update.samples import FITS, OTHER, broken, candidate, facts, link, plan_one, stored, unreachable, want
from tukit_sysext.config.main_settings import Blocked
from tukit_sysext.config.wanted import WantedImage
from tukit_sysext.update.catalogue import Offer, catalogue, wanting_newest
from tukit_sysext.update.explain import undescribed, versions
from tukit_sysext.update.facts import Facts
from tukit_sysext.update.options import published


def some_facts(chance: random.Random) -> Facts:
    """Offers, a store, links and a configuration of any kind."""
    known = (FITS, FITS, OTHER, broken(), unreachable(), None)
    offers_of = {
        candidate(
            f"1.{number}",
            source=source,
            priority=priority,
            architecture=chance.choice(["x86-64", "x86-64", "arm64", None]),
        ): chance.choice(known)
        for number in range(4)
        for source, priority in (("local", 10), ("web", 99))
        if chance.random() < 0.6
    }
    keys = {
        "hold": chance.choice([None, None, "1.1", "1.9"]),
        "sources": chance.choice([(), (), ("local",), ("web", "local")]),
        "constraint": chance.choice([None, None, ">=1.2", "<1.2"]),
        "blocked": chance.choice([(), (), ("1.3",), ("1.0", "1.2")]),
    }
    there = [stored(f"1.{number}", fits=chance.choice("12")) for number in range(4) if chance.random() < 0.4]
    entries = [link(there[0].record.version)] if there and there[0].record and chance.random() < 0.7 else []
    blocked = (Blocked(name="gdb", version="1.2", origin="/etc/x"),) if chance.random() < 0.2 else ()
    return facts(
        WantedImage(name="gdb", origin="/etc/gdb.conf", **keys),  # type: ignore[arg-type]  # of one value each
        offers=offers_of,
        store=there,
        entries=entries,
        blocked=blocked,
        sources=("local", "web"),
    )


@pytest.mark.parametrize("seed", range(300))
def test_what_may_be_taken_is_what_nothing_speaks_against(seed: int) -> None:
    given = some_facts(random.Random(seed))
    wanted = given.wanted["gdb"]
    explained = versions(given, "gdb", wanted)
    usable = {(item.option.file_name, item.option.origin) for item in explained if item.usable}
    for item in published(given, wanted):
        key = (item.option.file_name, item.option.origin)
        looked_at = item.usable or item.standing.value != "not looked at"
        assert (key in usable) == item.usable or not looked_at
    told = {(item.option.file_name, item.option.origin) for item in explained}
    assert {(each.file_name, f"source {each.source}") for each in given.candidates} <= told
    if (plan := plan_one(given)).chosen is not None and plan.before is None:
        assert plan.chosen.version in {item.option.version for item in explained if item.usable}
    assert all(each.reason for each in explained if not each.usable)


@pytest.mark.parametrize("seed", range(100))
def test_everything_is_asked_for_however_it_is_configured(seed: int) -> None:
    given = some_facts(random.Random(seed))
    asked = {each.key for each in undescribed(given, "gdb")}
    whole = {item.file_name for item in given.stored.values() if item.record is not None}
    for each in given.candidates:
        open_ = each.key not in given.known and each.architecture in (None, "x86-64") and each.file_name not in whole
        assert (each.key in asked) == open_


def offer_of(given: Facts, wanted: WantedImage | None) -> Offer:
    real = {wanted.name: wanted} if wanted is not None else {}
    (found,) = catalogue(replace(given, wanted=wanting_newest(given, real)), real)
    return found


def test_a_hold_keeps_no_newer_version_out_of_sight() -> None:
    given = facts(offers={candidate("1"): FITS, candidate("2"): FITS}, store=[stored("1")], entries=[link("1")])
    found = offer_of(given, want(hold="1"))
    assert (found.installed, found.update, found.held_back) == ("1", None, "2")
    free = offer_of(given, want())
    assert (free.installed, free.update, free.held_back) == ("1", "2", None)


def test_a_blocked_version_is_no_update() -> None:
    given = facts(offers={candidate("1"): FITS, candidate("2"): FITS}, store=[stored("1")], entries=[link("1")])
    found = offer_of(given, want(blocked=("2",)))
    assert found.newest is not None and found.newest.option.version == "1"
    assert found.update is None


def test_what_is_linked_by_hand_is_listed_and_has_no_update() -> None:
    given = facts(offers={candidate("2"): FITS}, store=[stored("1")], entries=[link("1")])
    found = offer_of(given, None)
    assert (found.wanted, found.plan, found.installed, found.update) == (None, None, "1", None)


def test_names_narrow_the_wish() -> None:
    given = facts(offers={candidate("1"): FITS, candidate("1", "vim"): FITS})
    assert list(wanting_newest(given, {"htop": want("htop", hold="3")})) == ["gdb", "htop", "vim"]
    assert list(wanting_newest(given, {}, ["vim", "none"])) == ["vim"]
    assert wanting_newest(given, {"htop": want("htop", hold="3")})["htop"].hold is None
