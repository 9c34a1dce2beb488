# SPDX-License-Identifier: LGPL-2.1-or-later
"""A writable system whose packages zypper changed: its images follow, and nothing can be refused."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from tests.machine import NEW, OLD, OS_RELEASE, PlainMachine, with_source
from tests.trees import make_tree
from tests.unit.integrity.verify_site import fake_look_inside
from tukit_sysext import cli
from tukit_sysext.ledger.ledger import Ledger
from tukit_sysext.ledger.tables import HAD_AGAIN, MISSED
from tukit_sysext.plugins.manager import Plugins
from tukit_sysext.requirements.contents import Contents
from tukit_sysext.update import refusal


@pytest.fixture
def updated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PlainMachine:
    """gdb 1.0 is linked and required, strace 1.0 optional; then zypper brought packages of the next level."""
    fake_look_inside(monkeypatch, level=NEW)
    made = with_source(tmp_path)
    make_tree(made.root, {"etc/extensions": None})
    made.want("gdb")
    made.want("strace", Policy="optional")
    for name in ("gdb", "strace"):
        made.publish(name, "1.0")
        made.link_image(made.root, name, "1.0")
    (made.root / "etc/os-release").write_text(OS_RELEASE.replace(OLD, NEW))
    return made


def adapt(site: PlainMachine, *argv: str) -> int:
    return cli.main(["adapt", *argv], machine=site.machine)


def links(site: PlainMachine) -> dict[str, str]:
    folder = site.root / "etc/extensions"
    return {path.name: os.path.basename(path.readlink()) for path in folder.iterdir()}


def told_at_login(site: PlainMachine) -> str:
    return site.layout.motd.read_text() if site.layout.motd.exists() else ""


def test_fitting_images_come_and_unfitting_ones_go(updated: PlainMachine, capsys: pytest.CaptureFixture[str]) -> None:
    updated.publish("gdb", "2.0", NEW)
    (updated.root / "etc/extensions/foreign.raw").symlink_to("/elsewhere/foreign.raw")
    assert adapt(updated) == 0
    assert links(updated) == {"gdb.raw": "gdb-2.0.x86-64.raw", "foreign.raw": "foreign.raw"}
    out, err = capsys.readouterr()
    assert "gdb: 1.0 -> 2.0" in out
    assert "strace: 1.0 left out" in out
    assert "The running /usr is unchanged until the next boot, or:\n" in out
    assert err == ""
    assert adapt(updated) == 0
    assert capsys.readouterr().out == "", "nothing is left to do"


def test_what_is_missed_is_told_everywhere_and_refuses_nothing(
    updated: PlainMachine, capsys: pytest.CaptureFixture[str]
) -> None:
    assert adapt(updated) == 1
    assert links(updated) == {}
    err = capsys.readouterr().err
    assert "WITHOUT required images: gdb" in err
    assert "the packages are installed already, so that nothing was refused" in err
    mark = refusal.read(updated.layout.refused)
    assert mark is not None and (list(mark.missed), list(mark.images)) == (["gdb"], [])
    assert "WITHOUT required extension images: gdb" in told_at_login(updated)
    assert cli.main(["status", "--refused"], machine=updated.machine) == 1
    updated.layout.refused.unlink()
    assert refusal.known(updated.machine) is not None, "the ledger knows it after a reboot"

    updated.publish("gdb", "2.0", NEW)
    assert adapt(updated) == 0
    assert links(updated) == {"gdb.raw": "gdb-2.0.x86-64.raw"}
    assert (refusal.known(updated.machine), told_at_login(updated)) == (None, "")
    with Ledger(updated.layout.ledger, writable=False) as ledger:
        kinds = [event.kind for event in ledger.events() if event.image == "gdb"]
    assert kinds.count(MISSED) == kinds.count(HAD_AGAIN) == 1


def test_what_an_image_takes_the_place_of_is_told(
    updated: PlainMachine, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    updated.publish("gdb", "2.0", NEW)
    updated.link_image(updated.root, "gdb", "2.0", NEW)
    records = updated.machine.store().records
    record = records.read("gdb-2.0.x86-64.raw")
    assert record is not None
    records.write(replace(record, contents=Contents()))
    monkeypatch.setattr(Plugins, "shadows", lambda *_, **__: ("its openssl-3.1 is older",))

    assert adapt(updated) == 0
    assert capsys.readouterr().err == "tukit-sysext: gdb: its openssl-3.1 is older\n"


def test_a_source_that_is_away_takes_nothing_that_fits(updated: PlainMachine) -> None:
    (updated.root / "etc/os-release").write_text(OS_RELEASE)
    updated.away()
    assert adapt(updated) == 0
    assert links(updated) == {"gdb.raw": "gdb-1.0.x86-64.raw", "strace.raw": "strace-1.0.x86-64.raw"}


def test_a_dry_run_changes_nothing(updated: PlainMachine, capsys: pytest.CaptureFixture[str]) -> None:
    updated.publish("gdb", "2.0", NEW)
    assert adapt(updated, "--dry-run") == 0
    assert "gdb: 1.0 -> 2.0 would be fetched" in capsys.readouterr().out
    assert links(updated) == {"gdb.raw": "gdb-1.0.x86-64.raw", "strace.raw": "strace-1.0.x86-64.raw"}


def test_a_system_that_changes_in_transactions_is_left_alone(
    updated: PlainMachine, capsys: pytest.CaptureFixture[str]
) -> None:
    updated.subvolumes.create(updated.root, read_only=True)
    assert adapt(updated) == 0
    assert "in transactions alone" in capsys.readouterr().out
    assert links(updated) == {"gdb.raw": "gdb-1.0.x86-64.raw", "strace.raw": "strace-1.0.x86-64.raw"}
