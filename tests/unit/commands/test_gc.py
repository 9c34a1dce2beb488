# SPDX-License-Identifier: LGPL-2.1-or-later
"""What ``gc`` and ``why`` say of images that nothing needs, and of those of which nobody knows."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from tests.machine import PlainMachine, with_source
from tests.records import publish, record, sha256
from tests.trees import Link, make_tree
from tukit_sysext import cli

OLD, GONE = "gdb-1.0.x86-64.raw", "gdb-0.9.x86-64.raw"


@pytest.fixture
def unneeded_gdb(tmp_path: Path) -> PlainMachine:
    """gdb 2.0 runs, 1.0 is in snapshot 1 alone, and 0.9 was in a snapshot that is gone."""
    made = with_source(tmp_path)
    made.snapshot_with(1, {"gdb": "1.0"})
    made.snapshot_with(2, {"gdb": "2.0"}, default=True)
    made.boot(2)
    made.snapshot_with(3, {"gdb": "0.9"})
    made.layout.snapshots.joinpath("3").rename(tmp_path / "gone")
    return made


def hide(site: PlainMachine) -> None:
    etc = site.tree(1) / "etc"
    etc.rename(etc.with_name("elsewhere"))


def told(site: PlainMachine, capsys: pytest.CaptureFixture[str], *argv: str, status: int = 0) -> str:
    capsys.readouterr()
    assert cli.main([*argv], machine=site.machine) == status
    return capsys.readouterr().out


def row(text: str, name: str) -> str:
    return next(line for line in text.splitlines() if line.startswith(name))


def test_a_dry_run_says_what_would_go(unneeded_gdb: PlainMachine, capsys: pytest.CaptureFixture[str]) -> None:
    text = told(unneeded_gdb, capsys, "gc", "-n")
    assert "0 would be deleted, 0 B; the store has " in text and " freed" not in text
    unneeded_gdb.layout.root.joinpath("etc/tukit-sysext/tukit-sysext.conf").write_text("[Store]\nGrace=0\n")
    assert "0 deleted, 0 B freed; " in told(unneeded_gdb, capsys, "gc")
    size = (unneeded_gdb.layout.store / GONE).stat().st_blocks * 512
    text = told(unneeded_gdb, capsys, "gc", "-n")
    assert f"1 would be deleted, {size / 1024:.1f} KiB; the store has " in text and " freed" not in text
    assert "would be deleted: nothing needs it" in row(text, GONE)
    assert f"1 deleted, {size / 1024:.1f} KiB freed; " in told(unneeded_gdb, capsys, "gc")


def test_what_is_needed_is_described_too(unneeded_gdb: PlainMachine, capsys: pytest.CaptureFixture[str]) -> None:
    """Of which a collection reads no record."""
    odd = "of.another.tool.raw"
    content = b"another"
    publish(
        unneeded_gdb.machine.store(),
        content,
        record(content, file_name=odd, name="gdb", version="3.0", merge_name="gdb"),
    )
    make_tree(unneeded_gdb.tree(1), {"etc/extensions/other.raw": Link(f"/var/lib/sysext-store/{odd}")})
    told(unneeded_gdb, capsys, "gc")
    images = json.loads(told(unneeded_gdb, capsys, "gc", "--json"))["images"]
    assert [(each["image"], each["version"], each["sha256"]) for each in images if each["file"] == odd] == [
        ("gdb", "3.0", sha256(content))
    ]
    assert told(unneeded_gdb, capsys, "why", "gdb-3.0").startswith(odd)


def test_now_does_not_wait_for_the_grace_time(
    unneeded_gdb: PlainMachine, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor for a second run; but for what came within the last hour, which an update may be about to link."""
    text = told(unneeded_gdb, capsys, "gc", "-n")
    assert "\n1 image will go later; to collect now:\n  tukit-sysext gc --now\n" in text
    again = told(unneeded_gdb, capsys, "gc", "-n", "--unknown-origin")
    assert again.endswith("\n  tukit-sysext gc --now --unknown-origin\n")
    text = told(unneeded_gdb, capsys, "gc", "--now")
    assert "goes after" in row(text, GONE) and "--now" not in text and "0 deleted" in text
    later = time.time() + 3700
    monkeypatch.setattr(time, "time", lambda: later)
    assert "would be deleted" in row(told(unneeded_gdb, capsys, "gc", "--now", "-n"), GONE)
    assert (unneeded_gdb.layout.store / GONE).exists()
    text = told(unneeded_gdb, capsys, "gc", "--now")
    assert row(text, GONE).endswith("deleted: nothing needs it") and "1 deleted" in text
    assert not (unneeded_gdb.layout.store / GONE).exists() and (unneeded_gdb.layout.store / OLD).exists()


