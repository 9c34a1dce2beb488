# SPDX-License-Identifier: LGPL-2.1-or-later
"""Settling: events may come twice, in any order or not at all, and the ledger follows the disk (threats C3, C8, C9)."""

from __future__ import annotations

import os
import shutil
import sqlite3
import time
from pathlib import Path

import pytest

from tests.machine import PlainSubvolumes, snapper_info
from tests.records import record
from tests.trees import make_tree
from tests.unit.ledger.samples import WITH_A
from tests.unit.ledger.settling_site import Site
from tukit_sysext import cli
from tukit_sysext.ledger.at_boot import settle_later
from tukit_sysext.ledger.ledger import Ledger
from tukit_sysext.ledger.settling import settle
from tukit_sysext.ledger.spool import EventKind, SnapshotEvent
from tukit_sysext.plugins.manager import Plugins
from tukit_sysext.quantities import time_text
from tukit_sysext.snapshots import snapper
from tukit_sysext.snapshots.snapper import Scan
from tukit_sysext.store.record import Records


@pytest.fixture
def settled(tmp_path: Path) -> Site:
    """A machine with one snapshot, which is the default one, settled once."""
    site = Site(tmp_path)
    site.snapshot(1, WITH_A)
    site.choose(1)
    assert site.settle() == []
    return site


def test_without_any_event(settled: Site) -> None:
    settled.snapshot(2)
    settled.choose(2)
    assert settled.settle() == ["snapshot_created 2", "default_changed 2"]
    assert settled.settle() == []
    settled.choose(1)
    settled.delete(2)
    assert settled.settle() == ["snapshot_deleted 2", "default_changed 1"]
    assert settled.history() == [
        "snapshot created 2",
        "default changed 2",
        "snapshot deleted 2",
        "default changed 1",
    ]


def test_with_every_event_twice(settled: Site) -> None:
    """Old and new names of one stage, settled one by one where there is no systemd."""
    settled.snapshot(2)
    for stage in ("create-snapshot", "create-snapshot-post"):
        settled.spool("snapper", f"{stage} / btrfs 2")
        assert settled.settle() == ["snapshot_created 2"]
    settled.choose(2)
    for stage in ("set-default-snapshot", "set-default-snapshot-post"):
        settled.spool("snapper", f"{stage} / btrfs 2")
        assert settled.settle() == ["default_changed 2"]
    for stage in ("rollback", "rollback-post"):
        settled.spool("snapper", f"{stage} / btrfs 1 2")
        assert settled.settle() == ["rolled_back 2"]
    settled.choose(1)
    settled.delete(2)
    for stage in ("delete-snapshot", "delete-snapshot-post"):
        settled.spool("snapper", f"{stage} / btrfs 2")
        assert "snapshot_deleted 2" in settled.settle()
    assert settled.history() == [
        "snapshot created 2",
        "default changed 2",
        "rolled back 2",
        "snapshot deleted 2",
        "default changed 1",
    ]


def test_the_same_event_late(settled: Site) -> None:
    """Something else was settled in between; nothing is remembered twice for it."""
    settled.snapshot(2)
    settled.choose(2)
    settled.settle()
    settled.spool("snapper", "modify-snapshot-post / btrfs 1")
    settled.settle()
    for event in ("create-snapshot-post / btrfs 2", "set-default-snapshot-post / btrfs 2"):
        settled.spool("snapper", event)
    assert settled.settle() == ["snapshot_created 2", "default_changed 2"]
    assert settled.history() == ["snapshot created 2", "default changed 2", "snapshot modified 1"]


def test_the_snapper_of_old_makes_the_snapshot_before_its_etc(settled: Site) -> None:
    """At the legacy call nothing of /etc is there yet: what is entered then is not that it has no image."""
    settled.snapshot(2, {"etc": None}, info=None)
    settled.spool("snapper", "create-snapshot / btrfs 2")
    assert settled.settle() == ["snapshot_created 2"]
    make_tree(settled.tree(2), WITH_A)
    settled.close(2)
    settled.spool("snapper", "create-snapshot-post / btrfs 2")
    assert settled.settle() == ["snapshot_created 2"]
    with Ledger(settled.layout.ledger) as ledger:
        assert [(row.number, row.state, row.images) for row in ledger.snapshots()][1:] == [
            (2, "closed", (("a.raw", "a-1.raw"),))
        ]


