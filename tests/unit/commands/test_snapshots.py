# SPDX-License-Identifier: LGPL-2.1-or-later
"""``snapshots``: the matrix of what each snapshot has, and what changed from one to the next."""

from __future__ import annotations

import json
import random
import shutil
from pathlib import Path

import pytest

from tests.machine import PlainMachine, with_source
from tests.terminal import plain
from tests.trees import Link, make_tree
from tukit_sysext import cli
from tukit_sysext.commands import snapshots as matrix
from tukit_sysext.commands.snapshots import Line


@pytest.fixture
def four_snapshots(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PlainMachine:
    site = with_source(tmp_path)
    for number, images in enumerate(({"gdb": "1.9"}, {"gdb": "1.10", "vim": "9"}, {"gdb": "1.9"}, {"gdb": "1.9"}), 1):
        site.snapshot_with(number, {**images, "same": "1"}, default=number == 4)
    site.boot(3)
    monkeypatch.setenv("TZ", "UTC")
    return site


def test_changes_are_marked(four_snapshots: PlainMachine, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["snapshots"], machine=four_snapshots.machine) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["#", "Date", "System", "gdb", "same", "vim"]
    assert [line.split()[0] for line in lines[1:5]] == ["1", "2", "3-", "4+"]
    assert [line.split()[4:] for line in lines[1:5]] == [
        ["1.9", "1", "."],
        [">1.10", "1", "+9"],
        ["<1.9", "1", "-"],
        ["1.9", "1", "."],
    ]
    assert lines[6] == "#: + boots next, - running"
    assert lines[7] == "Images: + added, > newer than before, < older than before, - removed, . none"


def test_what_is_missing_not_ours_or_not_known(
    four_snapshots: PlainMachine, capsys: pytest.CaptureFixture[str]
) -> None:
    make_tree(four_snapshots.tree(4), {"etc/extensions/by-hand.raw": Link("/opt/x")})
    next(four_snapshots.layout.store.glob("gdb-1.10*")).unlink()
    (four_snapshots.layout.snapshots / "3" / "info.xml").unlink()
    four_snapshots.snapshot(5, {"etc/os-release": "ID=opensuse-microos\n", "etc/extensions": "no directory"})
    cli.main(["snapshots"], machine=four_snapshots.machine)
    told = capsys.readouterr()
    rows = {line.split()[0]: line for line in told.out.splitlines()[1:6]}
    assert ">1.10!" in rows["2"] and "+link" in rows["4+"] and "?" in rows["5"]
    assert "(by-hand.raw)" in told.out.splitlines()[0]
    assert "! damaged or missing, (...) not ours" in told.out
    assert "snapshot 5" in told.err


def test_what_could_not_be_read_has_nothing_in_common(four_snapshots: PlainMachine) -> None:
    four_snapshots.snapshot(5, {"etc/os-release": "ID=opensuse-microos\n", "etc/extensions": "no directory"})
    _, screen = four_snapshots.on_terminal("snapshots")
    lines = plain(screen).splitlines()
    assert "In all of them" not in plain(screen)
    assert lines[0].split()[3:] == ["gdb", "same", "vim"]
    assert lines[5].split()[-3:] == ["?", "?", "?"]
    assert "? not known" in " ".join(plain(screen).split())


def test_what_runs_and_boots_next_has_one_mark(
    four_snapshots: PlainMachine, capsys: pytest.CaptureFixture[str]
) -> None:
    four_snapshots.boot(4)
    cli.main(["snapshots"], machine=four_snapshots.machine)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[1:5]] == ["1", "2", "3", "4*"]
    assert lines[6] == "#: * running and boots next"


def test_an_image_without_a_record_is_not_damaged(
    four_snapshots: PlainMachine, capsys: pytest.CaptureFixture[str]
) -> None:
    """As after `purge`."""
    shutil.rmtree(four_snapshots.layout.records)
    cli.main(["snapshots"], machine=four_snapshots.machine)
    assert "!" not in capsys.readouterr().out


