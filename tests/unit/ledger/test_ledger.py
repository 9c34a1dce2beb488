# SPDX-License-Identifier: LGPL-2.1-or-later
"""The ledger follows the disk, keeps what a newer version wrote, and is made anew when it is broken (threat L10)."""

from __future__ import annotations

import os
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.machine import PlainMachine, snapper_info
from tukit_sysext.ledger.ledger import DEFAULT, Ledger, LedgerEvent, LedgerSnapshot
from tukit_sysext.quantities import time_text
from tukit_sysext.snapshots.snapper import Scan, scan


def look(site: PlainMachine) -> Scan:
    return scan(site.layout, site.subvolumes)


def settle(site: PlainMachine) -> list[LedgerSnapshot]:
    with Ledger(site.layout.ledger) as ledger:
        ledger.reconcile(look(site))
        return list(ledger.snapshots())


def test_what_is_on_the_disk_is_entered(with_a: PlainMachine) -> None:
    made = with_a.snapshot(2, info=snapper_info(2, in_progress=True), read_only=True)
    assert [(row.number, row.state, row.read_only, row.gone, row.images) for row in settle(with_a)] == [
        (1, "closed", False, None, (("a.raw", "a-1.raw"),)),
        (2, "open", True, None, ()),
    ]
    assert settle(with_a)[1].uuid == made.uuid


def test_it_follows_a_change(with_a: PlainMachine) -> None:
    settle(with_a)
    link = with_a.tree(1) / "etc/extensions/a.raw"
    link.unlink()
    link.symlink_to("/var/lib/sysext-store/a-2.raw")
    assert settle(with_a)[0].images == (("a.raw", "a-2.raw"),)
    link.unlink()
    assert settle(with_a)[0].images == ()


def test_nothing_changed_writes_nothing(with_a: PlainMachine) -> None:
    settle(with_a)
    before = (with_a.layout.ledger.read_bytes(), with_a.layout.ledger.stat().st_mtime_ns)
    settle(with_a)
    assert (with_a.layout.ledger.read_bytes(), with_a.layout.ledger.stat().st_mtime_ns) == before


def test_gone_and_back(with_a: PlainMachine) -> None:
    with_a.snapshot(2)
    settle(with_a)
    aside = with_a.root / "aside"
    (with_a.layout.snapshots / "2").rename(aside)
    assert [row.gone is not None for row in settle(with_a)] == [False, True]
    aside.rename(with_a.layout.snapshots / "2")
    assert [row.gone for row in settle(with_a)] == [None, None]


def test_nothing_is_gone_while_something_is_unknown(with_a: PlainMachine) -> None:
    with_a.snapshot(2)
    with_a.snapshot(3)
    settle(with_a)
    shutil.rmtree(with_a.layout.snapshots / "2")
    (with_a.layout.snapshots / "3" / "info.xml").unlink()
    assert [row.gone for row in settle(with_a)] == [None, None, None]
    shutil.rmtree(with_a.layout.snapshots)
    with_a.layout.snapshots.mkdir()
    assert [row.gone for row in settle(with_a)] == [None, None, None]


def test_images_that_are_not_known_stay_as_they_were(with_a: PlainMachine) -> None:
    settle(with_a)
    shutil.rmtree(with_a.tree(1) / "etc")
    assert [(row.state, row.images) for row in settle(with_a)] == [("unknown", (("a.raw", "a-1.raw"),))]


def test_a_number_that_is_used_again_is_another_snapshot(with_a: PlainMachine) -> None:
    (before,) = settle(with_a)
    shutil.rmtree(with_a.layout.snapshots / "1")
    with_a.snapshot(1)
    old, new = settle(with_a)
    assert (old.uuid, old.gone is not None, old.images) == (before.uuid, True, before.images)
    assert (new.number, new.gone, new.images) == (1, None, ())


def test_a_number_that_is_used_again_while_something_else_is_unknown(with_a: PlainMachine) -> None:
    with_a.snapshot(2)
    settle(with_a)
    shutil.rmtree(with_a.layout.snapshots / "1")
    with_a.snapshot(1)
    (with_a.layout.snapshots / "2" / "info.xml").unlink()
    assert [(row.number, row.gone is not None) for row in settle(with_a)] == [(1, True), (2, False), (1, False)]


def test_what_a_system_was_stays_known_when_it_cannot_be_read(with_a: PlainMachine) -> None:
    assert settle(with_a)[0].release["VERSION_ID"] == "20261101"
    shutil.rmtree(with_a.tree(1) / "etc")
    assert settle(with_a)[0].release["VERSION_ID"] == "20261101"


def test_what_boots_next_stays_known_when_nobody_can_tell(with_a: PlainMachine) -> None:
    settle(with_a)
    with Ledger(with_a.layout.ledger) as ledger:
        assert ledger.recall(DEFAULT) is None, "the root of the file system boots"
        made = with_a.snapshot(2)
        with_a.subvolumes.set_default(made.identifier)
        ledger.reconcile(look(with_a))
        assert ledger.recall(DEFAULT) == f"2 {made.uuid}"
        (with_a.root / with_a.subvolumes.DEFAULT).unlink()
        with_a.snapshot(3)
        ledger.reconcile(look(with_a))
        assert ledger.recall(DEFAULT) == f"2 {made.uuid}"


