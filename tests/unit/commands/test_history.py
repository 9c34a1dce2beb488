# SPDX-License-Identifier: LGPL-2.1-or-later
"""``history``: what happened, and which snapshots had an image."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.machine import OS_RELEASE, PlainMachine
from tests.records import record
from tests.trees import Link
from tests.unit.ledger import first_ledger
from tukit_sysext.commands import history
from tukit_sysext.errors import TukitSysextError, UsageError
from tukit_sysext.grammar import parser
from tukit_sysext.ledger.ledger import Ledger, LedgerEvent
from tukit_sysext.ledger.schema import BEGUN
from tukit_sysext.quantities import time_text
from tukit_sysext.snapshots.snapper import scan
from tukit_sysext.snapshots.snapshot import look

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


@pytest.fixture
def begun(remembered: PlainMachine) -> PlainMachine:
    """The ledger was made before all of it."""
    _begun(remembered, NOON - 8 * 86400)
    return remembered


def _begun(site: PlainMachine, when: int) -> None:
    with Ledger(site.layout.ledger) as ledger:
        ledger.remember(BEGUN, time_text(when))


def lines(site: PlainMachine, capsys: pytest.CaptureFixture[str], *words: str) -> list[str]:
    assert run(site, *words) == 0
    return [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]


def document(site: PlainMachine, capsys: pytest.CaptureFixture[str], *words: str) -> Any:
    assert run(site, *words, "--json") == 0
    return json.loads(capsys.readouterr().out)


def test_everything_newest_last_in_local_time(begun: PlainMachine, capsys: pytest.CaptureFixture[str]) -> None:
    assert lines(begun, capsys, "--all") == [
        "Time What happened # Image Why",
        "2026-11-01 07:00 replaced 2 gdb 15.1 replaced by 15.2, from source main",
        "2026-11-01 07:01 linked 2 debug 1.0 added",
        "2026-11-01 07:02 transaction finalized 2 -",
        "2026-11-01 07:03 collected - gdb gdb-15.1.x86-64.raw: nothing needed it",
    ]


def test_what_happens_to_snapshots_is_counted(begun: PlainMachine, capsys: pytest.CaptureFixture[str]) -> None:
    _, *shown, hidden, command = lines(begun, capsys)
    assert [line.split()[2] for line in shown] == ["replaced", "linked", "collected"]
    assert (hidden, command) == ("1 event of snapshots, which change no image:", "tukit-sysext history --all")
    with Ledger(begun.layout.ledger) as ledger:
        ledger.note("read-only changed", 2)
        ledger.note("rolled back", 2)
        ledger.note("booted", 2)
    _, *shown, hidden, _ = lines(begun, capsys)
    assert " rolled back 2 " in shown[-1], "which brings other images"
    assert hidden.startswith("3 events of snapshots, ")
    assert [event["kind"] for event in document(begun, capsys)["events"]][-1] == "rolled back"
    assert [event["kind"] for event in document(begun, capsys, "--all")["events"]][-1] == "booted"


@pytest.mark.parametrize(
    ("since", "kinds"),
    [
        ("2026-11-01 07:02", ["transaction finalized", "collected"]),
        ("2026-11-01 12:03 UTC", ["collected"]),
        ("2026-11-02", []),
        ("yesterday", []),
        ("@0", ["replaced", "linked", "transaction finalized", "collected"]),
    ],
)
def test_since(begun: PlainMachine, capsys: pytest.CaptureFixture[str], since: str, kinds: list[str]) -> None:
    assert [event["kind"] for event in document(begun, capsys, "--all", "--since", since)["events"]] == kinds
    if not kinds:
        assert lines(begun, capsys, "--since", since) == ["No event is remembered."]


def test_a_time_that_is_none(begun: PlainMachine) -> None:
    with pytest.raises(UsageError, match="--since soon: expected a time such as yesterday"):
        run(begun, "--since", "soon")


def test_who_did_it_is_told_to_root(begun: PlainMachine, capsys: pytest.CaptureFixture[str]) -> None:
    with Ledger(begun.layout.ledger) as ledger:
        event = LedgerEvent(time=time_text(NOON + 240), kind="held", snapshot=2, image="gdb", detail="held at 1", uid=0)
        ledger.add([event, replace(event, kind="unheld", uid=4_000_000_000)])
    shown = lines(begun, capsys)
    assert shown[0] == "Time What happened # Image Who Why"
    assert [line.split()[3:6] for line in shown[-4:-2]] == [["2", "gdb", "root"], ["2", "gdb", "4000000000"]]
    assert " gdb - " in shown[1], "nobody knows"
    assert document(begun, capsys)["events"][-2]["uid"] == 0
    begun.as_user()
    assert "Who" not in lines(begun, capsys)[0]


def test_how_many_bytes_came_is_there_for_programs(begun: PlainMachine, capsys: pytest.CaptureFixture[str]) -> None:
    with Ledger(begun.layout.ledger) as ledger:
        event = LedgerEvent(time=time_text(NOON + 240), kind="replaced", snapshot=2, image="gdb", detail="gdb: 2 -> 3")
        ledger.add([replace(event, fetched=3_000, reused=70_000)])
    *before, last = document(begun, capsys)["events"]
    assert (last["bytes_fetched"], last["bytes_reused"]) == (3_000, 70_000)
    assert {(event["bytes_fetched"], event["bytes_reused"]) for event in before} == {(None, None)}


def test_a_ledger_that_was_lost_says_since_when_it_remembers(
    remembered: PlainMachine, capsys: pytest.CaptureFixture[str]
) -> None:
    _begun(remembered, NOON)
    last = "Remembered since 2026-11-01 07:00; what happened before is not known."
    assert lines(remembered, capsys)[-1] == lines(remembered, capsys, "gdb")[-1] == last
    assert last not in lines(remembered, capsys, "--since", "2026-11-01 07:01"), "nothing of before was asked for"
    assert document(remembered, capsys)["begun"] == "2026-11-01T12:00:00Z"


@pytest.mark.parametrize("word", ["gdb", "gdb.raw", "gdb-15.1.x86-64.raw"])
def test_of_one_image(begun: PlainMachine, capsys: pytest.CaptureFixture[str], word: str) -> None:
    found = lines(begun, capsys, word)
    assert [line.split()[2] for line in found[1:3]] == ["replaced", "collected"]
    assert found[4] == "# Date Version Snapshot"
    first, second, third = found[5:]
    assert first.startswith("1 2026-11-01 05:00 15.1 deleted, ")
    assert second == "2 2026-11-01 05:00 15.2 exists"
    assert third == "3 2026-11-01 05:00 - exists; left out: nothing fits glibc-2.43"


def test_as_json(remembered: PlainMachine, capsys: pytest.CaptureFixture[str]) -> None:
    everything = document(remembered, capsys, "--all")
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
    assert lines(site, capsys) == ["No event is remembered."]
    assert document(site, capsys) == {"begun": None, "events": [], "snapshots": None}
    with pytest.raises(TukitSysextError, match="is in the history"):
        run(site, "gdb")
    assert not site.layout.state.exists()


def test_a_ledger_of_the_first_version(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    site = PlainMachine(tmp_path)
    first_ledger.make(site.layout.ledger)
    assert [line.split()[2] for line in lines(site, capsys, "--all")[1:]] == ["linked", "transaction"]
    assert lines(site, capsys, "a")[-1].startswith("901 2026-11-01 05:00 1 deleted")