def test_after_a_purge_no_image_is_promised_to_go(
    unneeded_gdb: PlainMachine, capsys: pytest.CaptureFixture[str]
) -> None:
    told(unneeded_gdb, capsys, "gc")
    told(unneeded_gdb, capsys, "purge")
    for argv in (("gc", "-n"), ("gc",)):
        text = told(unneeded_gdb, capsys, *argv)
        assert row(text, GONE).endswith("so that a good image stays; gc --unknown-origin collects it")
        assert "goes after" not in text and "will go later" not in text


@pytest.mark.parametrize("argv", [("gc",), ("gc", "-n")])
def test_while_a_place_is_not_known_no_date_is_told(
    unneeded_gdb: PlainMachine, capsys: pytest.CaptureFixture[str], argv: tuple[str, ...]
) -> None:
    told(unneeded_gdb, capsys, "gc")
    assert "goes after 2" in row(told(unneeded_gdb, capsys, "gc", "-n"), GONE)
    hide(unneeded_gdb)
    text = told(unneeded_gdb, capsys, *argv, status=1)
    for name in (OLD, GONE):
        assert row(text, name).endswith("  nothing that is known needs it")
    text = told(unneeded_gdb, capsys, "why", OLD, status=1)
    assert text == f"{OLD}:\n  nothing that is known needs it\n"
    found = json.loads(told(unneeded_gdb, capsys, *argv, "--json", status=1))
    assert {image["file"]: (image["fate"], image["goes_after"]) for image in found["images"]} == {
        "gdb-2.0.x86-64.raw": ("needed", None),
        OLD: ("waits", None),
        GONE: ("waits", None),
    }


def test_what_would_go_waits_while_a_place_is_not_known(
    unneeded_gdb: PlainMachine, capsys: pytest.CaptureFixture[str]
) -> None:
    unneeded_gdb.layout.root.joinpath("etc/tukit-sysext/tukit-sysext.conf").write_text("[Store]\nGrace=0\n")
    told(unneeded_gdb, capsys, "gc")
    hide(unneeded_gdb)
    text = told(unneeded_gdb, capsys, "gc", "-n", status=1)
    assert "would be deleted:" not in text and "0 would be deleted" in text


def test_what_cannot_be_deleted_is_no_success(
    unneeded_gdb: PlainMachine, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """L16."""
    unneeded_gdb.layout.root.joinpath("etc/tukit-sysext/tukit-sysext.conf").write_text("[Store]\nGrace=0\n")
    told(unneeded_gdb, capsys, "gc")

    def refuse(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr("tukit_sysext.store.image_store.Store.remove", refuse)
    document = json.loads(told(unneeded_gdb, capsys, "gc", "--json", status=1))
    assert (document["deleted"], [each["file"] for each in document["failed"]]) == ([], [GONE])
    assert "Operation not permitted" in document["failed"][0]["reason"]


@pytest.mark.parametrize("argv", [("gc", "-n"), ("gc",), ("why", "gdb-0.9")])
def test_nothing_goes_after_a_time_that_is_past(
    unneeded_gdb: PlainMachine, capsys: pytest.CaptureFixture[str], argv: tuple[str, ...]
) -> None:
    unneeded_gdb.layout.root.joinpath("etc/tukit-sysext/tukit-sysext.conf").write_text("[Store]\nGrace=0\n")
    text = told(unneeded_gdb, capsys, *argv)
    assert "goes after" not in text
    runs = 1 if argv == ("gc",) else 2
    assert f"goes with the {'next run' if runs == 1 else 'second run from now'}" in text
    for _ in range(runs):
        assert (unneeded_gdb.layout.store / GONE).exists()
        told(unneeded_gdb, capsys, "gc")
    assert not (unneeded_gdb.layout.store / GONE).exists()


def test_a_lock_of_systemd_is_called_so(unneeded_gdb: PlainMachine, capsys: pytest.CaptureFixture[str]) -> None:
    name = ".#gdb-2.0.x86-64.raw.lck"
    (unneeded_gdb.layout.store / name).touch()
    assert "stays: a lock of systemd" in row(told(unneeded_gdb, capsys, "gc"), name)
    assert (unneeded_gdb.layout.store / name).exists()