def test_a_second_link_is_no_newer_version(four_snapshots: PlainMachine, capsys: pytest.CaptureFixture[str]) -> None:
    again = four_snapshots.tree(4) / "etc/extensions/gdb-again.raw"
    again.symlink_to((four_snapshots.tree(4) / "etc/extensions/gdb.raw").readlink())
    cli.main(["snapshots", "gdb"], machine=four_snapshots.machine)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[-1] for line in lines[1:5]] == ["1.9", ">1.10", "<1.9", "1.9,1.9"]
    again.unlink()
    again.symlink_to((four_snapshots.tree(2) / "etc/extensions/gdb.raw").readlink())
    cli.main(["snapshots", "gdb"], machine=four_snapshots.machine)
    assert capsys.readouterr().out.splitlines()[4].split()[-1] in (">1.9,1.10", ">1.10,1.9")


def test_no_snapshot_and_none_that_can_be_read(
    four_snapshots: PlainMachine, capsys: pytest.CaptureFixture[str]
) -> None:
    four_snapshots.as_user()
    four_snapshots.layout.snapshots.rename(four_snapshots.root / "hidden")
    for argv in (["snapshots"], ["snapshots", "gdb"]):
        assert cli.main(argv, machine=four_snapshots.machine) == 1
        told = capsys.readouterr()
        assert told.out == ""
        assert "not known: " in told.err and f"next step:\n    sudo tukit-sysext {' '.join(argv)}" in told.err


def test_some_images_alone(four_snapshots: PlainMachine, capsys: pytest.CaptureFixture[str]) -> None:
    cli.main(["snapshots", "vim"], machine=four_snapshots.machine)
    assert capsys.readouterr().out.splitlines()[0].split()[3:] == ["vim"]
    cli.main(["snapshots", "vim", "--json"], machine=four_snapshots.machine)
    found = json.loads(capsys.readouterr().out)["snapshots"]
    assert [[image["image"] for image in snapshot["images"]] for snapshot in found] == [[], ["vim"], [], []]
    assert found[0]["date"] == "2026-11-01T10:00:00Z"


def test_a_terminal_is_told_once_what_never_changed(four_snapshots: PlainMachine) -> None:
    _, screen = four_snapshots.on_terminal("snapshots")
    assert "In all of them: same=1" in plain(screen)
    assert plain(screen).splitlines()[0].split()[3:] == ["gdb", "vim"]


@pytest.mark.parametrize("width", [40, 80, 160, None])
def test_blocks_have_everything_once_and_fit(width: int | None) -> None:
    chance = random.Random(7)
    names = [f"{'n' * chance.randrange(1, 20)}{number}" for number in range(40)]
    lines = [
        Line(
            cells=(str(number), "date"), has={name: str(chance.randrange(3)) for name in names if chance.random() < 0.7}
        )
        for number in range(9)
    ]
    blocks = matrix.blocks(("#", "Date"), lines, names, width)
    assert [name.strip() for block in blocks for name in block.head if name.strip() in names] == names
    assert all(block.head[0] == "#" and len(block.rows) == 9 for block in blocks)
    assert blocks[0].head[1] == "Date" and (width is not None or len(blocks) == 1)
    for block in blocks:
        columns = list(zip(block.head, *block.rows, strict=True))
        size = sum(max(map(len, column)) + 2 for column in columns) - 2
        assert width is None or size <= width or len(columns) <= 3


def test_changes_in_words_follow_a_snapshot_that_is_not_known() -> None:
    lines = [
        Line(cells=("1",), has={"a": "1"}),
        Line(cells=("2",), has=None),
        Line(cells=("3",), has={"a": "2", "b": "1"}),
        Line(cells=("4",), has={"a": "1"}),
        Line(cells=("5",), has={"a": "1"}),
    ]
    assert list(matrix.changes(lines, ["a", "b"])) == [["a=1"], [], [">a=2", "+b=1"], ["<a=1", "-b"], []]
    assert matrix.column(lines, "b") == [" .", " ?", "+1", "-", " ."]
    assert matrix.unchanged(lines) == {}
    assert matrix.unchanged(lines[3:]) == {"a": "1"}
    assert matrix.unchanged(lines[4:]) == {}
