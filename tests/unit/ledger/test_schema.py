# SPDX-License-Identifier: LGPL-2.1-or-later
"""The ledger over versions and accidents (threat L10): it grows, an older version works with it, a broken one goes."""

from __future__ import annotations

import fcntl
import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from tests.machine import PlainMachine, as_nobody
from tests.unit.ledger import first_ledger
from tests.unit.ledger.samples import WITH_A
from tukit_sysext.ledger.ledger import Ledger, LedgerEvent, LedgerSnapshot
from tukit_sysext.ledger.readable import copy_of, lock_of
from tukit_sysext.ledger.schema import is_to_blame
from tukit_sysext.quantities import time_text
from tukit_sysext.snapshots.snapper import scan
from tukit_sysext.system.durable import TEMPORARY_PREFIX


def an_event(kind: str, snapshot: int = 1) -> LedgerEvent:
    return LedgerEvent(time=time_text(), kind=kind, snapshot=snapshot, image=None, detail="")


def settle(site: PlainMachine) -> list[LedgerSnapshot]:
    with Ledger(site.layout.ledger) as ledger:
        ledger.reconcile(scan(site.layout, site.subvolumes))
        return list(ledger.snapshots())


def aside(site: PlainMachine) -> list[Path]:
    return sorted(path for path in site.layout.state.glob("*.broken-*") if not path.name.endswith("-journal"))


def sql(site: PlainMachine, script: str) -> None:
    with closing(sqlite3.connect(site.layout.ledger)) as connection:
        connection.executescript(script)


