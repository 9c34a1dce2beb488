# SPDX-License-Identifier: LGPL-2.1-or-later
"""Which image a wanted one gets, and why: one row for each rule."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.unit.update.samples import (
    FITS,
    OTHER,
    broken,
    candidate,
    facts,
    foreign,
    link,
    plan_one,
    removed,
    stored,
    unreachable,
    want,
)
from tukit_sysext.config.wanted import Policy
from tukit_sysext.sources.candidate import Description, Standing
from tukit_sysext.store.image_store import Condition
from tukit_sysext.update.facts import Facts
from tukit_sysext.update.left_out import LeftOut
from tukit_sysext.update.plan import Action

KEEP, LINK, FETCH, REMOVE, ALONE = Action.KEEP, Action.LINK, Action.FETCH, Action.REMOVE, Action.LEAVE_ALONE
ARM = candidate("9", architecture="arm64")
WEAK: dict[str, Any] = {"source": "weak", "priority": 100}
HAVE_1: dict[str, Any] = {"store": [stored("1")], "entries": [link("1")]}
UNKNOWN_ORIGIN: dict[str, Any] = {"store": [stored("1", recorded=False)], "entries": [link("1")]}
NO_DESCRIPTION = Description(reason="it has no description, its content decides")


@pytest.mark.parametrize(
    ("given", "action", "version"),
    [
        # the newest that fits, in the order of UAPI.10
        (facts(want(), offers={candidate("1"): FITS, candidate("10"): FITS, candidate("9"): FITS}), FETCH, "10"),
        (facts(want(), offers={candidate("2~rc1"): FITS, candidate("1"): FITS}), FETCH, "1"),
        (facts(want(prereleases=True), offers={candidate("2~rc1"): FITS, candidate("1"): FITS}), FETCH, "2~rc1"),
        (facts(want(), offers={candidate("2~rc1"): FITS, candidate("2"): FITS}), FETCH, "2"),
        (facts(want(), offers={candidate("3"): OTHER, candidate("2"): FITS}), FETCH, "2"),
        (facts(want(), offers={candidate("3"): broken(), candidate("2"): FITS}), FETCH, "2"),
        (facts(want(), offers={candidate("3"): unreachable(), candidate("2"): FITS}), FETCH, "2"),
        # another architecture, another image
        (facts(want(), offers={ARM: FITS, candidate("2"): FITS}), FETCH, "2"),
        (facts(want(), offers={candidate("3", "gdbserver"): FITS, candidate("2"): FITS}), FETCH, "2"),
        # without a description its content decides, later
        (facts(want(), offers={candidate("3"): NO_DESCRIPTION, candidate("2"): FITS}), FETCH, "3"),
        # in the store already
        (facts(want(), offers={candidate("2"): FITS}, store=[stored("2")]), LINK, "2"),
        # two sources: the stronger one first, the newest where they are equal
        (facts(want(), offers={candidate("2", **WEAK): FITS, candidate("1"): FITS}), FETCH, "1"),
        (facts(want(), offers={candidate("2", **WEAK): FITS, candidate("1"): OTHER}), FETCH, "2"),
        (facts(want(), offers={candidate("2", source="b"): FITS, candidate("1", source="a"): FITS}), FETCH, "2"),
        (facts(want(sources=("weak",)), offers={candidate("1", **WEAK): FITS, candidate("2"): FITS}), FETCH, "1"),
        # held
        (facts(want(hold="1"), offers={candidate("2"): FITS, candidate("1"): FITS}), FETCH, "1"),
        (facts(want(hold="1"), offers={candidate("2"): FITS}, **HAVE_1), KEEP, "1"),
        (facts(want(hold="1"), offers={candidate("2"): FITS}, store=[stored("1")]), LINK, "1"),
        (facts(want(hold="2"), offers={candidate("2"): FITS}, **HAVE_1), FETCH, "2"),
        # the linked image
        (facts(want(), offers={candidate("1"): FITS}, **HAVE_1), KEEP, "1"),
        (facts(want(), offers={candidate("2"): FITS}, **HAVE_1), FETCH, "2"),
        (facts(want(), offers={candidate("2"): OTHER}, **HAVE_1), KEEP, "1"),
        (facts(want(), offers={candidate("0.9"): FITS}, **HAVE_1), KEEP, "1"),  # never an older one
        (facts(want(), **HAVE_1), KEEP, "1"),
        (facts(want(), unreachable={"local": "no answer"}, **HAVE_1), KEEP, "1"),
        (facts(want(), offers={candidate("2"): unreachable()}, **HAVE_1), KEEP, "1"),
        # it does not fit any more
        (
            facts(want(), offers={candidate("1.5"): FITS}, store=[stored("2", fits="0")], entries=[link("2")]),
            FETCH,
            "1.5",
        ),
        # damaged: fetched again
        (
            facts(
                want(),
                offers={candidate("1"): FITS},
                store=[stored("1", condition=Condition.DAMAGED)],
                entries=[link("1")],
            ),
            FETCH,
            "1",
        ),
        # of unknown origin: kept, unless the source has just this file
        (facts(want(), known={"gdb-1.x86-64.raw": FITS}, **UNKNOWN_ORIGIN), KEEP, "1"),
        (facts(want(), offers={candidate("1"): FITS}, known={"gdb-1.x86-64.raw": FITS}, **UNKNOWN_ORIGIN), FETCH, "1"),
        (facts(want(), offers={candidate("2"): FITS}, known={"gdb-1.x86-64.raw": FITS}, **UNKNOWN_ORIGIN), FETCH, "2"),
        # nothing offered can be used: what the store has, the newest
        (facts(want(), store=[stored("1"), stored("3", fits="2"), stored("2")]), LINK, "2"),
        (facts(want(), unreachable={"local": "no answer"}, store=[stored("1")]), LINK, "1"),
        (facts(want(), offers={candidate("2"): OTHER}, store=[stored("1")]), LINK, "1"),
        # tombstone
        (facts(removed(), offers={candidate("2"): FITS}, **HAVE_1), REMOVE, None),
        # something that is not ours and would be merged
        (facts(want(), offers={candidate("2"): FITS}, foreign=(foreign("gdb"),)), ALONE, None),
        (facts(want(), offers={candidate("2"): FITS}, foreign=(foreign("gdb.raw"),)), ALONE, None),
        (facts(want(), offers={candidate("2"): FITS}, foreign=(foreign("gdbserver"),)), FETCH, "2"),
    ],
)
def test_what_is_chosen(given: Facts, action: Action, version: str | None) -> None:
    image = plan_one(given)
    assert (image.action, image.chosen.version if image.chosen else None) == (action, version)
    assert not image.refuses
    assert image.left_out is None


NOTHING = [
    (facts(want(), offers={candidate("2"): OTHER}), LeftOut.NOTHING_FITS, "SYSEXT_LEVEL is 2"),
    (facts(want()), LeftOut.NOTHING_FITS, "no version is published by local"),
    (facts(want(), sources=()), LeftOut.NOTHING_FITS, "no source is configured"),
    (facts(want(sources=("own",))), LeftOut.KEPT_AWAY, "source own is not configured"),
    (
        facts(want(hold="7"), offers={candidate("2"): OTHER}, store=[stored("1", fits="2")], entries=[link("1")]),
        LeftOut.NOTHING_FITS,
        "held at 7, which cannot be used (no such version is published by local); 1 is linked",
    ),
    (
        facts(want(hold="2"), offers={candidate("2"): OTHER, candidate("1"): OTHER}),
        LeftOut.NOTHING_FITS,
        "held at 2, which cannot be used (SYSEXT_LEVEL is 2",
    ),
    (
        facts(want(), offers={ARM: FITS}),
        LeftOut.NOTHING_FITS,
        "it is published for arm64 only, the system is x86-64",
    ),
    # what the publisher can do nothing about
    (
        facts(want(hold="7"), offers={candidate("2"): FITS}),
        LeftOut.KEPT_AWAY,
        "held at 7, which cannot be used (no such version is published by local); 2 of source local would fit",
    ),
    (
        facts(want(hold="9.9"), offers={candidate("1"): FITS}, **HAVE_1),
        LeftOut.KEPT_AWAY,
        "held at 9.9, which cannot be used (no such version is published by local); 1 would fit",
    ),
    (
        facts(want(hold="1"), offers={candidate("2"): FITS, candidate("1"): OTHER}),
        LeftOut.KEPT_AWAY,
        "held at 1, which cannot be used (SYSEXT_LEVEL is 2, the system has 1); 2 of source local would fit",
    ),
    (
        facts(want(constraint="<2"), offers={candidate("2"): FITS, candidate("1"): OTHER}),
        LeftOut.KEPT_AWAY,
        "2 of source local would fit, but Version=<2 does not allow it",
    ),
    (
        facts(want(constraint=">=1.0"), offers={candidate("2.0rc1"): FITS}),
        LeftOut.KEPT_AWAY,
        "2.0rc1 of source local would fit, but Version=>=1.0 does not allow it: it is a pre-release, which it has to "
        "name, as >=1.0rc0 does",
    ),
    (
        facts(want(blocked=("2",)), offers={candidate("2"): FITS}),
        LeftOut.KEPT_AWAY,
        "2 of source local would fit, but it is blocked by /etc/tukit-sysext/images.d/gdb.conf",
    ),
    (
        facts(want(hold="1"), store=[stored("2")]),
        LeftOut.KEPT_AWAY,
        "held at 1, which cannot be used (no such version is published by local); 2 of the store would fit",
    ),
    (facts(want(sources=("own",)), offers={candidate("2"): FITS}, sources=("own",)), LeftOut.NOTHING_FITS, "by own"),
    (facts(want(), store=[stored("1", fits="2")], entries=[link("1")]), LeftOut.NOTHING_FITS, "SYSEXT_LEVEL is 2"),
    (facts(want(), unreachable={"local": "no answer"}), LeftOut.UNREACHABLE, "local: no answer"),
    (facts(want(), offers={candidate("2"): unreachable()}), LeftOut.UNREACHABLE, "no answer"),
    (facts(want(), offers={candidate("2"): broken()}), LeftOut.BROKEN, "cut off"),
    (
        facts(want(), store=[stored("1", condition=Condition.DAMAGED)], entries=[link("1")]),
        LeftOut.BROKEN,
        "its SHA-256 is another",
    ),
    (facts(want(), unusable="etc is a link"), LeftOut.NO_PLACE, "etc is a link"),
    (facts(want(), foreign=(foreign("gdb", "does not fit"),)), LeftOut.NO_PLACE, "does not fit"),
]


@pytest.mark.parametrize(("given", "missing", "words"), NOTHING)
def test_nothing_can_be_had(given: Facts, missing: LeftOut, words: str) -> None:
    image = plan_one(given)
    assert (image.action, image.left_out, image.chosen) == (Action.LEAVE_OUT, missing, None)
    assert image.reason.startswith(str(missing)) == (missing is not LeftOut.KEPT_AWAY)
    assert words in image.reason
    assert image.refuses


@pytest.mark.parametrize("given", [given for given, _, _ in NOTHING])
@pytest.mark.parametrize("changes", [{"policy": Policy.OPTIONAL}, {"trusted": False}], ids=["optional", "faulty file"])
def test_what_is_not_required_refuses_nothing(given: Facts, changes: dict[str, Any]) -> None:
    (image,) = given.wanted.values()
    found = plan_one(replace(given, wanted={"gdb": replace(image, **changes)}))
    assert (found.action, found.refuses) == (Action.LEAVE_OUT, False)
    lost = "; 0.1 of the running system is lost" if "trusted" in changes else ""
    assert found.reason == f"{plan_one(given).reason}{lost}"


def test_a_source_that_nobody_can_speak_to_is_a_fault_and_refuses_nothing() -> None:
    image = plan_one(replace(facts(want()), unusable={"local": "a plugin failed"}))
    assert (image.left_out, image.refuses) == (LeftOut.FAULT, False)
    assert "local: a plugin failed" in image.reason


@pytest.mark.parametrize("has_one", [True, False])
def test_a_store_that_cannot_take_an_image_refuses_where_one_would_be_lost(has_one: bool) -> None:
    full = Description(failure=Standing.NOT_STORED, reason="no room")
    given = facts(want(), offers={candidate("2"): full})
    image = plan_one(given if has_one else replace(given, in_use={}))
    assert (image.left_out, image.refuses) == (LeftOut.NOT_STORED, has_one)


@pytest.mark.parametrize(
    ("refuse_for", "age", "refuses"),
    [
        (None, 10**9, True),
        (14 * 86400, 0, True),
        (14 * 86400, 14 * 86400 - 1, True),
        (14 * 86400, 14 * 86400, False),
        (0, 10**9, True),
    ],
)
def test_how_long_an_image_may_refuse(refuse_for: int | None, age: int, refuses: bool) -> None:
    image = plan_one(facts(want(), refuse_for=refuse_for, refused_for={"gdb": age, "other": 10**9}))
    assert image.refuses is refuses
    assert bool(image.warnings) is not refuses
    if not refuses:
        assert "for 14d, more than RefuseFor=" in image.warnings[0]
