# SPDX-License-Identifier: LGPL-2.1-or-later
"""Newer images in a snapshot of their own: only where something comes, and never into what runs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.machine import PlainMachine, PlainSubvolumes, snapper_info
from tests.on_lab.sandbox import settings_of
from tests.unit.integrity.verify_site import fake_look_inside
from tukit_sysext import cli
from tukit_sysext.change import own_transaction
from tukit_sysext.system.process import ProcessResult

TRANSACTION = ["/usr/sbin/tukit", "--continue", "execute", "/usr/bin/true"]


class Programs:
    """tukit and snapper, which do nothing, but for what they say."""

    def __init__(self) -> None:
        self.ran: list[Sequence[str]] = []
        self.status = 0

    def run(self, argv: Sequence[str], **_: object) -> ProcessResult:
        self.ran.append(argv)
        return ProcessResult(status=self.status, output="7\n", messages="refused\n" if self.status else "")


@pytest.fixture
def programs(monkeypatch: pytest.MonkeyPatch) -> Programs:
    made = Programs()
    monkeypatch.setattr(own_transaction, "run", made.run)
    fake_look_inside(monkeypatch)
    return made


@pytest.fixture
def newer_gdb(linked_gdb: PlainMachine) -> PlainMachine:
    """It has gdb 1.0, and could have 2.0; its root is read-only."""
    linked_gdb.want("gdb")
    linked_gdb.publish("gdb", "1.0")
    linked_gdb.publish("gdb", "2.0")
    read_only(linked_gdb, True)
    return linked_gdb


def read_only(site: PlainMachine, value: bool) -> None:
    path = site.root / PlainSubvolumes.FILE
    path.write_text(json.dumps({**json.loads(path.read_text()), "read_only": value}))


def run(site: PlainMachine) -> int:
    return cli.main(["update", "--transaction"], machine=site.machine)


def link(site: PlainMachine) -> str:
    return (site.root / "etc/extensions/gdb.raw").readlink().name


def test_a_transaction_where_something_comes(newer_gdb: PlainMachine, programs: Programs) -> None:
    assert run(newer_gdb) == 0
    assert programs.ran == [TRANSACTION]
    assert link(newer_gdb) == "gdb-1.0.x86-64.raw", "what runs stays as it is"
    assert (newer_gdb.layout.store / "gdb-2.0.x86-64.raw").exists(), "so that the transaction is short"


def test_none_where_nothing_comes(
    newer_gdb: PlainMachine, programs: Programs, capsys: pytest.CaptureFixture[str]
) -> None:
    newer_gdb.unpublish("gdb", "2.0")
    assert run(newer_gdb) == 0
    assert programs.ran == []
    assert "No image would change." in capsys.readouterr().out


def test_none_where_it_would_be_refused(
    newer_gdb: PlainMachine, programs: Programs, capsys: pytest.CaptureFixture[str]
) -> None:
    newer_gdb.link_image(newer_gdb.root, "strace", "1.0")
    newer_gdb.link_image(newer_gdb.tree(1), "strace", "1.0")
    newer_gdb.want("strace", Block="1.0")
    assert run(newer_gdb) == 1
    assert programs.ran == []
    assert "an update would be refused, because of strace" in capsys.readouterr().err


def test_a_source_that_is_away_is_said(newer_gdb: PlainMachine, programs: Programs) -> None:
    newer_gdb.away()
    assert run(newer_gdb) == 1
    assert programs.ran == []


def test_what_boots_next_counts(newer_gdb: PlainMachine, programs: Programs) -> None:
    """It is another system, which has 2.0 already: nothing is to be done for what runs."""
    newer_gdb.snapshot_with(2, {"gdb": "2.0"}, default=True)
    for part in ("sources.d/main.conf", "images.d/gdb.conf"):
        target = newer_gdb.tree(2) / "etc/tukit-sysext" / part
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text((newer_gdb.root / "etc/tukit-sysext" / part).read_text())
    assert run(newer_gdb) == 0
    assert programs.ran == []


def test_an_open_transaction_brings_its_images_itself(newer_gdb: PlainMachine, programs: Programs) -> None:
    newer_gdb.snapshot(2, info=snapper_info(2, in_progress=True))
    assert run(newer_gdb) == 1
    assert programs.ran == []


def test_a_transaction_that_fails(
    newer_gdb: PlainMachine, programs: Programs, capsys: pytest.CaptureFixture[str]
) -> None:
    programs.status = 1
    assert run(newer_gdb) == 1
    assert "/usr/sbin/tukit: refused" in capsys.readouterr().err


def test_where_the_root_is_writable_snapper_has_it_first(newer_gdb: PlainMachine, programs: Programs) -> None:
    read_only(newer_gdb, False)
    assert run(newer_gdb) == 0
    ((*command, _, _, _, _),) = programs.ran
    assert command == ["/usr/bin/snapper", "--no-dbus", "create"]
    assert link(newer_gdb) == "gdb-2.0.x86-64.raw"


def test_without_a_snapshot_nothing_changes(newer_gdb: PlainMachine, programs: Programs) -> None:
    read_only(newer_gdb, False)
    programs.status = 1
    assert run(newer_gdb) == 1
    assert link(newer_gdb) == "gdb-1.0.x86-64.raw"


@pytest.mark.parametrize("more", ["--now", "--dry-run", "--json", "gdb", "--snapshot=1"])
def test_it_takes_nothing_else(newer_gdb: PlainMachine, programs: Programs, more: str) -> None:
    assert cli.main(["update", "--transaction", more], machine=newer_gdb.machine) == 2
    assert programs.ran == []


def test_the_unit_merges_nothing_and_is_off() -> None:
    assert settings_of("tukit-sysext-update.service")["ExecStart"] == ["/usr/bin/tukit-sysext update --transaction"]
    spec = Path(__file__).parents[3] / "spec"
    assert "tukit-sysext-update" not in (spec / "tukit-sysext.target").read_text()
    assert "tukit-sysext-update" not in (spec / "tukit-sysext.preset").read_text()
