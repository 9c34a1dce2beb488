# SPDX-License-Identifier: LGPL-2.1-or-later
"""The principle: an update never takes away a required image that this machine has; one that it has not is missed."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from tests.machine import NEW, OLD, PlainMachine, with_source
from tests.trees import Content, Link, listing, make_tree
from tests.unit.integrity.verify_site import fake_look_inside
from tests.unit.update.samples import facts, optional, want
from tukit_sysext import cli, entry
from tukit_sysext.ledger.ledger import Ledger, LedgerEvent
from tukit_sysext.plugins.manager import Plugins
from tukit_sysext.quantities import time_text
from tukit_sysext.system.tree import Tree
from tukit_sysext.update import refusal
from tukit_sysext.update.facts import InUse
from tukit_sysext.update.left_out import REQUIRED, Consequence, LeftOut, consequence
from tukit_sysext.update.search import Resolver

pytestmark = pytest.mark.usefixtures("hook_process")

DAY = 86400


@pytest.mark.parametrize("kind", LeftOut)
def test_every_reason_has_its_consequence(kind: LeftOut) -> None:
    """Policy refuses what would take an image away, and nothing else; a fault of ours refuses nothing."""
    has, without = facts(want()), facts(want(), in_use={})
    fault = kind is LeftOut.FAULT
    assert REQUIRED[kind] == (Consequence.LOUD if fault else Consequence.REFUSED, Consequence.LOUD)
    assert consequence(has, want(), kind) is REQUIRED[kind][0]
    assert consequence(without, want(), kind) is Consequence.LOUD
    quiet = Consequence.LOUD if fault else Consequence.QUIET
    assert consequence(has, optional(), kind) is consequence(without, optional(), kind) is quiet
    # a file with a fault may have been the policy, or its limit
    for given, wanted in ((has, want(trusted=False)), (replace(has, policy_known=False), want())):
        assert consequence(given, wanted, kind) is Consequence.LOUD
    limit = replace(has, refuse_for=DAY, refused_for={"gdb": DAY})
    assert consequence(limit, want(), kind) is Consequence.LOUD


@pytest.fixture
def newer_system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PlainMachine:
    """Snapshot 1 runs, snapshot 2 boots next; gdb 1.0 fits the system that runs."""
    fake_look_inside(monkeypatch, level=NEW)
    site = with_source(tmp_path)
    site.snapshot_with(1, {"gdb": "1.0"})
    site.boot(1)
    site.snapshot_with(2, {}, level=NEW, default=True)
    site.want("gdb")
    return site


def in_use(site: PlainMachine, path: Path | None = None) -> InUse | None:
    with Tree(path or site.tree(2)) as tree:
        return Resolver(site.machine, tree, Plugins()).look_locally().in_use.get("gdb")


def test_what_the_running_system_has(newer_system: PlainMachine) -> None:
    assert in_use(newer_system) == InUse(version="1.0", shown="1.0", system="the running system")


def test_what_boots_next_has(newer_system: PlainMachine) -> None:
    (newer_system.root / "etc/extensions/gdb.raw").unlink()
    newer_system.link_image(newer_system.tree(2), "gdb", "1.1", NEW)
    assert in_use(newer_system) == InUse(version="1.1", shown="1.1", system="snapshot 2, which boots next")


def to_another_level(site: PlainMachine) -> None:
    make_tree(site.root, {"etc/os-release": "ID=opensuse-microos\nSYSEXT_LEVEL=glibc-9\n"})


NOTHING: dict[str, Callable[[PlainMachine], object]] = {
    "not linked": lambda site: (site.root / "etc/extensions/gdb.raw").unlink(),
    "gone": lambda site: (site.layout.store / "gdb-1.0.x86-64.raw").unlink(),
    "damaged": lambda site: (site.layout.store / "gdb-1.0.x86-64.raw").write_bytes(b"half"),
    "does not fit": to_another_level,
    "under another name": lambda site: os.rename(
        site.root / "etc/extensions/gdb.raw", site.root / "etc/extensions/other.raw"
    ),
}


@pytest.mark.parametrize("make", NOTHING.values(), ids=NOTHING)
def test_what_is_nothing_that_could_be_lost(newer_system: PlainMachine, make: Callable[[PlainMachine], object]) -> None:
    make(newer_system)
    assert in_use(newer_system) is None


RELEASE = "usr/lib/extension-release.d/extension-release.gdb"
NOT_OURS: dict[str, Mapping[str, Content]] = {
    "a directory": {f"etc/extensions/gdb/{RELEASE}": f"ID=opensuse-microos\nSYSEXT_LEVEL={OLD}\n"},
    "a link to a directory": {
        "etc/extensions/gdb": Link("/srv/gdb"),
        f"srv/gdb/{RELEASE}": f"ID=opensuse-microos\nSYSEXT_LEVEL={OLD}\n",
    },
    "a link to nothing": {"etc/extensions/gdb.raw": Link("/srv/gdb.raw")},
}


@pytest.mark.parametrize("entries", NOT_OURS.values(), ids=NOT_OURS)
def test_what_is_not_ours_is_never_touched_and_missed_loudly(
    newer_system: PlainMachine, capsys: pytest.CaptureFixture[str], entries: Mapping[str, Content]
) -> None:
    """An update takes nothing away that it does not touch: it passes, and says that the image is not there any more."""
    (newer_system.root / "etc/extensions/gdb.raw").unlink()
    make_tree(newer_system.root, entries)
    assert in_use(newer_system) is None
    tree = transaction(newer_system, 7)
    before = listing(tree / "etc/extensions")
    assert finalize(newer_system, 7) == 0
    loud = capsys.readouterr().err
    assert "comes WITHOUT required images: gdb" in loud
    assert "is not ours" in loud
    assert listing(tree / "etc/extensions") == before


def test_unknown_is_not_none(newer_system: PlainMachine) -> None:
    """The tree that gets the update is a copy of one of the two: its links stand in."""
    extensions = newer_system.root / "etc/extensions"
    tree = newer_system.tree(1)
    shutil.rmtree(extensions)
    assert in_use(newer_system, tree) is None
    extensions.symlink_to("/nowhere")
    assert in_use(newer_system, tree) is not None
    assert in_use(newer_system) is None, "and where it has none either, there is none"


def finalize(site: PlainMachine, number: int) -> int:
    return entry.main(["tukit", "finalize-pre", str(site.tree(number)), str(number)], machine=site.machine)


def transaction(site: PlainMachine, number: int, *, level: str = NEW) -> Path:
    """A transaction whose system needs another image than the running one has."""
    site.snapshot_with(number, {}, level=level)
    tree = site.tree(number)
    for part in ("etc/tukit-sysext", "etc/extensions"):
        shutil.copytree(site.root / part, tree / part, symlinks=True)
    return tree


def test_an_image_that_is_there_is_not_taken_away(
    newer_system: PlainMachine, capsys: pytest.CaptureFixture[str]
) -> None:
    transaction(newer_system, 7)
    assert finalize(newer_system, 7) == 75
    assert "is refused" in capsys.readouterr().err


def test_an_image_that_nobody_has_is_missed_loudly_until_it_is_there(
    newer_system: PlainMachine, capsys: pytest.CaptureFixture[str]
) -> None:
    """P0: standard error, status, the failed unit, history; and over with the first update that brings it."""
    (newer_system.root / "etc/extensions/gdb.raw").unlink()
    transaction(newer_system, 7)
    assert finalize(newer_system, 7) == 0
    loud = capsys.readouterr().err
    assert "comes WITHOUT required images: gdb" in loud
    assert "  gdb: nothing published fits: no version is published by main" in loud
    assert "next step: update again when a fitting image is published" in loud
    assert cli.main(["status", "--refused"], machine=newer_system.machine) == 1
    assert "AN UPDATE CAME WITHOUT REQUIRED IMAGES" in capsys.readouterr().out
    assert cli.main(["status", "--json"], machine=newer_system.machine) == 0
    status = json.loads(capsys.readouterr().out)
    assert (status["refused"], list(status["missed"])) == (None, ["gdb"])
    newer_system.layout.refused.unlink()  # a reboot: the ledger knows it
    known = refusal.known(newer_system.machine)
    assert known is not None
    assert list(known.missed) == ["gdb"]
    newer_system.publish("gdb", "1.1", NEW)
    transaction(newer_system, 8)
    assert finalize(newer_system, 8) == 0
    assert capsys.readouterr().err == ""
    assert refusal.known(newer_system.machine) is None
    with Ledger(newer_system.layout.ledger) as ledger:
        kinds = [event.kind for event in ledger.events() if event.image == "gdb"]
    assert kinds == ["missed", "linked", "not missed any more"]


@pytest.mark.parametrize("refused_before", [True, False])
def test_a_command_that_brings_it_ends_it(
    newer_system: PlainMachine, monkeypatch: pytest.MonkeyPatch, refused_before: bool
) -> None:
    fake_look_inside(monkeypatch, level=OLD)
    (newer_system.root / "etc/extensions/gdb.raw").unlink()
    transaction(newer_system, 7)
    assert finalize(newer_system, 7) == 0
    mark = refusal.read(newer_system.layout.refused)
    assert mark is not None
    if refused_before:
        refusal.write(newer_system.layout.refused, replace(mark, images={"other": mark.missed["gdb"]}))
    newer_system.subvolumes.set_default(newer_system.running.identifier)
    newer_system.boot(1)
    newer_system.subvolumes.set_default(json.loads((newer_system.root / ".subvolume").read_text())["identifier"])
    newer_system.publish("gdb", "1.2")
    assert cli.main(["update"], machine=newer_system.machine) == 0
    after = refusal.read(newer_system.layout.refused)
    assert (after is not None) is refused_before
    assert after is None or (list(after.images), list(after.missed)) == (["other"], [])


def test_a_disk_that_takes_no_link_refuses_too(
    newer_system: PlainMachine, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whatever the reason is on the way: the image is not taken away."""

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    newer_system.publish("gdb", "1.1", NEW)
    tree = transaction(newer_system, 7)
    monkeypatch.setattr("tukit_sysext.update.transaction.LinkWriter.apply", full)
    assert finalize(newer_system, 7) == 75
    assert "the store cannot take it" in capsys.readouterr().err
    assert os.path.lexists(tree / "etc/extensions/gdb.raw")


