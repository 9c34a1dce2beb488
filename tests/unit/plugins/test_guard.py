# SPDX-License-Identifier: LGPL-2.1-or-later
"""The guard of what boots next, and the command that verifies, repairs, and runs before the merge."""

from __future__ import annotations

import json
import logging
import os
import shutil
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from tests.unit.integrity.verify_site import VerifySite, file_of, rot
from tukit_sysext import cli
from tukit_sysext.integrity import needs
from tukit_sysext.layout import STORE
from tukit_sysext.ledger.ledger import Ledger
from tukit_sysext.ledger.settling import settle
from tukit_sysext.ledger.spool import EventKind, SnapshotEvent
from tukit_sysext.plugins.manager import Plugins
from tukit_sysext.snapshots import snapper
from tukit_sysext.store.image_store import Store, Stored
from tukit_sysext.update import refusal
from tukit_sysext.update.refusal import HeldBack, Refusal


@pytest.fixture
def guarded_gdb(verify_site: VerifySite) -> VerifySite:
    """Snapshot 7 boots next, and has gdb 1."""
    site = verify_site
    site.store_image("1")
    root = site.wanting_snapshot(7)
    site.link("1", root=root)
    boots_next(site, 7)
    return site


def boots_next(site: VerifySite, number: int) -> None:
    found = site.subvolumes.find(site.tree(number))
    assert found is not None
    site.subvolumes.set_default(found.identifier)


def tell(site: VerifySite, kind: EventKind, number: int = 7) -> None:
    scan = snapper.scan(site.layout, site.subvolumes)
    Plugins().settled(f"tukit_sysext_{kind}", site.machine, scan, number)


def image(site: VerifySite) -> Path:
    return site.layout.store / file_of("1")


def kinds(site: VerifySite) -> list[tuple[str, int | None]]:
    with Ledger(site.layout.ledger) as ledger:
        return [(event.kind, event.snapshot) for event in ledger.events() if event.kind.startswith("image")]


@pytest.mark.parametrize("kind", [EventKind.DEFAULT_CHANGED, EventKind.ROLLED_BACK])
@pytest.mark.parametrize("fault", ["missing", "damaged"])
def test_a_lost_image_of_what_boots_next_is_loud(
    guarded_gdb: VerifySite, caplog: pytest.LogCaptureFixture, kind: EventKind, fault: str
) -> None:
    """C13, L9: rot that no time tells is found too."""
    image(guarded_gdb).unlink() if fault == "missing" else rot(guarded_gdb, image(guarded_gdb))
    tell(guarded_gdb, kind)
    (line,) = [entry.getMessage() for entry in caplog.records if entry.levelno >= logging.ERROR]
    assert line.startswith(f"snapshot 7 (boots next): gdb 1 (gdb.raw) is {fault}: ")
    assert line.endswith("next step:\n    tukit-sysext verify --snapshot 7 --repair")
    assert [(item.snapshot, item.name, item.condition) for item in needs.read(guarded_gdb.layout.repair)] == [
        (7, "gdb", fault)
    ]
    assert kinds(guarded_gdb) == [(f"image {fault}", 7)]


def test_a_whole_one_is_quiet(guarded_gdb: VerifySite, caplog: pytest.LogCaptureFixture) -> None:
    tell(guarded_gdb, EventKind.DEFAULT_CHANGED)
    assert [entry for entry in caplog.records if entry.levelno >= logging.WARNING] == []
    assert not guarded_gdb.layout.repair.exists()


def test_what_the_event_says_is_not_believed(guarded_gdb: VerifySite) -> None:
    """The disk tells what boots next."""
    image(guarded_gdb).unlink()
    tell(guarded_gdb, EventKind.DEFAULT_CHANGED, 99)
    assert [item.snapshot for item in needs.read(guarded_gdb.layout.repair)] == [7]


def test_the_mark_follows_what_boots_next(guarded_gdb: VerifySite) -> None:
    image(guarded_gdb).unlink()
    tell(guarded_gdb, EventKind.DEFAULT_CHANGED)
    guarded_gdb.snapshot(8)
    boots_next(guarded_gdb, 8)
    tell(guarded_gdb, EventKind.DEFAULT_CHANGED, 8)
    assert not guarded_gdb.layout.repair.exists()


