# SPDX-License-Identifier: LGPL-2.1-or-later
"""While an update is refused: plain words for who logs in, and an entry of the journal with fields."""

from __future__ import annotations

import re
import shutil
import socket
import struct
import subprocess
from pathlib import Path

import pytest

from tests.machine import NEW, PlainMachine
from tests.rpm import TOP
from tests.trees import make_tree
from tests.unit.integrity.verify_site import fake_look_inside
from tukit_sysext import cli, entry
from tukit_sysext.ledger.ledger import Ledger, LedgerEvent
from tukit_sysext.system import journal
from tukit_sysext.update import refusal, report
from tukit_sysext.update.refusal import HeldBack, Refusal

pytestmark = pytest.mark.usefixtures("hook_process")

CATALOGUE = TOP / "spec/tukit-sysext.catalog"
HELD = {"gdb": HeldBack(reason="nothing fits", since=1793534400)}


@pytest.fixture
def wanted_gdb(linked_gdb: PlainMachine, monkeypatch: pytest.MonkeyPatch) -> PlainMachine:
    """gdb 1.0 is required, and fits the running system alone."""
    fake_look_inside(monkeypatch, level=NEW)
    linked_gdb.want("gdb")
    return linked_gdb


def update(site: PlainMachine, number: int) -> int:
    site.snapshot_with(number, {}, level=NEW)
    for part in ("etc/tukit-sysext", "etc/extensions"):
        shutil.copytree(site.root / part, site.tree(number) / part, symlinks=True)
    return entry.main(["tukit", "finalize-pre", str(site.tree(number)), str(number)], machine=site.machine)


def test_who_logs_in_is_told_until_an_update_passes(wanted_gdb: PlainMachine) -> None:
    motd = wanted_gdb.layout.motd
    assert update(wanted_gdb, 7) == 75
    refused, step, command = motd.read_text().splitlines()
    assert re.fullmatch(r"UPDATES ARE REFUSED since \S+Z, because of extension images: gdb", refused)
    assert (step, command) == ("Why, and what to do:", "  tukit-sysext status")
    wanted_gdb.publish("gdb", "2.0", NEW)
    assert update(wanted_gdb, 8) == 0
    assert not motd.exists()


def test_an_image_that_is_missed(wanted_gdb: PlainMachine) -> None:
    refusal.show(wanted_gdb.machine, Refusal(last=0, times=0, system="", images={}, missed=HELD))
    assert "CAME WITHOUT required extension images: gdb\n" in wanted_gdb.layout.motd.read_text()


def test_it_is_told_again_after_a_reboot(wanted_gdb: PlainMachine) -> None:
    event = LedgerEvent(time="2026-11-01T10:00:00Z", kind="refused", snapshot=7, image="gdb", detail="nothing fits")
    with Ledger(wanted_gdb.layout.ledger) as ledger:
        ledger.add([event])
    assert cli.main(["verify", "--boot"], machine=wanted_gdb.machine) == 0
    assert "because of extension images: gdb" in wanted_gdb.layout.motd.read_text()


def test_a_refusal_of_the_system_before_a_soft_reboot_is_not_told(
    wanted_gdb: PlainMachine, monkeypatch: pytest.MonkeyPatch
) -> None:
    refusal.show(wanted_gdb.machine, Refusal(last=0, times=1, system="", images=HELD))
    assert cli.main(["verify", "--boot"], machine=wanted_gdb.machine) == 0
    assert wanted_gdb.layout.motd.exists(), "the same root"
    monkeypatch.setattr("tukit_sysext.system.mark.running_root", lambda: "another")
    assert cli.main(["verify", "--boot"], machine=wanted_gdb.machine) == 0
    assert not wanted_gdb.layout.motd.exists()
    assert not wanted_gdb.layout.refused.exists()


def test_names_are_no_commands_for_a_terminal(wanted_gdb: PlainMachine) -> None:
    refusal.show(wanted_gdb.machine, Refusal(last=0, times=1, system="", images={"a\x1b[2J": HELD["gdb"]}))
    assert "\x1b" not in wanted_gdb.layout.motd.read_text()


def test_where_it_cannot_be_written_the_mark_counts(wanted_gdb: PlainMachine, caplog: pytest.LogCaptureFixture) -> None:
    make_tree(wanted_gdb.root, {"run/motd.d": "a file"})
    assert update(wanted_gdb, 7) == 75
    assert refusal.read(wanted_gdb.layout.refused) is not None
    assert "refused updates are not shown at the login" in caplog.text


def test_purge_takes_it_along(wanted_gdb: PlainMachine) -> None:
    refusal.show(wanted_gdb.machine, Refusal(last=0, times=1, system="", images=HELD))
    assert cli.main(["purge", "--dry-run"], machine=wanted_gdb.machine) == 0
    assert wanted_gdb.layout.motd.exists()
    assert cli.main(["purge"], machine=wanted_gdb.machine) == 0
    assert not wanted_gdb.layout.motd.exists()


def fields(message: bytes) -> dict[str, str]:
    """An entry as the journal reads it."""
    found: dict[str, str] = {}
    while message:
        line, _, message = message.partition(b"\n")
        name, assigned, value = line.partition(b"=")
        if not assigned:
            (size,) = struct.unpack("<Q", message[:8])
            value, message = message[8 : 8 + size], message[9 + size :]
        found[name.decode()] = value.decode()
    return found


def test_the_journal_has_one_entry_with_fields(
    wanted_gdb: PlainMachine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal, "NATIVE", tmp_path / "native")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as end:
        end.bind(str(tmp_path / "native"))
        assert update(wanted_gdb, 7) == 75
        found = fields(end.recv(65536))
        end.setblocking(False)
        with pytest.raises(BlockingIOError):
            end.recv(65536)
    assert found["MESSAGE"].endswith("is refused, because of required images: gdb")
    assert (found["MESSAGE_ID"], found["SYSEXT_IMAGES"]) == (report.REFUSED_ID, "gdb")
    assert (found["SYSLOG_IDENTIFIER"], found["PRIORITY"]) == ("tukit-sysext", "3")
    assert found["SYSEXT_SYSTEM"].startswith("MicroOS")


@pytest.mark.tool("journalctl")
def test_the_catalogue_explains_both_entries(tmp_path: Path) -> None:
    folder = tmp_path / "usr/lib/systemd/catalog"
    folder.mkdir(parents=True)
    (tmp_path / "var/lib/systemd/catalog").mkdir(parents=True)
    shutil.copy(CATALOGUE, folder)
    command = ["journalctl", f"--root={tmp_path}"]
    subprocess.run([*command, "--update-catalog"], check=True, stdin=subprocess.DEVNULL)
    listed = subprocess.run([*command, "--list-catalog"], check=True, stdin=subprocess.DEVNULL, capture_output=True)
    known = {line.split()[0] for line in listed.stdout.decode().splitlines()}
    assert known == {report.REFUSED_ID, report.MISSED_ID}
    assert {"@SYSEXT_IMAGES@", "@SYSEXT_SYSTEM@"} <= set(re.findall(r"@\w+@", CATALOGUE.read_text()))
