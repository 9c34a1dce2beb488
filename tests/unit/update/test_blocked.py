# SPDX-License-Identifier: LGPL-2.1-or-later
"""Blocked versions (threat N8): never chosen, wherever they are; what a snapshot has is none of a block's business."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.trees import make_tree
from tests.unit.integrity.verify_site import VerifySite, file_of
from tests.unit.update.samples import FITS, candidate, facts, link, optional, plan_one, stored, want
from tukit_sysext.config import settings, wanted
from tukit_sysext.config.main_settings import Blocked
from tukit_sysext.integrity.repair import RepairOutcome, repair
from tukit_sysext.plugins.manager import Plugins
from tukit_sysext.sources.candidate import Description
from tukit_sysext.store.image_store import Condition
from tukit_sysext.system.tree import Tree
from tukit_sysext.update.deciding import undecided
from tukit_sysext.update.facts import Facts
from tukit_sysext.update.left_out import LeftOut
from tukit_sysext.update.plan import Action

DROP_IN = "/usr/lib/tukit-sysext/tukit-sysext.conf.d/50-distribution.conf"
BY_IMAGE: dict[str, Any] = {"blocked": ("2",)}
BY_SETTINGS = (Blocked(name="gdb", version="2", origin=DROP_IN),)
NO_DESCRIPTION = Description(reason="it has no description, its content decides")


def both(**keys: Any) -> list[Facts]:
    """The same facts with version 2 blocked in either way."""
    held = {"hold": keys.pop("hold")} if "hold" in keys else {}
    return [facts(want(**held, **BY_IMAGE), **keys), facts(want(**held), blocked=BY_SETTINGS, **keys)]


def chosen(given: Facts) -> tuple[Action, str | None]:
    image = plan_one(given)
    return image.action, image.chosen.version if image.chosen is not None else None


@pytest.mark.parametrize("given", both(offers={candidate("2"): FITS, candidate("1"): FITS}))
def test_what_is_blocked_is_not_fetched(given: Facts) -> None:
    assert chosen(given) == (Action.FETCH, "1")
    reasons = {item.option.version: item.reason for item in plan_one(given).considered}
    assert reasons["2"] in ("blocked by /etc/tukit-sysext/images.d/gdb.conf", f"blocked by {DROP_IN}")


@pytest.mark.parametrize("known", [None, NO_DESCRIPTION])
def test_what_is_blocked_is_not_looked_at_either(known: Description | None) -> None:
    for given in both(offers={candidate("2"): known, candidate("1"): None}):
        assert [one.version for one in undecided(given)] == ["1"]


def test_an_update_may_go_to_an_older_version() -> None:
    for given in both(offers={candidate("1"): FITS}, store=[stored("2")], entries=[link("2")]):
        assert chosen(given) == (Action.FETCH, "1")
        assert plan_one(given).before == "2"
    for given in both(store=[stored("2"), stored("1")], entries=[link("2")]):
        assert chosen(given) == (Action.LINK, "1")


@pytest.mark.parametrize("recorded", [True, False])
def test_a_link_to_what_is_blocked_goes_where_there_is_no_other(recorded: bool) -> None:
    file = stored("2", recorded=recorded)
    for given in both(store=[file], entries=[link("2")], known={file.file_name: FITS}):
        image = plan_one(given)
        assert (image.action, image.left_out, image.refuses) == (Action.LEAVE_OUT, LeftOut.KEPT_AWAY, True)
        assert image.remove == ("gdb.raw",)
        assert "blocked by /" in image.reason


def test_what_is_blocked_is_not_taken_from_the_store() -> None:
    for given in both(store=[stored("2"), stored("1")], unreachable={"local": "no answer"}):
        assert chosen(given) == (Action.LINK, "1")


@pytest.mark.parametrize("entries", [[], [link("2")]])
def test_a_block_is_stronger_than_a_hold(entries: list[Any]) -> None:
    for given in both(hold="2", offers={candidate("2"): FITS}, store=[stored("2")], entries=entries):
        image = plan_one(given)
        assert (image.action, image.left_out) == (Action.LEAVE_OUT, LeftOut.KEPT_AWAY)
        assert "blocked by /" in image.reason


@pytest.mark.parametrize(
    ("version", "hit"), [("2", True), ("02", True), ("2.0", False), ("2~rc1", False), ("22", False)]
)
def test_versions_that_are_equal_are_the_same(version: str, hit: bool) -> None:
    for given in both(offers={candidate(version): FITS}):
        assert (plan_one(given).chosen is None) is hit


def test_another_image_of_that_version_is_another_image() -> None:
    given = facts(want("strace"), blocked=BY_SETTINGS, offers={candidate("2", "strace"): FITS})
    assert chosen(given) == (Action.FETCH, "2")


def test_an_optional_image_is_left_out() -> None:
    image = plan_one(facts(optional(**BY_IMAGE), offers={candidate("2"): FITS}))
    assert (image.action, image.refuses) == (Action.LEAVE_OUT, False)


def test_where_versions_are_blocked(tmp_path: Path) -> None:
    """An RPM can ship a drop-in; an administrator masks it by one of the same name."""
    make_tree(
        tmp_path,
        {
            "etc/tukit-sysext/images.d/gdb.conf": "[Image]\nBlock=2 3~rc1\nBlock=4\n",
            DROP_IN.lstrip("/"): "[Block]\nImage=gdb=9999 strace=6.1=x\nImage=vim=1\n",
            "usr/lib/tukit-sysext/tukit-sysext.conf.d/60.conf": "[Block]\nImage=masked=1\n",
            "etc/tukit-sysext/tukit-sysext.conf.d/60.conf": "",
        },
    )
    with Tree(tmp_path) as tree:
        assert wanted.load_wanted(tree).images["gdb"].blocked == ("2", "3~rc1", "4")
        found = settings.load_configuration(tree)
    assert found.problems == ()
    assert [(item.name, item.version, item.origin) for item in found.settings.blocked] == [
        ("gdb", "9999", DROP_IN),
        ("strace", "6.1=x", DROP_IN),
        ("vim", "1", DROP_IN),
    ]


@pytest.mark.parametrize("text", ["gdb", "gdb=", "=1", "../gdb=1", "gdb=1/2"])
def test_what_blocks_nothing_is_a_problem(tmp_path: Path, text: str) -> None:
    make_tree(tmp_path, {DROP_IN.lstrip("/"): f"[Block]\nImage={text} strace=1\n"})
    with Tree(tmp_path) as tree:
        found = settings.load_configuration(tree)
    assert [item.name for item in found.settings.blocked] == ["strace"]
    assert [(problem.file, problem.line) for problem in found.problems] == [(DROP_IN, 2)]
    assert not found.trusted  # it may be what keeps a required image away


def test_what_a_snapshot_has_is_whole_and_repaired_all_the_same(verify_site: VerifySite) -> None:
    """By its recorded hash; but no other version is replaced by a blocked one."""
    site = verify_site
    path = site.store_image("2")
    site.link("2")
    (site.root / "etc/tukit-sysext/images.d/gdb.conf").write_text("[Image]\nBlock=2\n")
    assert site.finding().condition is Condition.WHOLE
    site.offer("2")
    path.unlink()
    assessment = site.assess()
    (done,) = repair(site.machine, Plugins(), assessment.subject, assessment.wrong)
    assert (done.outcome, path.exists()) == (RepairOutcome.REPAIRED, True)

    path.unlink()
    site.store_image("1").unlink()
    site.link("1", as_name="gdb-old")
    (site.root / "etc/extensions/gdb.raw").unlink()
    assessment = site.assess()
    (done,) = repair(site.machine, Plugins(), assessment.subject, assessment.wrong)
    assert done.outcome is RepairOutcome.FAILED
    assert not (site.layout.store / file_of("2")).exists()
