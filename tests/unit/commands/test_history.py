# SPDX-License-Identifier: LGPL-2.1-or-later
"""``history``: what happened, and which snapshots had an image."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.machine import OS_RELEASE, PlainMachine
from tests.records import record
from tests.trees import Link
from tests.unit.ledger import first_ledger
from tukit_sysext.commands import history
from tukit_sysext.errors import TukitSysextError
from tukit_sysext.grammar import parser
from tukit_sysext.ledger.ledger import Ledger, LedgerEvent
from tukit_sysext.quantities import time_text
from tukit_sysext.snapshots.snapper import look, scan

NOON = 1_793_534_400  # 2026-11-01 12:00 UTC


@pytest.fixture(autouse=True)
def _five_hours_west(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "XST5")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.fixture
def remembered(site: PlainMachine) -> PlainMachine:
    """Snapshot 1 with gdb 15.1, which is gone, 2 with gdb 15.2, and 3, where it was left out."""
    for number, version in ((1, "15.1"), (2, "15.2")):
        link = Link(f"/var/lib/sysext-store/gdb-{version}.x86-64.raw")
        site.snapshot(number, {"etc/os-release": OS_RELEASE, "etc/extensions/gdb.raw": link})
    site.snapshot(3)

    def event(seconds: int, kind: str, image: str | None, detail: str) -> LedgerEvent:
        return LedgerEvent(time=time_text(NOON + seconds), kind=kind, snapshot=2, image=image, detail=detail)

    with Ledger(site.layout.ledger) as ledger:
        ledger.reconcile(scan(site.layout, site.subvolumes))
        third = look(site.layout, site.subvolumes, 3)
        assert third is not None
        ledger.enter(third, {"gdb": "nothing fits glibc-2.43"})
        ledger.add(
            [
                event(0, "replaced", "gdb", "gdb: 15.1 replaced by 15.2, from source main"),
                event(60, "linked", "debug", "debug: 1.0 added"),
                event(120, "transaction finalized", None, ""),
            ]
        )
        ledger.enter_images([record(file_name="gdb-15.1.x86-64.raw", name="gdb", version="15.1")], NOON)
        ledger.collected([("gdb-15.1.x86-64.raw", "nothing needed it")], NOON + 180)
        shutil.rmtree(site.layout.snapshots / "1")
        ledger.reconcile(scan(site.layout, site.subvolumes))
    return site


def run(site: PlainMachine, *words: str) -> int:
    return history.run(site.machine, parser().parse_args(["history", *words]))


def lines(site: PlainMachine, capsys: pytest.CaptureFixture[str], *words: str) -> list[str]:
    assert run(site, *words) == 0
    return [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]


def document(site: PlainMachine, capsys: pytest.CaptureFixture[str], *words: str) -> Any:
    assert run(site, *words, "--json") == 0
    return json.loads(capsys.readouterr().out)


def test_everything_newest_last_in_local_time(remembered: PlainMachine, capsys: pytest.CaptureFixture[str]) -> None:
    assert lines(remembered, capsys)[1:] == [
        "2026-11-01 07:00 replaced 2 gdb 15.1 replaced by 15.2, from source main",
        "2026-11-01 07:01 linked 2 debug 1.0 added",
        "2026-11-01 07:02 transaction finalized 2 -",
        "2026-11-01 07:03 collected - gdb gdb-15.1.x86-64.raw: nothing needed it",
    ]


@pytest.mark.parametrize("word", ["gdb", "gdb.raw", "gdb-15.1.x86-64.raw"])
def test_of_one_image(remembered: PlainMachine, capsys: pytest.CaptureFixture[str], word: str) -> None:
    found = lines(remembered, capsys, word)
    assert [line.split()[2] for line in found[1:3]] == ["replaced", "collected"]
    assert found[4] == "# Date Version Snapshot"
    first, second, third = found[5:]
    assert first.startswith("1 2026-11-01 05:00 15.1 deleted, ")
    assert second == "2 2026-11-01 05:00 15.2 exists"
    assert third == "3 2026-11-01 05:00 - exists; left out: nothing fits glibc-2.43"


def test_as_json(remembered: PlainMachine, capsys: pytest.CaptureFixture[str]) -> None:
    everything = document(remembered, capsys)
    assert everything["events"][0]["time"] == "2026-11-01T12:00:00Z"
    assert everything["snapshots"] is None
    of_gdb = document(remembered, capsys, "gdb")
    assert [event["kind"] for event in of_gdb["events"]] == ["replaced", "collected"]
    assert [(row["number"], row["version"], row["gone"] is not None) for row in of_gdb["snapshots"]] == [
        (1, "15.1", True),
        (2, "15.2", False),
        (3, None, False),
    ]
    assert of_gdb["snapshots"][2]["left_out"] == "nothing fits glibc-2.43"


def test_an_image_that_nobody_remembers(remembered: PlainMachine) -> None:
    with pytest.raises(TukitSysextError, match=r'No image "gbd" is in the history. Did you mean gdb\?') as caught:
        run(remembered, "gbd")
    assert caught.value.next_step is None


def test_no_ledger(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    site = PlainMachine(tmp_path)
    assert lines(site, capsys) == ["Nothing is remembered."]
    assert document(site, capsys) == {"events": [], "snapshots": None}
    with pytest.raises(TukitSysextError, match="is in the history"):
        run(site, "gdb")
    assert not site.layout.state.exists()


def test_a_ledger_of_the_first_version(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    site = PlainMachine(tmp_path)
    first_ledger.make(site.layout.ledger)
    assert [line.split()[2] for line in lines(site, capsys)[1:]] == ["linked", "transaction"]
    assert lines(site, capsys, "a")[-1].startswith("901 2026-11-01 05:00 1 deleted")
