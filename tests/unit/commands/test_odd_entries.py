# SPDX-License-Identifier: LGPL-2.1-or-later
"""Entries of /etc/extensions whose image no name tells: each command calls them the same, and hints at what helps."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.machine import PlainMachine, with_source
from tests.trees import Link, make_tree
from tukit_sysext import cli

STORE = "/var/lib/sysext-store"


@pytest.fixture
def odd_entries(tmp_path: Path) -> PlainMachine:
    """A link to a file of the store whose name says nothing, one to none, and a directory."""
    site = with_source(tmp_path)
    site.snapshot_with(1, {"gdb": "1.0"})
    site.snapshot_with(2, {"gdb": "1.0", "fine": "1.0"}, default=True)
    make_tree(
        site.tree(2),
        {
            "etc/extensions/odd.raw": Link(f"{STORE}/odd.raw"),
            "etc/extensions/missing.raw": Link(f"{STORE}/missing-1.0.x86-64.raw"),
            "etc/extensions/folder/usr/file": "",
        },
    )
    make_tree(site.layout.store, {"odd.raw": "no image"})
    site.boot(2)
    return site


def told(site: PlainMachine, capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    cli.main([*arguments], machine=site.machine)
    return "".join(capsys.readouterr())


@pytest.mark.root
@pytest.mark.parametrize("command", ["list", "why-not"])
@pytest.mark.parametrize(("name", "entry"), [("odd", "odd.raw"), ("folder", "folder")])
def test_who_asks_for_one_is_told_that_it_is_there(
    odd_entries: PlainMachine, capsys: pytest.CaptureFixture[str], command: str, name: str, entry: str
) -> None:
    text = told(odd_entries, capsys, command, name)
    assert f"{name}: /etc/extensions/{entry} exists, but of which image is not known" in text
    assert f"next step:\n    tukit-sysext adopt --dry-run {name}" in text


def test_they_have_one_name(odd_entries: PlainMachine, capsys: pytest.CaptureFixture[str]) -> None:
    head = told(odd_entries, capsys, "snapshots").splitlines()[0].split()
    assert {"missing", "odd", "(folder)"} <= set(head)
    assert not {"odd.raw", "missing.raw"} & set(head)
    difference = {line.split()[0] for line in told(odd_entries, capsys, "diff", "1", "2").splitlines()[4:]}
    assert {"missing", "odd", "folder"} <= difference


def test_a_link_to_nothing_is_not_installed(odd_entries: PlainMachine, capsys: pytest.CaptureFixture[str]) -> None:
    text = told(odd_entries, capsys, "list", "missing")
    assert "linked, not wanted, but missing" in text
    assert "1 image, 0 installed" in text
    assert "adopt" not in text


@pytest.mark.root
def test_what_cannot_be_taken_over_is_not_offered_for_that(
    odd_entries: PlainMachine, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = told(odd_entries, capsys, "check").splitlines()
    rest = lines[lines.index("Not ours, never changed:") :]
    assert any(line.startswith("  missing.raw: ") and "would not be merged" in line for line in rest)
    assert not [line for line in rest if "would not be merged" in line and "adopt" in line]
    # an ordinary user cannot look into images: nothing speaks against this one
    odd_entries.as_user()
    lines = told(odd_entries, capsys, "check").splitlines()
    at = next(number for number, line in enumerate(lines) if line.startswith("  fine.raw: "))
    assert lines[at + 1 : at + 3] == ["    to take it over:", "      tukit-sysext adopt fine"]


@pytest.mark.root
@pytest.mark.parametrize(
    "argv", [("status",), ("verify",), ("list",), ("snapshots",), ("doctor",), ("check",), ("adopt", "-n")]
)
def test_what_systemd_leaves_beside_what_it_locked_is_nothing(
    odd_entries: PlainMachine, capsys: pytest.CaptureFixture[str], argv: tuple[str, ...]
) -> None:
    told(odd_entries, capsys, *argv)  # the first one makes a folder
    before = told(odd_entries, capsys, *argv)
    make_tree(odd_entries.root, {"etc/extensions/.#folder.lck": "", "etc/extensions/.#gdb.raw.lck": ""})
    assert told(odd_entries, capsys, *argv) == before
    make_tree(odd_entries.root, {"etc/extensions/.#gdb.raw": ""})
    assert ".#gdb.raw " in told(odd_entries, capsys, "status")
