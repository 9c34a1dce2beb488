# SPDX-License-Identifier: LGPL-2.1-or-later
"""Checks of plugins in the plan: an image that is objected to does not fit, wherever it comes from."""

from __future__ import annotations

import pytest

from tests.unit.update.samples import (
    FITS,
    OTHER,
    SYSTEM,
    candidate,
    facts,
    level,
    link,
    optional,
    plan_one,
    stored,
    want,
)
from tukit_sysext.snapshots.fitting import Objection, Question
from tukit_sysext.sources.candidate import Description
from tukit_sysext.update.deciding import decide
from tukit_sysext.update.facts import Facts
from tukit_sysext.update.left_out import LeftOut
from tukit_sysext.update.plan import Action


def against(*versions: str) -> Objection:
    """Somebody who objects to these versions."""

    def objection(asked: Question) -> str:
        assert (asked.system, asked.image, asked.name) == (SYSTEM, level("1"), "gdb")
        return f"plugin site: {asked.version} is blocked" if asked.version in versions else ""

    return objection


def offers(*versions: str, objection: Objection, **keys: object) -> Facts:
    return facts(want(), offers={candidate(version): FITS for version in versions}, objection=objection, **keys)  # type: ignore[arg-type]  # whatever facts() takes


def test_an_older_version_is_taken_instead() -> None:
    image = plan_one(offers("1", "2", objection=against("2")))
    assert (image.action, image.chosen.version if image.chosen else "") == (Action.FETCH, "1")
    assert [(item.standing, item.reason) for item in image.considered if item.option.version == "2"] == [
        ("does not fit", "plugin site: 2 is blocked")
    ]


def test_a_required_image_without_another_refuses_with_the_reason() -> None:
    image = plan_one(offers("1", "2", objection=against("1", "2")))
    assert (image.left_out, image.refuses) == (LeftOut.NOTHING_FITS, True)
    assert image.reason == "nothing published fits: 2 is the newest, plugin site: 2 is blocked"


def test_an_optional_image_is_left_out() -> None:
    given = facts(optional(), offers={candidate("1"): FITS}, objection=against("1"))
    assert not decide(given).refusals
    assert plan_one(given).action is Action.LEAVE_OUT


@pytest.mark.parametrize("recorded", [True, False])
def test_a_link_to_what_is_blocked_goes(recorded: bool) -> None:
    file = stored("1", recorded=recorded)
    known = {} if recorded else {file.file_name: Description(release=level("1"))}
    image = plan_one(facts(want(), store=[file], entries=[link("1")], known=known, objection=against("1")))
    assert (image.action, image.remove) == (Action.LEAVE_OUT, ("gdb.raw",))
    assert "plugin site: 1 is blocked" in image.reason


def test_what_is_blocked_is_not_taken_from_the_store() -> None:
    image = plan_one(facts(want(), store=[stored("1"), stored("2")], objection=against("2")))
    assert (image.action, image.chosen.version if image.chosen else "") == (Action.LINK, "1")


def test_what_does_not_fit_is_not_asked_for() -> None:
    """A check can only narrow."""

    def never(*_: object) -> str:
        raise AssertionError("asked")

    image = plan_one(facts(want(), offers={candidate("1"): OTHER}, store=[stored("2", fits="2")], objection=never))
    assert "SYSEXT_LEVEL" in image.reason
