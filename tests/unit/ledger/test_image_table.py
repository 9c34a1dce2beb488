# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the ledger remembers of image files, and what it forgets when its time has come."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.machine import PlainMachine
from tests.records import record
from tukit_sysext.ledger.ledger import Ledger, LedgerEvent
from tukit_sysext.quantities import time_text
from tukit_sysext.snapshots.snapper import scan
from tukit_sysext.update import refusal

DAY = 86400


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with Ledger(tmp_path / "ledger.db") as ledger:
        yield ledger


def unreferenced(ledger: Ledger) -> dict[str, tuple[int | None, int]]:
    return {image.file: (image.unreferenced_since, image.unreferenced_runs) for image in ledger.images()}


def writes(ledger: Ledger) -> int:
    return ledger._connection.total_changes


class TestEntering:
    def test_what_the_records_say(self, ledger: Ledger) -> None:
        ledger.enter_images([record(file_name="a.raw", name="a", version="1")], 5)
        (image,) = ledger.images()
        assert (image.file, image.name, image.version, image.size, image.source) == ("a.raw", "a", "1", 9, "local")
        assert (image.first_seen, image.gone) == (time_text(5), None)
        assert (image.unreferenced_since, image.unreferenced_runs) == (None, 0)

    def test_nothing_new_writes_nothing(self, ledger: Ledger) -> None:
        ledger.enter_images([record()], 5)
        before = writes(ledger)
        ledger.enter_images(iter([record()]), 6, files=[record().file_name])
        assert writes(ledger) == before

    def test_a_name_with_another_content(self, ledger: Ledger) -> None:
        ledger.enter_images([record()], 5)
        ledger.enter_images([record(b"another content")], 6)
        (image,) = ledger.images()
        assert (image.sha256, image.first_seen) == (record(b"another content").sha256, time_text(5))

    def test_gone_is_what_has_neither_file_nor_record(self, ledger: Ledger) -> None:
        names = ["both.raw", "file.raw", "record.raw", "none.raw"]
        ledger.enter_images([record(file_name=name) for name in names], 5)
        left = [record(file_name=name) for name in ("both.raw", "record.raw")]
        ledger.enter_images(left, 6)
        assert [image.gone for image in ledger.images()] == [None] * 4, "the store was not looked at"
        ledger.enter_images(left, 7, files=["both.raw", "file.raw"])
        assert [image.file for image in ledger.images() if image.gone == time_text(7)] == ["none.raw"]
        ledger.enter_images(left, 8, files=["both.raw", "none.raw"])
        assert [image.file for image in ledger.images() if image.gone is not None] == ["file.raw"]


class TestMarking:
    def test_it_replaces_the_state_of_all(self, ledger: Ledger) -> None:
        ledger.enter_images([record(file_name=name) for name in ("a.raw", "b.raw")], 5)
        ledger.mark({"a.raw": (100, 1), "unknown.raw": (100, 1)})
        assert unreferenced(ledger) == {"a.raw": (100, 1), "b.raw": (None, 0), "unknown.raw": (100, 1)}
        ledger.mark({"b.raw": (200, 1), "unknown.raw": (100, 2)})
        assert unreferenced(ledger) == {"a.raw": (None, 0), "b.raw": (200, 1), "unknown.raw": (100, 2)}
        ledger.mark({})
        assert set(unreferenced(ledger).values()) == {(None, 0)}

    def test_nothing_new_writes_nothing(self, ledger: Ledger) -> None:
        ledger.mark({"a.raw": (100, 1)})
        before = writes(ledger)
        ledger.mark({"a.raw": (100, 1)})
        assert writes(ledger) == before

    def test_a_name_that_is_no_utf8(self, ledger: Ledger) -> None:
        ledger.mark({"\udcff.raw": (100, 1)})
        ledger.mark({"\udcff.raw": (100, 2)})
        assert list(unreferenced(ledger).values()) == [(100, 2)]

    def test_entering_keeps_it(self, ledger: Ledger) -> None:
        ledger.mark({"a.raw": (100, 1)})
        ledger.enter_images([record(file_name="a.raw")], 5, files=["a.raw"])
        assert unreferenced(ledger) == {"a.raw": (100, 1)}


