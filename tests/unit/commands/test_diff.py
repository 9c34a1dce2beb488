# SPDX-License-Identifier: LGPL-2.1-or-later
"""``diff``: what came, went and changed between two snapshots, those that are gone too."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.machine import OS_RELEASE, PlainMachine
from tests.records import record
from tests.trees import Content, Link
from tukit_sysext.commands import diff
from tukit_sysext.errors import TukitSysextError, UnknownState
from tukit_sysext.grammar import parser
from tukit_sysext.ledger.ledger import Ledger
from tukit_sysext.snapshots.snapper import scan
from tukit_sysext.store.record import Records


def tree(**links: str) -> dict[str, Content]:
    """A system with these links; a target without / is a file of the store."""
    found: dict[str, Content] = {"etc/os-release": OS_RELEASE}
    for name, target in links.items():
        found[f"etc/extensions/{name}.raw"] = Link(target if "/" in target else f"/var/lib/sysext-store/{target}")
    return found


@pytest.fixture
def two_snapshots(site: PlainMachine) -> PlainMachine:
    site.snapshot(
        1, tree(gdb="gdb-15.1.x86-64.raw", old="old-1.x86-64.raw", same="same-1.x86-64.raw", by_hand="/opt/x")
    )
    made = site.snapshot(2, tree(gdb="gdb-15.2.x86-64.raw", new="weird.raw", same="same-1.x86-64.raw", hand="/opt/x"))
    site.subvolumes.set_default(made.identifier)
    Records(site.layout.records).write(record(file_name="weird.raw", name="new", version="7"))
    return site


def settle(site: PlainMachine) -> None:
    with Ledger(site.layout.ledger) as ledger:
        ledger.reconcile(scan(site.layout, site.subvolumes))
        ledger.enter_images([record(file_name="weird.raw", name="new", version="7")], 5)


def delete_second(site: PlainMachine) -> None:
    site.subvolumes.set_default(site.running.identifier)
    shutil.rmtree(site.layout.snapshots / "2")
    settle(site)


def run(site: PlainMachine, *words: str) -> int:
    return diff.run(site.machine, parser().parse_args(["diff", *words]))


def lines(site: PlainMachine, capsys: pytest.CaptureFixture[str], *words: str) -> list[list[str]]:
    assert run(site, *words) == 0
    return [line.split() for line in capsys.readouterr().out.splitlines()]


def document(site: PlainMachine, capsys: pytest.CaptureFixture[str], *words: str) -> Any:
    assert run(site, *words, "--json") == 0
    return json.loads(capsys.readouterr().out)


def test_what_came_went_and_changed(two_snapshots: PlainMachine, capsys: pytest.CaptureFixture[str]) -> None:
    found = lines(two_snapshots, capsys, "1", "2")
    assert found[0] == ["From", "snapshot", "1:", "opensuse-microos", "20261101", "glibc-2.42"]
    assert found[4:] == [
        ["gdb", "15.1", "15.2", "changed"],
        ["new", "-", "7", "added"],
        ["old", "1", "-", "removed"],
        ["by_hand.raw", "/opt/x", "-", "removed", "(not", "ours)"],
        ["hand.raw", "-", "/opt/x", "added", "(not", "ours)"],
    ]


def test_the_other_way_round(two_snapshots: PlainMachine, capsys: pytest.CaptureFixture[str]) -> None:
    found = document(two_snapshots, capsys, "default", "1")
    assert (found["from"]["number"], found["to"]["number"]) == (2, 1)
    assert {image["image"]: image["change"] for image in found["images"]} == {
        "gdb": "changed",
        "new": "went",
        "old": "came",
    }
    assert found["images"][0]["before"] == [{"version": "15.2", "shown": "15.2", "file": "gdb-15.2.x86-64.raw"}]
    assert found["others"][0] == {"entry": "by_hand.raw", "change": "came", "before": None, "after": "/opt/x"}


def test_the_same(two_snapshots: PlainMachine, capsys: pytest.CaptureFixture[str]) -> None:
    assert lines(two_snapshots, capsys, "1", "1")[-1] == ["No", "image", "differs."]


def test_the_running_system(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    site = PlainMachine(tmp_path)
    made = site.snapshot(3)
    (site.root / site.subvolumes.FILE).write_text((site.tree(3) / site.subvolumes.FILE).read_text())
    assert site.subvolumes.find(site.root) == made
    assert document(site, capsys, "running", "3")["from"]["number"] == 3


@pytest.mark.parametrize("record_kept", [True, False])
def test_a_deleted_one_is_remembered(
    two_snapshots: PlainMachine, capsys: pytest.CaptureFixture[str], record_kept: bool
) -> None:
    settle(two_snapshots)
    delete_second(two_snapshots)
    if not record_kept:
        Records(two_snapshots.layout.records).remove("weird.raw")
    found = lines(two_snapshots, capsys, "1", "2")
    assert found[1][-4:] == ["before),", "from", "the", "ledger)"]
    assert ["new", "-", "7", "added"] in found
    assert "not remembered" in " ".join(found[-1])
    told = document(two_snapshots, capsys, "2", "1")
    assert told["from"]["from_ledger"] is True
    assert told["from"]["gone"] is not None
    assert told["others"] is None


def test_a_number_that_was_used_twice_is_the_one_on_the_disk(
    two_snapshots: PlainMachine, capsys: pytest.CaptureFixture[str]
) -> None:
    settle(two_snapshots)
    delete_second(two_snapshots)
    two_snapshots.snapshot(2, tree(gdb="gdb-16.x86-64.raw"))
    settle(two_snapshots)
    assert ["gdb", "15.1", "16", "changed"] in lines(two_snapshots, capsys, "1", "2")


def test_what_cannot_be_read_is_not_taken_for_nothing(two_snapshots: PlainMachine) -> None:
    settle(two_snapshots)
    shutil.rmtree(two_snapshots.tree(2) / "etc")
    with pytest.raises(UnknownState, match="snapshot 2"):
        run(two_snapshots, "1", "2")


def test_a_user_who_cannot_look_into_snapshots_gets_what_is_remembered(
    two_snapshots: PlainMachine, capsys: pytest.CaptureFixture[str]
) -> None:
    settle(two_snapshots)
    two_snapshots.layout.snapshots.rename(two_snapshots.root / "hidden")
    found = lines(two_snapshots, capsys, "1", "default")
    assert "not read" in " ".join(found[0])
    assert ["gdb", "15.1", "15.2", "changed"] in found


def test_a_user_who_cannot_look_into_snapshots_sees_the_running_system(
    two_snapshots: PlainMachine, capsys: pytest.CaptureFixture[str]
) -> None:
    link = two_snapshots.root / "etc/extensions/gdb.raw"
    link.parent.mkdir(parents=True)
    link.symlink_to("/var/lib/sysext-store/gdb-15.1.x86-64.raw")
    settle(two_snapshots)
    two_snapshots.layout.snapshots.rename(two_snapshots.root / "hidden")
    found = lines(two_snapshots, capsys, "running", "default")
    assert found[0][:4] == ["From", "the", "running", "system:"]
    assert found[3] == ["Image", "running", "2", "What", "happened"]
    assert ["gdb", "15.1", "15.2", "changed"] in found
    assert document(two_snapshots, capsys, "default", "running")["to"]["number"] is None


@pytest.mark.parametrize(
    ("word", "next_step"),
    [("11", "did you mean 1?"), ("deflt", "did you mean default?"), ("zzz", "tukit-sysext snapshots")],
)
def test_one_that_is_not_there(two_snapshots: PlainMachine, word: str, next_step: str) -> None:
    settle(two_snapshots)
    delete_second(two_snapshots)
    with pytest.raises(TukitSysextError, match=f"'{word}': .*there are 1; deleted and remembered 2") as caught:
        run(two_snapshots, "1", word)
    assert caught.value.next_step == next_step


def test_a_ledger_that_is_none(two_snapshots: PlainMachine, capsys: pytest.CaptureFixture[str]) -> None:
    """It is an index: what is on the disk is compared without it."""
    two_snapshots.layout.state.mkdir(parents=True, exist_ok=True)
    two_snapshots.layout.ledger.write_text("no database " * 99)
    assert run(two_snapshots, "1", "2") == 0
    told = capsys.readouterr()
    assert ["gdb", "15.1", "15.2", "changed"] in [line.split() for line in told.out.splitlines()]
    assert "cannot be read as a ledger" in told.err and "sudo tukit-sysext settle" in told.err
    with pytest.raises(TukitSysextError, match="cannot be read as a ledger"):
        run(two_snapshots, "1", "7")
