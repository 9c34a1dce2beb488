# SPDX-License-Identifier: LGPL-2.1-or-later
"""A tombstone goes when no tree needs it, and stays while one does."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.machine import NEW, PlainMachine, snapper_info
from tests.trees import make_tree
from tukit_sysext import cli

TOMBSTONE = "etc/tukit-sysext/images.d/vim.conf"


@pytest.fixture
def removed(linked_gdb: PlainMachine) -> PlainMachine:
    """vim was removed while another tree was about to boot; by now it is the one that runs."""
    make_tree(linked_gdb.root, {TOMBSTONE: "[Image]\nState=removed\n"})
    return linked_gdb


def run(site: PlainMachine, capsys: pytest.CaptureFixture[str], *argv: str) -> str:
    assert cli.main(argv, machine=site.machine) == 0
    return capsys.readouterr().out


def test_it_goes_and_that_is_said(removed: PlainMachine, capsys: pytest.CaptureFixture[str]) -> None:
    said = "vim: images.d/vim.conf (State=removed) would go: nothing needs it any more"
    assert said in run(removed, capsys, "gc", "--dry-run")
    assert (removed.root / TOMBSTONE).exists()
    assert json.loads(run(removed, capsys, "gc", "--dry-run", "--json"))["tombstones"] == ["vim"]
    assert said.replace("would go", "is gone") in run(removed, capsys, "gc")
    assert not (removed.root / TOMBSTONE).exists()
    assert "State=removed" not in run(removed, capsys, "gc")


def another_boots_next(site: PlainMachine) -> None:
    site.snapshot_with(2, {}, level=NEW, default=True)


def one_is_being_made(site: PlainMachine) -> None:
    site.snapshot(2, info=snapper_info(2, in_progress=True))


def shipped(site: PlainMachine) -> None:
    make_tree(site.root, {"usr/lib/tukit-sysext/images.d/vim.conf": "[Image]\n"})


def masked_below(site: PlainMachine) -> None:
    make_tree(site.root, {"run/tukit-sysext/images.d/vim.conf": ""})


def still_linked(site: PlainMachine) -> None:
    site.link_image(site.root, "vim", "9")


def linked_by_another_name(site: PlainMachine) -> None:
    site.link_image(site.root, "vim", "9")
    (site.root / "etc/extensions/vim.raw").rename(site.root / "etc/extensions/editor.raw")


def with_a_fault(site: PlainMachine) -> None:
    make_tree(site.root, {TOMBSTONE: "[Image]\nState=removed\nState=perhaps\n"})


def unknown_links(site: PlainMachine) -> None:
    (site.root / "etc/extensions").rename(site.root / "etc/aside")
    make_tree(site.root, {"etc/extensions": "a file"})


@pytest.mark.parametrize(
    "needs",
    [another_boots_next, one_is_being_made, shipped, masked_below, still_linked, linked_by_another_name, with_a_fault,
     unknown_links],
)  # fmt: skip
def test_it_stays_while_a_tree_needs_it(
    removed: PlainMachine, capsys: pytest.CaptureFixture[str], needs: Callable[[PlainMachine], None]
) -> None:
    needs(removed)
    assert cli.main(["gc"], machine=removed.machine) in (0, 1)
    assert "images.d/vim.conf" not in "".join(capsys.readouterr()).replace("/etc/tukit-sysext/images.d/vim.conf", "")
    assert (removed.root / TOMBSTONE).exists()


def test_what_a_killed_transaction_left_needs_none(removed: PlainMachine, capsys: pytest.CaptureFixture[str]) -> None:
    one_is_being_made(removed)
    make_tree(removed.root, {"proc/stat": "cpu 1\nbtime 1793534400\n"})  # two hours after the snapshot was made
    assert "vim: images.d/vim.conf (State=removed) is gone" in run(removed, capsys, "gc")


def test_a_place_that_cannot_be_written_stops_no_collection(
    removed: PlainMachine, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr("tukit_sysext.collect.tombstones.own_files.delete", refused)
    assert "State=removed" not in run(removed, capsys, "gc")
    assert (removed.root / TOMBSTONE).exists()


def test_what_is_wanted_stays(linked_gdb: PlainMachine, capsys: pytest.CaptureFixture[str]) -> None:
    linked_gdb.want("gdb", Policy="optional")
    run(linked_gdb, capsys, "gc")
    assert Path(linked_gdb.root / "etc/tukit-sysext/images.d/gdb.conf").exists()


def test_while_it_is_there_it_is_nothing_that_is_installed(
    removed: PlainMachine, capsys: pytest.CaptureFixture[str]
) -> None:
    removed.publish("vim", "9")
    assert "vim" not in run(removed, capsys, "list", "--installed")
    row = next(line for line in run(removed, capsys, "list").splitlines() if line.startswith("vim"))
    assert row.split()[-1] == "removed"
    run(removed, capsys, "gc")
    row = next(line for line in run(removed, capsys, "list").splitlines() if line.startswith("vim"))
    assert row.split()[-1] == "available"