def test_why_images_were_left_out(with_a: PlainMachine) -> None:
    (snapshot,) = look(with_a).snapshots
    uuid = snapshot.subvolume.uuid
    with Ledger(with_a.layout.ledger) as ledger:
        ledger.enter(snapshot, {"b": "nothing fits", "c": "broken"})
        assert ledger.left_out(1, uuid) == {"b": "nothing fits", "c": "broken"}
        ledger.enter(snapshot, {"b": "still"})
        assert ledger.left_out(1, uuid) == {"b": "still"}
        assert ledger.left_out(1, "another") == {}


def test_events_in_their_order(with_a: PlainMachine) -> None:
    events = [LedgerEvent(time=time_text(n), kind="linked", snapshot=n, image="a", detail=str(n)) for n in (3, 1, 2)]
    with Ledger(with_a.layout.ledger) as ledger:
        ledger.add(events)
        ledger.note("rolled back", 7)
        ledger.note("rolled back", 7)
        assert list(ledger.events("linked")) == events
        assert [(event.kind, event.snapshot) for event in ledger.events()][3:] == [("rolled back", 7)]
        ledger.note("rolled back", 8)
        assert len(ledger.events("rolled back")) == 2


def test_names_that_are_no_utf8(with_a: PlainMachine) -> None:
    name = os.fsencode(with_a.tree(1) / "etc/extensions") + b"/\xff.raw"
    os.symlink(b"/var/lib/sysext-store/\xfe.raw", name)
    (with_a.tree(1) / "etc/os-release").write_bytes(b"ID=\xff\n")
    assert len(settle(with_a)[0].images) == 2
    assert settle(with_a) == settle(with_a)


def test_a_newer_schema_works_and_is_kept(with_a: PlainMachine) -> None:
    settle(with_a)
    with closing(sqlite3.connect(with_a.layout.ledger)) as newer:
        newer.executescript(
            "ALTER TABLE snapshot ADD COLUMN lease TEXT; ALTER TABLE event ADD COLUMN actor TEXT;"
            "CREATE TABLE collection (image TEXT, since TEXT); INSERT INTO collection VALUES ('a', 'then');"
            "UPDATE snapshot SET lease = 'kept'; PRAGMA user_version = 99;"
        )
    link = with_a.tree(1) / "etc/extensions/b.raw"
    link.symlink_to("/var/lib/sysext-store/b-1.raw")
    with_a.snapshot(2)
    assert [len(row.images) for row in settle(with_a)] == [2, 0]
    with Ledger(with_a.layout.ledger) as ledger:
        ledger.note("rolled back", 1)
    with closing(sqlite3.connect(with_a.layout.ledger)) as newer:
        assert newer.execute("SELECT lease FROM snapshot ORDER BY number").fetchall() == [("kept",), (None,)]
        assert newer.execute("SELECT * FROM collection").fetchall() == [("a", "then")]
        assert newer.execute("PRAGMA user_version").fetchone() == (99,)


def _rot(path: Path) -> None:
    """Everything behind the first page."""
    content = path.read_bytes()
    path.write_bytes(content[:4096] + b"\xa5" * (len(content) - 4096))


@pytest.mark.parametrize("how", ["text", "random", "rot", "header"])
def test_what_is_no_ledger_is_set_aside_and_made_anew(with_a: PlainMachine, how: str) -> None:
    settle(with_a)
    path = with_a.layout.ledger
    match how:
        case "text":
            path.write_text("no database " * 1000)
        case "random":
            path.write_bytes(bytes(range(256)) * 64)
        case "rot":
            _rot(path)
        case _:
            path.write_bytes(b"SQLite format 3\0" + b"\xff" * 8000)
    broken = path.read_bytes()
    assert [(row.number, row.images) for row in settle(with_a)] == [(1, (("a.raw", "a-1.raw"),))]
    (aside,) = path.parent.glob("ledger.db.broken-*")
    assert aside.read_bytes() == broken


def test_an_empty_file_is_filled(with_a: PlainMachine) -> None:
    with_a.layout.state.mkdir(parents=True)
    with_a.layout.ledger.touch()
    assert len(settle(with_a)) == 1
    assert list(with_a.layout.state.glob("*.broken-*")) == []


def test_a_busy_ledger_is_not_set_aside(with_a: PlainMachine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tukit_sysext.ledger.schema._BUSY_SECONDS", 0.0)
    settle(with_a)
    with closing(sqlite3.connect(with_a.layout.ledger, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            settle(with_a)
    assert len(settle(with_a)) == 1
    assert list(with_a.layout.state.glob("*.broken-*")) == []


class TestReadOnly:
    def test_it_reads(self, with_a: PlainMachine) -> None:
        settle(with_a)
        with Ledger(with_a.layout.ledger, writable=False) as ledger:
            assert len(ledger.snapshots()) == 1
            with pytest.raises(sqlite3.OperationalError):
                ledger.note("rolled back", 1)

    def test_it_makes_nothing(self, with_a: PlainMachine) -> None:
        with pytest.raises(sqlite3.OperationalError):
            Ledger(with_a.layout.ledger, writable=False)
        assert not with_a.layout.state.exists()

    def test_it_sets_nothing_aside(self, with_a: PlainMachine) -> None:
        with_a.layout.state.mkdir(parents=True)
        with_a.layout.ledger.write_text("no database")
        with Ledger(with_a.layout.ledger, writable=False) as ledger, pytest.raises(sqlite3.DatabaseError):
            ledger.snapshots()
        assert [path.name for path in with_a.layout.state.iterdir()] == ["ledger.db"]