def test_collected(ledger: Ledger) -> None:
    ledger.enter_images([record(file_name="gdb-1.raw", name="gdb")], 5)
    ledger.mark({"gdb-1.raw": (100, 2)})
    ledger.collected([("gdb-1.raw", "no snapshot needs it"), ("left.raw", "a leftover")], 9)
    assert [(image.file, image.gone, image.unreferenced_since) for image in ledger.images()] == [
        ("gdb-1.raw", time_text(9), None),
        ("left.raw", time_text(9), None),
    ]
    assert [(event.time, event.image, event.detail) for event in ledger.events("collected")] == [
        (time_text(9), "gdb", "gdb-1.raw: no snapshot needs it"),
        (time_text(9), "left.raw", "left.raw: a leftover"),
    ]
    ledger.enter_images([record(file_name="gdb-1.raw", name="gdb")], 10)
    assert [image.gone for image in ledger.images()] == [None, time_text(9)], "fetched again"


def test_notes(ledger: Ledger) -> None:
    assert ledger.recall("default") is None
    ledger.remember("default", "1 uuid")
    before = writes(ledger)
    ledger.remember("default", "1 uuid")
    assert writes(ledger) == before
    ledger.remember("default", "2 uuid")
    assert ledger.recall("default") == "2 uuid"


class TestForgetting:
    def test_what_is_gone_long_since(self, tmp_path: Path) -> None:
        site = PlainMachine(tmp_path)
        site.snapshot(1)
        with Ledger(site.layout.ledger) as ledger:
            ledger.reconcile(scan(site.layout, site.subvolumes))
            for number, gone in ((7, 10 * DAY), (8, 30 * DAY)):
                ledger._connection.execute(
                    "INSERT INTO snapshot (number, uuid, gone) VALUES (?, ?, ?)",
                    (number, str(number), time_text(gone)),
                )
            ledger._connection.execute(
                "INSERT INTO snapshot_image SELECT id, 'a.raw', 'a-1.raw' FROM snapshot WHERE number = 7"
            )
            ledger.enter_images([record(file_name="here.raw")], 5)
            ledger.collected([("old.raw", "x")], 10 * DAY)
            ledger.collected([("young.raw", "x")], 30 * DAY)
            ledger.forget(20 * DAY)
            assert [row.number for row in ledger.snapshots()] == [1, 8]
            assert [image.file for image in ledger.images()] == ["here.raw", "young.raw"]
            assert [event.image for event in ledger.events()] == ["young.raw"]
            assert ledger._connection.execute("SELECT count(*) FROM snapshot_image").fetchone() == (0,)
            before = writes(ledger)
            ledger.forget(20 * DAY)
            assert writes(ledger) == before

    def test_since_when_a_refusal_goes_on_stays(self, tmp_path: Path) -> None:
        machine = PlainMachine(tmp_path).machine

        def event(day: int, kind: str, image: str | None) -> LedgerEvent:
            return LedgerEvent(time=time_text(day * DAY), kind=kind, snapshot=1, image=image, detail="")

        with Ledger(machine.layout.ledger) as ledger:
            ledger.add(
                [
                    event(1, "refused", "before"),
                    event(2, "refusal over", None),
                    event(3, "refused", "a"),
                    event(4, "linked", "b"),
                    event(400, "refused", "a"),
                ]
            )
            ledger.forget(500 * DAY)
            assert "linked" not in [event.kind for event in ledger.events()]
        mark = refusal.known(machine)
        assert mark is not None
        assert (list(mark.images), mark.since) == (["a"], 3 * DAY)

    def test_a_clock_in_1970(self, ledger: Ledger) -> None:
        ledger.note("rolled back", 1)
        ledger.forget(100 - 365 * DAY)
        assert len(ledger.events()) == 1