def test_one_rollback_is_read_once(guarded_gdb: VerifySite, monkeypatch: pytest.MonkeyPatch) -> None:
    hashed: list[int] = []

    def counted(descriptor: int) -> str:
        hashed.append(descriptor)
        return "0" * 64

    monkeypatch.setattr("tukit_sysext.store.examine.hash_of", counted)
    rollback = EventKind.DEFAULT_CHANGED, EventKind.ROLLED_BACK
    events = [SnapshotEvent(kind=kind, number=7) for kind in rollback]
    settle(guarded_gdb.machine, Plugins(), noticed=events)
    assert len(hashed) == 1
    assert kinds(guarded_gdb) == [("image damaged", 7)]


def test_a_tree_that_cannot_be_read_is_told(guarded_gdb: VerifySite, caplog: pytest.LogCaptureFixture) -> None:
    (guarded_gdb.tree(7) / "etc").rename(guarded_gdb.tree(7) / "hidden")
    tell(guarded_gdb, EventKind.DEFAULT_CHANGED)
    assert "snapshot 7 (boots next): its images cannot be verified" in caplog.text


def test_a_tree_that_cannot_be_read_is_not_all_well(guarded_gdb: VerifySite) -> None:
    """Unknown is not none: what was wrong stays marked."""
    image(guarded_gdb).unlink()
    tell(guarded_gdb, EventKind.DEFAULT_CHANGED)
    (guarded_gdb.tree(7) / "etc").rename(guarded_gdb.tree(7) / "hidden")
    tell(guarded_gdb, EventKind.DEFAULT_CHANGED)
    assert [item.snapshot for item in needs.read(guarded_gdb.layout.repair)] == [7]


