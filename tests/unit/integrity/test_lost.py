# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the running system lost, compared with the snapshot that it was made from; and who is told."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.machine import PlainMachine, with_source
from tests.rpm import TOP
from tukit_sysext import cli
from tukit_sysext.exit_status import ExitStatus
from tukit_sysext.integrity import lost

PLUGIN = TOP / "spec/health-checker/tukit-sysext.sh"
IMAGE = "gdb-1.0.x86-64.raw"


@pytest.fixture
def site(tmp_path: Path) -> PlainMachine:
    """Snapshot 2, made from 1, runs and has its image; both want it."""
    site = with_source(tmp_path)
    first = site.snapshot_with(1, {"gdb": "1.0"})
    site.snapshot_with(2, {"gdb": "1.0"}, default=True, parent=first)
    site.boot(2)
    site.want("gdb")
    for number in (1, 2):
        shutil.copytree(site.root / "etc/tukit-sysext", site.tree(number) / "etc/tukit-sysext")
    return site


def unlink(site: PlainMachine) -> None:
    (site.root / "etc/extensions/gdb.raw").unlink()


def told(site: PlainMachine, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    status = cli.main(["verify", "--lost"], machine=site.machine)
    return status, capsys.readouterr().out.strip()


def test_nothing_is_lost(site: PlainMachine, capsys: pytest.CaptureFixture[str]) -> None:
    assert told(site, capsys) == (ExitStatus.DONE, "")


def test_a_link_that_is_gone(site: PlainMachine, capsys: pytest.CaptureFixture[str]) -> None:
    unlink(site)
    assert told(site, capsys) == (ExitStatus.LOST, "lost: gdb 1.0, which snapshot 1 has: not linked")


def test_a_link_that_is_masked_is_done_without(site: PlainMachine, capsys: pytest.CaptureFixture[str]) -> None:
    """The administrator did that; health-checker would take it back for ever."""
    unlink(site)
    (site.root / "etc/extensions/gdb.raw").symlink_to("/dev/null")
    assert told(site, capsys) == (ExitStatus.DONE, "")


def test_status_names_it(site: PlainMachine, capsys: pytest.CaptureFixture[str]) -> None:
    unlink(site)
    assert cli.main(["status"], machine=site.machine) == 0
    assert "LOST: gdb 1.0, which snapshot 1 has: not linked" in capsys.readouterr().out
    assert cli.main(["status", "--json"], machine=site.machine) == 0
    assert json.loads(capsys.readouterr().out)["lost"] == [
        {"name": "gdb", "shown": "1.0", "snapshot": 1, "reason": "not linked"}
    ]


def test_another_version_that_is_damaged(site: PlainMachine, capsys: pytest.CaptureFixture[str]) -> None:
    """The update brought 2.0, whose content is lost; 1.0 is whole."""
    site.link_image(site.root, "gdb", "2.0")
    (site.layout.store / "gdb-2.0.x86-64.raw").unlink()
    status, text = told(site, capsys)
    assert status == ExitStatus.LOST
    assert text.startswith("lost: gdb 1.0, which snapshot 1 has: missing")


def damaged_in_both(site: PlainMachine) -> None:
    (site.layout.store / IMAGE).write_bytes(b"")


def removed(site: PlainMachine) -> None:
    site.want("gdb", State="removed")
    unlink(site)


def not_wanted(site: PlainMachine) -> None:
    (site.root / "etc/tukit-sysext/images.d/gdb.conf").unlink()
    unlink(site)


def left_out(site: PlainMachine) -> None:
    site.want("gdb", Policy="optional")
    unlink(site)


def snapshot_deleted(site: PlainMachine) -> None:
    unlink(site)
    shutil.rmtree(site.layout.snapshots / "1")


def not_known(site: PlainMachine) -> None:
    unlink(site)
    (site.root / "etc/os-release").unlink()


@pytest.mark.parametrize("change", [damaged_in_both, removed, not_wanted, left_out, snapshot_deleted, not_known])
def test_what_is_no_loss(
    site: PlainMachine, capsys: pytest.CaptureFixture[str], change: Callable[[PlainMachine], None]
) -> None:
    change(site)
    assert told(site, capsys) == (ExitStatus.DONE, "")


@pytest.mark.parametrize(
    ("merged", "status"),
    [(frozenset(), ExitStatus.LOST), (frozenset({"strace"}), ExitStatus.DONE), (None, ExitStatus.DONE)],
)
def test_what_is_whole_and_not_merged(
    site: PlainMachine,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    merged: frozenset[str] | None,
    status: ExitStatus,
) -> None:
    """Repaired meanwhile: the next boot merges it. Where nothing is merged, the merge failed."""
    monkeypatch.setattr(lost, "merged_now", lambda _: merged)
    assert told(site, capsys)[0] == status


def checked(tmp_path: Path, verb: str, *, status: int = 0, mark: bool = False) -> tuple[int, str]:
    """The plugin with stand-ins for what it runs: its status, and what was run."""
    text = PLUGIN.read_text().replace("/run/tukit-sysext/repair", f"{tmp_path}/repair")
    (tmp_path / "plugin").write_text(text)
    if mark:
        (tmp_path / "repair").touch()
    for name, ends in (("systemctl", 1), ("tukit-sysext", status)):
        program = tmp_path / "bin" / name
        program.parent.mkdir(exist_ok=True)
        program.write_text(f'#!/bin/sh\necho {name} "$@" >> {tmp_path}/ran\nexit {ends}\n')
        program.chmod(0o755)
    done = subprocess.run(
        ["sh", str(tmp_path / "plugin"), verb],
        check=False,
        env={"PATH": f"{tmp_path}/bin:/usr/bin:/bin"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
    )
    ran = tmp_path / "ran"
    return done.returncode, ran.read_text() if ran.exists() else ""


@pytest.mark.parametrize("status", [0, 1, 2, 70, 127, 139, ExitStatus.LOST])
def test_the_plugin_fails_for_a_loss_alone(tmp_path: Path, status: int) -> None:
    expected = 1 if status == ExitStatus.LOST else 0
    assert checked(tmp_path, "check", status=status) == (expected, "tukit-sysext verify --lost\n")


def test_repair_has_its_chance_first(tmp_path: Path) -> None:
    ran = "systemctl start tukit-sysext-repair.service\ntukit-sysext verify --lost\n"
    assert checked(tmp_path, "check", mark=True) == (0, ran)


@pytest.mark.parametrize(("verb", "status"), [("stop", 0), ("start", 1)])
def test_the_other_verbs(tmp_path: Path, verb: str, status: int) -> None:
    assert checked(tmp_path, verb) == (status, "")
