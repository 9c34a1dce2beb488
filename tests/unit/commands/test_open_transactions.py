# SPDX-License-Identifier: LGPL-2.1-or-later
"""A transaction that is open, one that nobody is at work at, and what a killed one left before the last boot."""

from __future__ import annotations

import json

import pytest

from tests.machine import NEW, PlainMachine, snapper_info
from tests.trees import make_tree
from tukit_sysext import cli

MADE = 1_793_527_200  # 2026-11-01 10:00 UTC, as snapper_info() has it


@pytest.fixture
def open_2(linked_gdb: PlainMachine) -> PlainMachine:
    """Snapshot 2 is in progress, as tukit marks it."""
    linked_gdb.want("gdb")
    linked_gdb.snapshot_with(2, {"gdb": "1.0"}, level=NEW)
    (linked_gdb.layout.snapshots / "2/info.xml").write_text(snapper_info(2, in_progress=True))
    return linked_gdb


def booted(site: PlainMachine, seconds: int) -> None:
    make_tree(site.root, {"proc/stat": f"cpu  1 2 3\nbtime {seconds}\nprocesses 4\n"})


def run(site: PlainMachine, capsys: pytest.CaptureFixture[str], *argv: str, status: int = 0) -> str:
    assert cli.main(argv, machine=site.machine) == status, capsys.readouterr()
    return "".join(capsys.readouterr())


@pytest.mark.parametrize("seconds", [MADE - 3600, MADE])
def test_one_of_this_boot_is_open(open_2: PlainMachine, capsys: pytest.CaptureFixture[str], seconds: int) -> None:
    booted(open_2, seconds)
    assert "snapshot 2 (open transaction):" in run(open_2, capsys, "status")
    assert "#: + boots next" not in (matrix := run(open_2, capsys, "snapshots")) and "o open transaction" in matrix
    assert "\n2o " in matrix
    (_, two) = json.loads(run(open_2, capsys, "snapshots", "--json"))["snapshots"]
    assert (two["open"], two["left"]) == (True, False)
    assert "snapshot 2 is open in a transaction and was not changed" in run(open_2, capsys, "hold", "gdb=1.0")


@pytest.mark.parametrize("stat", [None, "", "btime soon\n", "btime\n", "cpu 1\n", "btime 99999999999999999999\n"])
def test_so_it_is_where_the_boot_is_not_known(
    open_2: PlainMachine, capsys: pytest.CaptureFixture[str], stat: str | None
) -> None:
    make_tree(open_2.root, {"proc/stat": stat} if stat is not None else {})
    assert "snapshot 2 (open transaction):" in run(open_2, capsys, "status")


@pytest.mark.parametrize("date", ["", "soon", "2026-11-01"])
def test_and_where_its_date_is_not_known(open_2: PlainMachine, capsys: pytest.CaptureFixture[str], date: str) -> None:
    booted(open_2, MADE + 3600)
    info = open_2.layout.snapshots / "2/info.xml"
    info.write_text(info.read_text().replace("2026-11-01 10:00:00", date))
    assert "snapshot 2 (open transaction):" in run(open_2, capsys, "status")


class TestLeft:
    @pytest.fixture
    def left_2(self, open_2: PlainMachine) -> PlainMachine:
        booted(open_2, MADE + 3600)
        return open_2

    def test_status_says_what_removes_it(self, left_2: PlainMachine, capsys: pytest.CaptureFixture[str]) -> None:
        lines = run(left_2, capsys, "status").splitlines()
        at = next(n for n, line in enumerate(lines) if line.startswith("snapshot 2 (left by a transaction that was"))
        assert lines[at + 1 :] == ["  next step:", "    tukit abort 2"], "its images are nobody's"
        (_, two) = json.loads(run(left_2, capsys, "status", "--json"))["trees"]
        assert two["role"] == "left by a transaction that was killed"

    def test_so_does_snapshots(self, left_2: PlainMachine, capsys: pytest.CaptureFixture[str]) -> None:
        matrix = run(left_2, capsys, "snapshots")
        assert "\n2x " in matrix and "x left by a transaction that was killed" in matrix
        assert "to remove it:\n  tukit abort 2\n" in matrix
        (_, two) = json.loads(run(left_2, capsys, "snapshots", "--json"))["snapshots"]
        assert (two["open"], two["left"]) == (True, True)

    def test_and_doctor(self, left_2: PlainMachine, capsys: pytest.CaptureFixture[str]) -> None:
        cli.main(["doctor"], machine=left_2.machine)
        told = capsys.readouterr().out
        assert "left by transactions that were killed: 2" in told and "tukit abort 2" in told

    def test_nobody_is_told_to_wait_for_it(self, left_2: PlainMachine, capsys: pytest.CaptureFixture[str]) -> None:
        assert "is open in a transaction" not in run(left_2, capsys, "hold", "gdb=1.0")
        run(left_2, capsys, "remove", "gdb")
        assert not (left_2.root / "etc/tukit-sysext/images.d/gdb.conf").exists(), "no other tree has to be told"

    def test_it_cannot_be_changed(self, left_2: PlainMachine, capsys: pytest.CaptureFixture[str]) -> None:
        told = run(left_2, capsys, "hold", "--snapshot", "2", "gdb=1.0", status=1)
        assert "tukit abort 2" in told or "No image" in told

    def test_what_runs_or_boots_next_is_never_left(
        self, left_2: PlainMachine, capsys: pytest.CaptureFixture[str]
    ) -> None:
        two = left_2.subvolumes.find(left_2.tree(2))
        assert two is not None
        left_2.subvolumes.set_default(two.identifier)
        assert "left by" not in run(left_2, capsys, "status")


class TestAtWork:
    @pytest.mark.parametrize("name", ["tukit", "tukitd", "transactional-u"])
    def test_somebody_is(self, open_2: PlainMachine, capsys: pytest.CaptureFixture[str], name: str) -> None:
        make_tree(open_2.root, {"proc/1/comm": "systemd\n", "proc/77/comm": f"{name}\n"})
        assert "no tukit" not in run(open_2, capsys, "status")

    def test_nobody_is(self, open_2: PlainMachine, capsys: pytest.CaptureFixture[str]) -> None:
        make_tree(open_2.root, {"proc/1/comm": "systemd\n", "proc/78": None})
        told = run(open_2, capsys, "status")
        assert "  no tukit is at work at it\n  next step:\n    tukit close 2\n  or:\n    tukit abort 2\n" in told

    def test_nobody_knows(self, open_2: PlainMachine, capsys: pytest.CaptureFixture[str]) -> None:
        assert "no tukit" not in run(open_2, capsys, "status")