def test_a_fault_of_ours_passes_and_names_what_is_lost(
    newer_system: PlainMachine, capsys: pytest.CaptureFixture[str]
) -> None:
    tree = transaction(newer_system, 7)
    make_tree(tree, {"etc/tukit-sysext/sources.d/main.conf": "[Source]\nPath=relative\n"})
    assert finalize(newer_system, 7) == 0
    assert "1.0 of the running system is lost" in capsys.readouterr().err
    mark = refusal.read(newer_system.layout.refused)
    assert mark is not None
    assert list(mark.missed) == ["gdb"]


def test_check_tells_what_follows(newer_system: PlainMachine, capsys: pytest.CaptureFixture[str]) -> None:
    newer_system.want("strace")
    make_tree(newer_system.root, {"etc/extensions/htop.raw": Link("/var/lib/sysext-store/htop-1.x86-64.raw")})
    assert cli.main(["check", "--json"], machine=newer_system.machine) == 0
    found = {image["name"]: image for image in json.loads(capsys.readouterr().out)["images"]}
    assert (found["strace"]["consequence"], found["strace"]["in_use"]) == ("passes loudly", None)
    assert (found["gdb"]["consequence"], found["gdb"]["refuses"]) == (None, False)
    assert cli.main(["check"], machine=newer_system.machine) == 0
    assert "left out, ALTHOUGH REQUIRED" in capsys.readouterr().out


def test_since_when_an_image_is_missed_is_not_forgotten(newer_system: PlainMachine) -> None:
    def event(day: int, kind: str, image: str = "gdb") -> LedgerEvent:
        return LedgerEvent(time=time_text(day * DAY), kind=kind, snapshot=1, image=image, detail="")

    with Ledger(newer_system.layout.ledger) as ledger:
        ledger.add([event(1, "missed"), event(2, "not missed any more"), event(3, "missed"), event(4, "linked", "x")])
        ledger.add([event(1, "missed", "other"), event(400, "missed")])
        ledger.forget(500 * DAY)
        assert "linked" not in [event.kind for event in ledger.events()]
    known = refusal.known(newer_system.machine)
    assert known is not None
    assert {name: held.since for name, held in known.missed.items()} == {"gdb": 3 * DAY, "other": DAY}
    assert refusal.ages(known, now=5 * DAY) == {"gdb": 2 * DAY, "other": 4 * DAY}
