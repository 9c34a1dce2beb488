# SPDX-License-Identifier: LGPL-2.1-or-later
"""``--dry-run`` of what changes sources, and of repairs: it tells, for everybody, and changes nothing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.lab.signing import SigningKey
from tests.machine import PlainMachine
from tests.trees import Link, listing, make_tree
from tukit_sysext import cli

URL = "https://images.example.org/microos/"
IMAGE = "gdb-1.0.x86-64.raw"


@pytest.fixture
def of_a_user(linked_gdb: PlainMachine) -> PlainMachine:
    linked_gdb.want("gdb")
    linked_gdb.as_user()
    return linked_gdb


def told(site: PlainMachine, capsys: pytest.CaptureFixture[str], *arguments: str, status: int = 0) -> str:
    before = listing(site.root)
    assert cli.main([*arguments], machine=site.machine) == status
    assert listing(site.root) == before
    return "".join(capsys.readouterr())


def test_adding_a_source(of_a_user: PlainMachine, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    key = SigningKey.shared()
    (tmp_path / "key").write_bytes(key.public(True))
    add = ("sources", "add", "-n", "web", URL, "--no-check", "--key", str(tmp_path / "key"))
    text = told(of_a_user, capsys, *add)
    assert "/etc/tukit-sysext/sources.d/web.conf would be written" in text
    assert key.fingerprint[:4] in text
    # what would fail fails
    assert "there is a source main already" in told(
        of_a_user, capsys, "sources", "add", "-n", "main", URL, "--key", str(tmp_path / "key"), status=1
    )
    other = ("--fingerprint", "F" * 40)
    assert "expected a key with the fingerprint" in told(of_a_user, capsys, *add, *other, status=1)


def test_removing_a_source(of_a_user: PlainMachine, capsys: pytest.CaptureFixture[str]) -> None:
    make_tree(of_a_user.root, {"etc/tukit-sysext/keyrings/main.gpg": "key"})
    assert told(of_a_user, capsys, "sources", "remove", "--dry-run", "main") == (
        "/etc/tukit-sysext/sources.d/main.conf would be removed\n/etc/tukit-sysext/keyrings/main.gpg would be removed\n"
    )
    assert "Did you mean main?" in told(of_a_user, capsys, "sources", "remove", "-n", "mian", status=1)


def test_forgetting_what_was_seen(of_a_user: PlainMachine, capsys: pytest.CaptureFixture[str]) -> None:
    assert "no list of it was seen" in told(of_a_user, capsys, "sources", "reset", "-n", "main")
    make_tree(of_a_user.root, {"var/lib/tukit-sysext/seen/main": json.dumps({"keys": {"F" * 40: 1793534400}})})
    assert "main: would be forgotten; the newest list seen was signed 2026-11-01" in told(
        of_a_user, capsys, "sources", "reset", "-n", "main"
    )


def test_repairing(of_a_user: PlainMachine, capsys: pytest.CaptureFixture[str]) -> None:
    (of_a_user.layout.store / IMAGE).unlink()
    text = told(of_a_user, capsys, "verify", "--repair", "--dry-run", status=1)
    assert "gdb 1.0: would be repaired, from a copy, or its source by the recorded hash" in text
    found = json.loads(told(of_a_user, capsys, "verify", "--repair", "-n", "--json", status=1))
    assert [item["done"] for item in found["trees"][0]["repairs"]] == ["would be repaired"]


def test_repairing_what_is_whole(of_a_user: PlainMachine, capsys: pytest.CaptureFixture[str]) -> None:
    assert "would be" not in told(of_a_user, capsys, "verify", "--repair", "--dry-run")


def test_what_the_boot_would_move(of_a_user: PlainMachine, capsys: pytest.CaptureFixture[str]) -> None:
    assert told(of_a_user, capsys, "verify", "--boot", "--dry-run") == ""
    make_tree(of_a_user.root, {"etc/extensions/round.raw": Link("round.raw")})
    assert "round.raw: would be put into quarantine" in told(of_a_user, capsys, "verify", "--boot", "--dry-run")