def test_read_only_and_back(settled: Site) -> None:
    for read_only in (True, False, True):
        file = settled.tree(1) / PlainSubvolumes.FILE
        now, before = ("true", "false") if read_only else ("false", "true")
        file.write_text(file.read_text().replace(f'"read_only": {before}', f'"read_only": {now}'))
        for stage in ("set-read-only", "set-read-only-post"):
            settled.spool("snapper", f"{stage} / btrfs 1")
            assert settled.settle() == ["read_only_changed 1"]
    assert settled.history() == [f"read-only changed 1 {state}" for state in ("read-only", "writable", "read-only")]


class TestTransactions:
    @pytest.fixture
    def opened(self, settled: Site) -> Site:
        """With an open transaction."""
        settled.snapshot(5, WITH_A, info=snapper_info(5, in_progress=True))
        settled.spool("snapper", "create-snapshot-post / btrfs 5")
        settled.spool("tukit", "keep-post 5")
        assert settled.settle() == ["snapshot_created 5", "transaction_kept 5"]
        return settled

    @pytest.mark.parametrize("lost", [False, True])
    def test_finalized(self, opened: Site, lost: bool) -> None:
        opened.close(5)
        opened.choose(5)
        if not lost:
            opened.spool("tukit", "finalize-post 5")
        assert opened.settle() == ["transaction_finalized 5", "default_changed 5"]
        opened.spool("tukit", "finalize-post 5")
        opened.settle()
        assert opened.history()[2:] == ["transaction finalized 5", "default changed 5"]

    def test_discarded(self, opened: Site) -> None:
        """finalize-post comes twice, the second time for a snapshot that is not there any more."""
        opened.spool("tukit", "finalize-post 5 discarded")
        assert opened.settle() == ["transaction_discarded 5"]
        opened.delete(5)
        opened.spool("snapper", "delete-snapshot-post / btrfs 5")
        assert opened.settle() == ["snapshot_deleted 5"]
        opened.spool("tukit", "finalize-post 5")
        assert opened.settle() == []
        assert opened.history()[2:] == ["transaction discarded 5", "snapshot deleted 5"]

    def test_discarded_and_settled_once(self, opened: Site) -> None:
        opened.delete(5)
        opened.spool("tukit", "finalize-post 5 discarded")
        opened.spool("tukit", "finalize-post 5")
        assert opened.settle() == ["transaction_discarded 5", "snapshot_deleted 5"]

    def test_aborted(self, opened: Site) -> None:
        opened.delete(5)
        opened.spool("snapper", "delete-snapshot-post / btrfs 5")
        assert opened.settle() == ["transaction_aborted 5", "snapshot_deleted 5"]
        opened.spool("tukit", "abort-post 5")
        opened.settle()
        assert opened.history()[2:] == ["transaction aborted 5", "snapshot deleted 5"]

    def test_killed_and_cleaned_up_later(self, opened: Site) -> None:
        """C9: no abort-post. While it is there it is an open transaction; when it is gone, it was aborted."""
        assert opened.settle() == []
        opened.delete(5)
        assert opened.settle() == ["transaction_aborted 5", "snapshot_deleted 5"]
        assert opened.settle() == []


def test_a_number_that_is_used_again(settled: Site) -> None:
    """C3: what is told of the number is told of two snapshots."""
    old = settled.snapshot(2, WITH_A)
    settled.settle()
    settled.delete(2)
    new = settled.snapshot(2)
    assert settled.settle() == ["snapshot_deleted 2", "snapshot_created 2"]
    with Ledger(settled.layout.ledger) as ledger:
        assert [(row.uuid, row.gone is None) for row in ledger.snapshots()][1:] == [(old.uuid, False), (new.uuid, True)]
        assert [(event.kind, event.uuid) for event in ledger.events()] == [
            ("snapshot created", old.uuid),
            ("snapshot deleted", old.uuid),
            ("snapshot created", new.uuid),
        ]
    settled.spool("snapper", "delete-snapshot / btrfs 2")
    assert settled.settle() == [], "an event of the first one, late"