def test_whoever_is_interrupted_while_others_are_given_their_copy_holds_no_lock(
    with_a: PlainMachine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    ledger = Ledger(with_a.layout.ledger)
    monkeypatch.setattr("tukit_sysext.ledger.schema.publish", interrupted)
    with pytest.raises(KeyboardInterrupt), ledger:
        pass
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        ledger.events()


class TestVersions:
    def test_a_ledger_of_the_first_version_grows_and_keeps_what_it_knew(self, with_a: PlainMachine) -> None:
        first_ledger.make(with_a.layout.ledger)
        old, new = settle(with_a)
        assert (old.number, old.gone, old.images) == (901, "2026-11-02T10:00:00Z", (("a.raw", "a-1.raw"),))
        assert (new.number, new.gone, new.release["SYSEXT_LEVEL"]) == (1, None, "glibc-2.42")
        with Ledger(with_a.layout.ledger) as ledger:
            assert [event.kind for event in ledger.events()] == ["linked", "transaction finalized"]
            assert ledger.images() == []
            ledger.remember("default", "1")
            assert ledger.recall("default") == "1"
        assert aside(with_a) == []

    def test_what_it_did_not_enter_then_is_entered_when_it_has_grown(self, with_a: PlainMachine) -> None:
        settle(with_a)
        sql(with_a, "UPDATE snapshot SET os_release = NULL")
        assert settle(with_a)[0].release["ID"] == "opensuse-microos"

    def test_the_first_version_works_with_a_ledger_of_today(self, with_a: PlainMachine) -> None:
        settle(with_a)
        with Ledger(with_a.layout.ledger) as ledger:
            ledger.mark({"a-1.raw": (7, 2)})
        with closing(sqlite3.connect(with_a.layout.ledger, isolation_level=None)) as connection:
            found = first_ledger.run(connection)
        with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
            connection.executescript(first_ledger.SCHEMA)
            expected = first_ledger.run(connection)
        assert [len(rows) for rows in found] == [len(rows) + (index in (2, 3)) for index, rows in enumerate(expected)]
        assert found[4] == [("transaction finalized", 901)]
        assert [row.number for row in settle(with_a)] == [1, 901]
        with Ledger(with_a.layout.ledger) as ledger:
            assert [(image.file, image.unreferenced_since) for image in ledger.images()] == [("a-1.raw", 7)]

    def test_two_versions_of_today_grow_it_at_once(self, with_a: PlainMachine) -> None:
        first_ledger.make(with_a.layout.ledger)
        with Ledger(with_a.layout.ledger) as one, Ledger(with_a.layout.ledger) as other:
            one.remember("a", "1")
            other.remember("b", "2")
            assert (one.recall("b"), other.recall("a")) == ("2", "1")


class TestUnusable:
    @pytest.mark.parametrize(
        "script",
        [
            "DROP TABLE event; CREATE TABLE event (id INTEGER PRIMARY KEY, what TEXT)",
            "DROP TABLE snapshot; CREATE TABLE snapshot (id INTEGER PRIMARY KEY, uuid TEXT)",
            "DROP TABLE snapshot; CREATE TABLE snapshot (id INTEGER PRIMARY KEY, number INTEGER, uuid TEXT, "
            "parent_uuid TEXT, created TEXT, system TEXT, read_only INTEGER, state TEXT, gone TEXT)",
            "DROP TABLE snapshot_image; CREATE VIEW snapshot_image AS SELECT 1 AS snapshot, 'a' AS link, 'b' AS image",
            "DROP TABLE note; CREATE TABLE note (value TEXT)",
            "DROP TABLE image; CREATE INDEX image ON event (kind)",
            "DROP TABLE snapshot_image; CREATE TABLE snapshot_image (snapshot INTEGER, link TEXT, image TEXT, "
            "more TEXT NOT NULL)",
            "DELETE FROM snapshot; CREATE TRIGGER no BEFORE INSERT ON snapshot BEGIN SELECT raise (ABORT, 'no'); END",
        ],
    )
    def test_other_tables_than_ours_are_set_aside(self, with_a: PlainMachine, script: str) -> None:
        settle(with_a)
        sql(with_a, script)
        assert [(row.number, row.images) for row in settle(with_a)] == [(1, (("a.raw", "a-1.raw"),))]
        with Ledger(with_a.layout.ledger) as ledger:
            ledger.note("rolled back", 1)
            ledger.remember("a", "b")
            assert (len(ledger.events()), ledger.recall("a"), ledger.images()) == (1, "b", [])
        assert len(aside(with_a)) == 1

    @pytest.mark.parametrize(
        "use",
        [
            lambda ledger: ledger.note("rolled back", 1),
            lambda ledger: ledger.events(),
            lambda ledger: ledger.add([an_event("k")]),
            lambda ledger: ledger.add(iter([an_event("k")])),
            lambda ledger: ledger.forget(1),
            lambda ledger: ledger.snapshots(),
        ],
    )
    def test_what_rots_while_it_is_open_is_set_aside(
        self, with_a: PlainMachine, use: Callable[[Ledger], object]
    ) -> None:
        """Also at a later statement than those of opening it, and what was asked for is done in the new one."""
        settle(with_a)
        path = with_a.layout.ledger
        with Ledger(path) as ledger:
            ledger.add(an_event("k" * 500, n) for n in range(200))
            content = path.read_bytes()
            with open(path, "r+b") as file:
                file.seek(4096)
                file.write(b"\xa5" * (len(content) - 4096))
            with closing(sqlite3.connect(path)) as other, pytest.raises(sqlite3.DatabaseError):
                other.execute("PRAGMA user_version = 9")  # a change that makes the open one read again
                other.execute("SELECT * FROM event").fetchall()
            use(ledger)
            ledger.note("settled", 7)
            assert ledger.events()[-1].kind == "settled"
        assert len(aside(with_a)) == 1
        assert len(settle(with_a)) == 1

    def test_a_schema_with_a_damaged_name_is_set_aside(self, with_a: PlainMachine) -> None:
        """One bit: the check of the file finds nothing, and Python cannot read the name."""
        settle(with_a)
        path = with_a.layout.ledger
        content = path.read_bytes()
        path.write_bytes(content.replace(b"left_out", b"left_\xefut"))
        assert [row.number for row in settle(with_a)] == [1]
        assert len(aside(with_a)) == 1

    def test_what_somebody_else_made_anew_is_not_set_aside(self, with_a: PlainMachine) -> None:
        settle(with_a)
        path = with_a.layout.ledger
        with Ledger(path) as late:
            path.write_bytes(b"no database " * 4000)
            with Ledger(path) as early:
                early.note("early", 1)
            late.note("late", 1)
        with Ledger(path) as ledger:
            assert [event.kind for event in ledger.events()] == ["early", "late"]
        assert len(aside(with_a)) == 1

    def test_its_journal_goes_with_it(self, with_a: PlainMachine) -> None:
        settle(with_a)
        journal = Path(f"{with_a.layout.ledger}-journal")
        with_a.layout.ledger.write_text("no database")
        journal.write_text("no journal")
        assert len(settle(with_a)) == 1
        assert len(aside(with_a)) == 1
        assert not journal.exists()

    def test_a_folder_in_its_place(self, with_a: PlainMachine) -> None:
        (with_a.layout.ledger / "inside").mkdir(parents=True)
        assert len(settle(with_a)) == 1
        assert (aside(with_a)[0] / "inside").is_dir()

    def test_not_all_of_them_are_kept(self, with_a: PlainMachine) -> None:
        with_a.layout.state.mkdir(parents=True)
        for second in range(9):
            (with_a.layout.state / f"ledger.db.broken-20260101-00000{second}").touch()
        with_a.layout.ledger.write_text("no database")
        settle(with_a)
        kept = [path.name for path in aside(with_a)]
        assert len(kept) == 3
        assert kept[0].endswith("20260101-000007")

    @pytest.mark.parametrize("length", [100, 4096, 4096 * 3 + 100])
    def test_one_that_was_cut_off(self, with_a: PlainMachine, length: int) -> None:
        settle(with_a)
        os.truncate(with_a.layout.ledger, length)
        assert [row.images for row in settle(with_a)] == [(("a.raw", "a-1.raw"),)]
        assert len(aside(with_a)) == 1

    @pytest.mark.parametrize(
        ("code", "blamed"),
        [
            (sqlite3.SQLITE_IOERR_READ, True),  # btrfs, for what fails its checksum
            (sqlite3.SQLITE_CORRUPT_INDEX, True),
            (sqlite3.SQLITE_IOERR_WRITE, False),
            (sqlite3.SQLITE_IOERR_FSYNC, False),
            (sqlite3.SQLITE_BUSY, False),
            (sqlite3.SQLITE_READONLY_DIRECTORY, False),
            (sqlite3.SQLITE_FULL, False),
            (sqlite3.SQLITE_CANTOPEN, False),
            (sqlite3.SQLITE_NOMEM, False),
        ],
    )
    def test_which_errors_are_its_fault(self, code: int, blamed: bool) -> None:
        error = sqlite3.OperationalError("injected")
        error.sqlite_errorcode = code
        assert is_to_blame(error) is blamed
        assert is_to_blame(sqlite3.ProgrammingError("a fault of ours")) is False

    def test_a_full_disk_is_not_its_fault(self, with_a: PlainMachine) -> None:
        settle(with_a)
        with Ledger(with_a.layout.ledger) as ledger:
            ledger._connection.execute("PRAGMA max_page_count = 1")
            with pytest.raises(sqlite3.OperationalError, match="full"):
                ledger.add(an_event("k" * 999, n) for n in range(200))
            assert ledger.events() == []
        assert aside(with_a) == []

    @pytest.mark.parametrize("lost", ["gone", "empty"])
    def test_losing_it_costs_nothing_but_memory(self, with_a: PlainMachine, lost: str) -> None:
        before = settle(with_a)
        with_a.layout.ledger.unlink()
        if lost == "empty":
            with_a.layout.ledger.touch()
        assert settle(with_a) == before
        assert aside(with_a) == []


def test_what_is_committed_is_on_the_disk(with_a: PlainMachine) -> None:
    """The file's content, and the removal of the journal, which is what commits."""
    settle(with_a)
    sql(with_a, "PRAGMA journal_mode = WAL")
    with Ledger(with_a.layout.ledger) as ledger:
        assert ledger._connection.execute("PRAGMA synchronous").fetchone() == (3,)
        assert ledger._connection.execute("PRAGMA journal_mode").fetchone() == ("delete",)
        assert ledger._connection.execute("PRAGMA foreign_keys").fetchone() == (1,)


class TestReadOnly:
    """A user who may read it, and nothing more."""

    def test_one_of_the_first_version(self, with_a: PlainMachine) -> None:
        first_ledger.make(with_a.layout.ledger)
        before = with_a.layout.ledger.read_bytes()
        with Ledger(with_a.layout.ledger, writable=False) as ledger:
            (row,) = ledger.snapshots()
            assert (row.number, row.images, row.release) == (901, (("a.raw", "a-1.raw"),), {})
            assert ledger.images() == []
            assert ledger.recall("default") is None
            assert len(ledger.events()) == 2
            assert dict(ledger.left_out(901, first_ledger.NEW_UUID)) == {"b": "broken"}
        assert with_a.layout.ledger.read_bytes() == before
        assert os.listdir(with_a.layout.state) == ["ledger.db"]

    def test_an_empty_one(self, with_a: PlainMachine) -> None:
        with_a.layout.state.mkdir(parents=True)
        with_a.layout.ledger.touch()
        with Ledger(with_a.layout.ledger, writable=False) as ledger:
            assert (ledger.snapshots(), ledger.images(), ledger.events(), ledger.recall("a")) == ([], [], [], None)

    def test_one_that_lacks_a_column(self, with_a: PlainMachine) -> None:
        settle(with_a)
        sql(with_a, "ALTER TABLE event DROP COLUMN detail; INSERT INTO event (time, kind) VALUES ('t', 'k')")
        with Ledger(with_a.layout.ledger, writable=False) as ledger:
            assert [(event.kind, event.detail) for event in ledger.events()] == [("k", "")]

    def test_everyone_reads_a_copy_that_nobody_waits_for(self, with_a: PlainMachine) -> None:
        """Who may open a database can lock it: what an ordinary user reads is not what is written to."""
        settle(with_a)
        assert with_a.layout.ledger.stat().st_mode & 0o777 == 0o600
        copy = copy_of(with_a.layout.ledger)
        assert copy.stat().st_mode & 0o777 == 0o644
        with closing(sqlite3.connect(f"file:{copy}?mode=ro", uri=True, isolation_level=None)) as reader:
            reader.execute("BEGIN")
            assert reader.execute("SELECT count(*) FROM snapshot").fetchone() == (1,)
            with_a.snapshot(2, WITH_A)
            assert [row.number for row in settle(with_a)] == [1, 2]
        assert copy.read_bytes() == with_a.layout.ledger.read_bytes()
        with_a.layout.ledger.chmod(0)
        with as_nobody(with_a.root), Ledger(with_a.layout.ledger, writable=False) as ledger:
            assert [row.number for row in ledger.snapshots()] == [1, 2]

    def test_nobody_else_reads_who_did_what(self, with_a: PlainMachine) -> None:
        """Nor from what is free of the file: an event that was forgotten leaves none of it there."""
        with Ledger(with_a.layout.ledger) as ledger:
            ledger.add(replace(an_event("held", number), uid=1_234_567_890) for number in range(500))
        with Ledger(with_a.layout.ledger) as ledger:
            ledger.forget(int(time.time()) + 60)
            ledger.add([replace(an_event("held"), uid=1_234_567_890)])
        uid = (1_234_567_890).to_bytes(4, "big")
        assert uid in with_a.layout.ledger.read_bytes()
        assert uid not in copy_of(with_a.layout.ledger).read_bytes()
        with Ledger(with_a.layout.ledger, writable=False) as ledger:
            assert [event.uid for event in ledger.events()] == [1_234_567_890]
        first = copy_of(with_a.layout.ledger).stat()
        with Ledger(with_a.layout.ledger):
            pass
        assert copy_of(with_a.layout.ledger).stat() == first, "the same ledger makes the same copy"

    def test_a_copy_that_is_missing_old_or_torn_is_made_anew(self, with_a: PlainMachine) -> None:
        settle(with_a)
        copy = copy_of(with_a.layout.ledger)
        whole = with_a.layout.ledger.read_bytes()
        for content in (None, b"", whole[: len(whole) // 2]):
            copy.unlink() if content is None else copy.write_bytes(content)
            copy.with_name(f"{TEMPORARY_PREFIX}{copy.name}.1").touch()  # of whoever was killed
            settle(with_a)
            assert copy.read_bytes() == with_a.layout.ledger.read_bytes()
            assert sorted(os.listdir(with_a.layout.state)) == ["ledger-copy.db", "ledger.db", "ledger.lock"]
        with Ledger(with_a.layout.ledger, writable=False):
            copy.unlink()
        assert not copy.exists(), "who only reads makes none"

    def test_a_copy_that_cannot_be_made_stops_nothing(
        self, with_a: PlainMachine, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("tukit_sysext.ledger.readable._PATIENCE", 0.0)
        with_a.layout.state.mkdir(parents=True)
        with open(lock_of(with_a.layout.ledger), "w") as held:
            fcntl.flock(held, fcntl.LOCK_EX)
            settle(with_a)
        assert not copy_of(with_a.layout.ledger).exists()
        with as_nobody(with_a.root), pytest.raises(PermissionError, match="no copy"):
            Ledger(with_a.layout.ledger, writable=False)

    def test_one_of_a_former_version_becomes_roots_alone(self, with_a: PlainMachine) -> None:
        first_ledger.make(with_a.layout.ledger)
        with_a.layout.ledger.chmod(0o644)
        settle(with_a)
        assert with_a.layout.ledger.stat().st_mode & 0o777 == 0o600

    def test_who_holds_it_is_named(self, with_a: PlainMachine, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("tukit_sysext.ledger.schema._BUSY_SECONDS", 0.1)
        settle(with_a)
        script = (
            "import sqlite3, sys\nc = sqlite3.connect(sys.argv[1], isolation_level=None)\n"
            "c.execute('BEGIN EXCLUSIVE')\nprint(flush=True)\nsys.stdin.read()"
        )
        with subprocess.Popen(
            [sys.executable, "-c", script, with_a.layout.ledger], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        ) as other:
            assert other.stdout is not None and other.stdout.readline() == b"\n"
            with pytest.raises(sqlite3.OperationalError, match=rf"locked for more .* process {other.pid} \("):
                settle(with_a)
            other.kill()