def command(site: VerifySite, capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    status = cli.main(["verify", *arguments], machine=site.machine)
    return status, capsys.readouterr().out


def as_json(site: VerifySite, capsys: pytest.CaptureFixture[str], *arguments: str) -> Any:
    return json.loads(command(site, capsys, *arguments, "--json")[1])


def test_the_command_tells_and_repairs(guarded_gdb: VerifySite, capsys: pytest.CaptureFixture[str]) -> None:
    assert command(guarded_gdb, capsys)[0] == 0
    rot(guarded_gdb, image(guarded_gdb))
    tell(guarded_gdb, EventKind.DEFAULT_CHANGED)
    status, out = command(guarded_gdb, capsys)
    assert status == 1
    assert "snapshot 7 (boots next): 1 of 1 image is wrong" in out
    assert "damaged: its SHA-256 is" in out
    assert out.endswith("Next step:\n  tukit-sysext verify --repair\n")
    assert (
        "IMAGES HAVE TO BE REPAIRED" in (cli.main(["status"], machine=guarded_gdb.machine), capsys.readouterr().out)[1]
    )

    status, out = command(guarded_gdb, capsys, "--repair")
    assert status == 1
    assert "gdb 1: cannot be repaired: recorded content cannot be had any more" in out
    assert "next step:" in out
    before = os.stat(guarded_gdb.layout.repair).st_ino
    command(guarded_gdb, capsys, "--repair")
    assert os.stat(guarded_gdb.layout.repair).st_ino == before, "it would start itself again"

    guarded_gdb.offer("1", listed=False)
    status, out = command(guarded_gdb, capsys, "--repair")
    assert status == 0
    assert "gdb 1: repaired from source local" in out
    assert not guarded_gdb.layout.repair.exists()
    with Ledger(guarded_gdb.layout.ledger) as ledger:
        assert [(event.kind, event.image) for event in ledger.events()][-1] == ("repaired", "gdb")


def test_json_is_flat(guarded_gdb: VerifySite, capsys: pytest.CaptureFixture[str]) -> None:
    image(guarded_gdb).unlink()
    guarded_gdb.offer("1")
    document = as_json(guarded_gdb, capsys, "--snapshot", "7", "--repair")
    (tree,) = document["trees"]
    assert tree["tree"]["snapshot"] == 7
    (found,) = tree["images"]
    assert (found["image"], found["version"], found["condition"], found["wrong"]) == ("gdb", "1", "whole", False)
    (done,) = tree["repairs"]
    assert (done["image"], done["done"]) == ("gdb", "repaired")


def test_other_snapshots_do_not_make_the_mark(guarded_gdb: VerifySite, capsys: pytest.CaptureFixture[str]) -> None:
    guarded_gdb.store_image("2").unlink()
    root = guarded_gdb.wanting_snapshot(8)
    guarded_gdb.link("2", root=root)
    (root / "etc/tukit-sysext/images.d/gdb.conf").write_text("[Image]\nHold=2\n")
    assert command(guarded_gdb, capsys)[0] == 0
    assert command(guarded_gdb, capsys, "--all", "--repair")[0] == 1
    assert not guarded_gdb.layout.repair.exists()


def test_what_is_not_there(guarded_gdb: VerifySite, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["verify", "--snapshot", "9"], machine=guarded_gdb.machine) == 1
    assert "snapshot 9: expected one that is there, found 7" in capsys.readouterr().err
    assert cli.main(["verify", "--boot", "--repair"], machine=guarded_gdb.machine) == 2
    assert cli.main(["verify", "--boot", "--json"], machine=guarded_gdb.machine) == 2, "it would print no JSON"


@pytest.mark.parametrize("option", ["--repair", "--boot"])
def test_an_ordinary_user_changes_nothing(
    guarded_gdb: VerifySite, capsys: pytest.CaptureFixture[str], option: str
) -> None:
    """L8."""
    image(guarded_gdb).unlink()
    guarded_gdb.as_user()
    before = sorted(guarded_gdb.root.rglob("*"))
    assert cli.main(["verify", option], machine=guarded_gdb.machine) == 1
    assert f"verify {option} needs root" in capsys.readouterr().err
    assert sorted(guarded_gdb.root.rglob("*")) == before


def running_snapshot(site: VerifySite) -> None:
    """Make snapshot 7 the running one."""
    made = site.subvolumes.find(site.tree(7))
    assert made is not None
    (site.root / ".subvolume").write_text((site.tree(7) / ".subvolume").read_text())


def test_before_the_merge(guarded_gdb: VerifySite, capsys: pytest.CaptureFixture[str]) -> None:
    running_snapshot(guarded_gdb)
    guarded_gdb.link("1")
    image(guarded_gdb).unlink()
    guarded_gdb.store_image("2", "other")
    status: int = cli.main(["verify", "--boot"], machine=guarded_gdb.machine)
    told = capsys.readouterr()
    assert (status, told.out) == (0, "gdb.raw: quarantined: missing: not in the store\n")
    assert "quarantined" not in told.err, "the journal has both"
    assert [(item.snapshot, item.link) for item in needs.read(guarded_gdb.layout.repair)] == [(7, "gdb.raw")]
    with Ledger(guarded_gdb.layout.ledger) as ledger:
        assert [event.kind for event in ledger.events()] == ["booted", "image missing"]
    assert (
        "quarantined: gdb.raw, missing"
        in (cli.main(["status"], machine=guarded_gdb.machine), capsys.readouterr().out)[1]
    )

    guarded_gdb.offer("1")
    status, out = command(guarded_gdb, capsys, "--repair")
    assert "gdb.raw: put back: gdb 1 is good and fits" in out
    assert (guarded_gdb.root / "etc/extensions/gdb.raw").is_symlink()
    assert not guarded_gdb.layout.repair.exists()


def test_the_merge_waits_for_one_look_at_the_images(
    guarded_gdb: VerifySite, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What has to be repaired is entered from it too."""
    running_snapshot(guarded_gdb)
    guarded_gdb.link("1")
    rot(guarded_gdb, image(guarded_gdb))
    os.utime(image(guarded_gdb))
    looks: list[str] = []
    real = Store.look

    def look(store: Store, file_name: str) -> Stored:
        looks.append(file_name)
        return real(store, file_name)

    monkeypatch.setattr(Store, "look", look)
    monkeypatch.setattr("tukit_sysext.commands.verify_boot.quarantine.isolate", lambda *_: ())
    assert command(guarded_gdb, capsys, "--boot")[0] == 0
    assert looks == [file_of("1")]
    assert [need.condition for need in needs.read(guarded_gdb.layout.repair)] == ["damaged"]


def test_an_error_page_without_a_record_is_repaired_too(
    guarded_gdb: VerifySite, capsys: pytest.CaptureFixture[str]
) -> None:
    running_snapshot(guarded_gdb)
    guarded_gdb.link("1")
    image(guarded_gdb).write_bytes(b"<html>")
    guarded_gdb.machine.store().records.remove(file_of("1"))
    assert command(guarded_gdb, capsys, "--boot")[1].startswith("gdb.raw: quarantined: broken")
    assert [item.condition for item in needs.read(guarded_gdb.layout.repair)] == ["broken"]


def test_each_step_before_the_merge_is_taken_though_another_fails(
    guarded_gdb: VerifySite, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(*_: object, **__: object) -> None:
        raise RuntimeError("injected")

    running_snapshot(guarded_gdb)
    guarded_gdb.link("1")
    image(guarded_gdb).unlink()
    guarded_gdb.store_image("2", "other")
    monkeypatch.setattr("tukit_sysext.commands.verify_boot.quarantine.isolate", failing)
    assert command(guarded_gdb, capsys, "--boot")[0] == 1
    assert needs.read(guarded_gdb.layout.repair)


def test_a_refusal_that_goes_on_shows_again(guarded_gdb: VerifySite, capsys: pytest.CaptureFixture[str]) -> None:
    running_snapshot(guarded_gdb)
    from tukit_sysext.ledger.ledger import LedgerEvent

    with Ledger(guarded_gdb.layout.ledger) as ledger:
        ledger.add(
            [LedgerEvent(time="2026-11-01T10:00:00Z", kind="refused", snapshot=7, image="gdb", detail="nothing fits")]
        )
    assert command(guarded_gdb, capsys, "--boot")[0] == 0
    mark = refusal.read(guarded_gdb.layout.refused)
    assert mark is not None
    assert mark.images["gdb"].reason == "nothing fits"
    # a mark that is there is newer than the ledger
    newer = Refusal(last=5, times=3, system="x", images={"gdb": HeldBack(reason="newer", since=1)})
    refusal.write(guarded_gdb.layout.refused, newer)
    command(guarded_gdb, capsys, "--boot")
    assert refusal.read(guarded_gdb.layout.refused) == newer


def test_nothing_moves_without_os_release(guarded_gdb: VerifySite, capsys: pytest.CaptureFixture[str]) -> None:
    running_snapshot(guarded_gdb)
    guarded_gdb.link("1")
    image(guarded_gdb).unlink()
    (guarded_gdb.root / "etc/os-release").unlink()
    assert command(guarded_gdb, capsys, "--boot") == (1, "")
    assert (guarded_gdb.root / "etc/extensions/gdb.raw").is_symlink()


def test_an_image_is_read_once_for_all_snapshots(
    guarded_gdb: VerifySite, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Hashed where it is recorded, looked into where it is not."""
    guarded_gdb.store_image("9", "other")
    guarded_gdb.machine.store().records.remove(file_of("9", "other"))
    for number in (8, 9):
        guarded_gdb.link("1", root=guarded_gdb.wanting_snapshot(number))
    for number in (7, 8, 9):
        guarded_gdb.link("9", "other", root=guarded_gdb.tree(number))
    read: list[str] = []

    def counted(what: str, real: Any) -> Any:
        def call(*arguments: Any, **keys: Any) -> Any:
            read.append(what)
            return real(*arguments, **keys)

        return call

    for what, place in (("hashed", "store.examine.hash_of"), ("looked into", "system.inspect_image.inspect_linked")):
        module, name = f"tukit_sysext.{place}".rsplit(".", 1)
        monkeypatch.setattr(f"{module}.{name}", counted(what, getattr(import_module(module), name)))
    assert command(guarded_gdb, capsys, "--all")[0] == 0
    assert sorted(read) == ["hashed", "looked into"]


def test_a_repaired_image_is_looked_at_again_for_the_next_snapshot(
    guarded_gdb: VerifySite, capsys: pytest.CaptureFixture[str]
) -> None:
    guarded_gdb.link("1", root=guarded_gdb.wanting_snapshot(8))
    rot(guarded_gdb, image(guarded_gdb))
    guarded_gdb.offer("1")
    document = as_json(guarded_gdb, capsys, "--all", "--repair")
    assert [tree["images"][0]["condition"] for tree in document["trees"]] == ["whole", "whole"]
    assert [len(tree["repairs"]) for tree in document["trees"]] == [1, 0]


def test_what_cannot_be_repaired_asks_for_no_repair(
    guarded_gdb: VerifySite,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Somebody else's error page, which cannot be moved away either: a unit would try for ever."""
    (guarded_gdb.layout.store / "x.raw").write_bytes(b"<html>")
    link = guarded_gdb.tree(7) / "etc/extensions/x.raw"
    link.symlink_to(f"/{STORE}/x.raw".replace("//", "/"))
    (link.parent / "y.raw").write_bytes(b"<html>")
    status, out = command(guarded_gdb, capsys)
    assert status == 1
    assert "it blocks the whole merge" in out
    assert "verify --repair" not in out and "verify --boot" in out
    running_snapshot(guarded_gdb)
    shutil.copytree(link.parent, guarded_gdb.root / "etc/extensions", symlinks=True, dirs_exist_ok=True)
    monkeypatch.setattr("tukit_sysext.commands.verify_boot.quarantine.isolate", lambda *_: ())
    assert command(guarded_gdb, capsys, "--boot")[0] == 0
    assert "y.raw" in caplog.text and "--repair" not in caplog.text
    assert not guarded_gdb.layout.repair.exists()