def test_an_event_that_the_disk_contradicts_is_dropped(settled: Site) -> None:
    settled.spool("snapper", "delete-snapshot-post / btrfs 1")
    settled.spool("snapper", "create-snapshot-post / btrfs 9")
    assert settled.settle() == []
    assert settled.history() == []


def test_what_the_caller_found(settled: Site) -> None:
    assert settled.settle(SnapshotEvent(kind=EventKind.BOOTED, number=1)) == ["booted 1"]
    assert settled.history() == ["booted 1"]


def test_a_boot_has_settled_what_nobody_settled_before(settled: Site) -> None:
    """Events are written down in /run, which is empty then."""

    def boot() -> list[Path]:
        settle_later(settled.machine, snapper.scan(settled.layout, settled.subvolumes))
        return list(settled.layout.events.glob("*"))

    assert boot() == [], "it was settled"
    settled.snapshot(2, WITH_A)
    assert len(boot()) == 1
    assert settled.settle() == ["snapshot_created 2"]
    assert boot() == []
    settled.layout.ledger.unlink()
    settled.layout.ledger.mkdir()
    assert len(boot()) == 1, "what the ledger knows cannot be told"


def test_ten_events_are_one_look_at_the_disk(settled: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[int] = []
    scan = snapper.scan

    def counted(*arguments: object) -> Scan:
        looks.append(1)
        return scan(settled.layout, settled.subvolumes)

    monkeypatch.setattr(snapper, "scan", counted)
    for _ in range(10):
        settled.spool("snapper", "modify-snapshot / btrfs 1")
    assert settled.settle() == ["snapshot_modified 1"]
    assert len(looks) == 1


def looks_again(settled: Site) -> bool:
    """Whether systemd would start the next settling by itself."""
    return settle(settled.machine, settled.plugins)


def age(settled: Site, number: int, seconds: float) -> None:
    """Have a snapshot's folder last changed so long ago."""
    when = time.time() - seconds
    os.utime(settled.layout.snapshots / str(number), (when, when))


def test_a_snapshot_that_is_being_made_is_looked_at_again(settled: Site) -> None:
    """Where no plugin tells when it is whole: its folder comes first, which is all that is seen from outside."""
    (settled.layout.snapshots / "2").mkdir()
    assert looks_again(settled)
    settled.snapshot(2, {"etc": None}, info=None)
    assert looks_again(settled)
    settled.close(2)
    assert looks_again(settled), "its /etc is still to come"
    make_tree(settled.tree(2), WITH_A)
    assert not looks_again(settled)
    with Ledger(settled.layout.ledger) as ledger:
        assert [row.images for row in ledger.snapshots() if row.number == 2] == [(("a.raw", "a-1.raw"),)]


@pytest.mark.parametrize("seconds", [90, -90], ids=["long ago", "a clock that went back"])
def test_what_stays_half_made_is_left_alone(settled: Site, seconds: float) -> None:
    settled.snapshot(2, {"etc": None}, info=None)
    age(settled, 2, seconds)
    (settled.layout.snapshots / "3").mkdir()
    age(settled, 3, seconds)
    assert not looks_again(settled)


def test_a_number_that_snapper_keeps_is_left_alone(settled: Site) -> None:
    settled.snapshot(2)
    assert not looks_again(settled)
    shutil.rmtree(settled.tree(2))
    (settled.layout.snapshots / "2" / "info.xml").unlink()
    assert not looks_again(settled)


def test_the_command_notes_that_it_has_to_look_again(settled: Site) -> None:
    assert cli.main(["settle"], machine=settled.machine) == 0
    assert list(settled.layout.events.glob("*")) == []
    (settled.layout.snapshots / "2").mkdir()
    assert cli.main(["settle"], machine=settled.machine) == 0
    assert [path.name for path in settled.layout.events.iterdir()] == ["look"]
    shutil.rmtree(settled.layout.snapshots / "2")
    assert cli.main(["settle"], machine=settled.machine) == 0
    assert list(settled.layout.events.glob("*")) == []


def test_a_ledger_that_cannot_be_opened_keeps_no_event_back(settled: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    settled.spool("snapper", "rollback-post / btrfs 2 1")
    monkeypatch.setattr(Ledger, "__init__", full)
    with pytest.raises(sqlite3.OperationalError):
        settled.settle()
    assert settled.told.take() == ["rolled_back 1"]


class TestTwoAtOnce:
    def test_an_older_look_does_not_overwrite_a_newer_one(self, settled: Site, monkeypatch: pytest.MonkeyPatch) -> None:
        settled.snapshot(2)
        settled.settle()
        scan, other = snapper.scan, Plugins()
        looks: list[int] = []

        def interrupted(*arguments: object) -> Scan:
            """While we look at the disk, the snapshot is deleted, and somebody else settles that."""
            looks.append(1)
            seen = scan(settled.layout, settled.subvolumes)
            if len(looks) == 1:
                settled.delete(2)
                settle(settled.machine, other)
            return seen

        monkeypatch.setattr(snapper, "scan", interrupted)
        settled.spool("snapper", "modify-snapshot-post / btrfs 1")
        assert settled.settle() == ["snapshot_modified 1"]
        assert len(looks) == 2 + 1, "ours twice, and the other one's"
        with Ledger(settled.layout.ledger) as ledger:
            assert [(row.number, row.gone is None) for row in ledger.snapshots()] == [(1, True), (2, False)]
        assert settled.history()[-2:] == ["snapshot deleted 2", "snapshot modified 1"]

    def test_nor_what_a_transaction_entered_meanwhile(self, settled: Site, monkeypatch: pytest.MonkeyPatch) -> None:
        scan = snapper.scan
        looks: list[int] = []

        def interrupted(*arguments: object) -> Scan:
            looks.append(1)
            seen = scan(settled.layout, settled.subvolumes)
            if len(looks) == 1:
                (settled.tree(1) / "etc/extensions/a.raw").unlink()
                (now,) = scan(settled.layout, settled.subvolumes).snapshots
                with Ledger(settled.layout.ledger) as ledger:
                    ledger.enter(now, {})
            return seen

        monkeypatch.setattr(snapper, "scan", interrupted)
        (settled.tree(1) / "etc/extensions/b.raw").symlink_to("/var/lib/sysext-store/b-1.raw")
        settled.settle()
        with Ledger(settled.layout.ledger) as ledger:
            assert ledger.snapshots()[0].images == (("b.raw", "b-1.raw"),)


class TestBooks:
    def test_what_the_store_has(self, settled: Site) -> None:
        make_tree(settled.layout.store, {"a-1.raw": b"x", "b-1.raw": b"x"})
        records = Records(settled.layout.records)
        for name in ("a-1.raw", "b-1.raw"):
            records.write(record(file_name=name, name=name[0]))
        (settled.layout.records / "c-1.raw.json").write_text("{")
        settled.settle()
        records.remove("b-1.raw")
        (settled.layout.store / "b-1.raw").unlink()
        settled.settle()
        with Ledger(settled.layout.ledger) as ledger:
            assert [(image.name, image.gone is None) for image in ledger.images()] == [("a", True), ("b", False)]

    def test_a_store_that_is_not_there_is_unknown(self, settled: Site) -> None:
        make_tree(settled.layout.store, {"a-1.raw": b"x"})
        Records(settled.layout.records).write(record(file_name="a-1.raw"))
        settled.settle()
        Records(settled.layout.records).remove("a-1.raw")
        settled.layout.store.rename(settled.root / "unmounted")
        settled.settle()
        with Ledger(settled.layout.ledger) as ledger:
            assert [image.gone for image in ledger.images()] == [None]

    @pytest.mark.parametrize(("text", "kept"), [("", True), ("[History]\nKeep=2d\n", False)])
    def test_what_is_gone_for_long_is_forgotten(self, settled: Site, text: str, kept: bool) -> None:
        make_tree(settled.root, {"etc/tukit-sysext/tukit-sysext.conf": text})
        settled.snapshot(2)
        settled.settle()
        settled.delete(2)
        settled.settle()
        with sqlite3.connect(settled.layout.ledger) as ledger:
            ledger.execute("UPDATE snapshot SET gone = ? WHERE number = 2", (time_text(time.time() - 3 * 86400),))
        ledger.close()
        settled.settle()
        with Ledger(settled.layout.ledger) as opened:
            assert [row.number for row in opened.snapshots()] == ([1, 2] if kept else [1])
