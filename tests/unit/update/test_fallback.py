# SPDX-License-Identifier: LGPL-2.1-or-later
"""A newer version that is broken or away, and an older one in its place: every output says so (threat P10)."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.machine import OLD, PlainMachine
from tests.unit.integrity.verify_site import fake_look_inside
from tukit_sysext import cli
from tukit_sysext.errors import ImageBroken, SourceUnreachable, TukitSysextError
from tukit_sysext.sources.directory import DirectorySource

pytestmark = pytest.mark.usefixtures("hook_process")

BREAK: dict[str, tuple[Callable[[Path], object], str]] = {
    "broken": (lambda path: path.write_bytes(b"another content"), "broken"),
    "away": (lambda path: path.unlink(), "cannot be fetched"),
}


@pytest.fixture(params=[True, False], ids=["replaced", "kept"])
def replaced(request: pytest.FixtureRequest) -> bool:
    """Whether there is a version between the linked one and the one that cannot be had."""
    return bool(request.param)


@pytest.fixture(params=BREAK)
def way(request: pytest.FixtureRequest) -> str:
    """How it goes wrong."""
    return str(request.param)


@pytest.fixture
def standing(way: str) -> str:
    return BREAK[way][1]


@pytest.fixture
def said(standing: str) -> str:
    """What is said of it everywhere."""
    return f"3.0 of source main could not be had, {standing}: "


@pytest.fixture
def newer_gdb_is_lost(
    way: str, linked_gdb: PlainMachine, monkeypatch: pytest.MonkeyPatch, replaced: bool
) -> PlainMachine:
    """3.0 is offered, and cannot be had; perhaps 2.0 is, too."""
    fake_look_inside(monkeypatch, level=OLD)
    linked_gdb.want("gdb")
    linked_gdb.publish("gdb", "3.0")
    if replaced:
        linked_gdb.publish("gdb", "2.0")
    BREAK[way][0](linked_gdb.source / "gdb-3.0.x86-64.raw")
    return linked_gdb


def document(site: PlainMachine, capsys: pytest.CaptureFixture[str], *arguments: str, status: int = 0) -> Any:
    capsys.readouterr()
    assert cli.main([*arguments, "--json"], machine=site.machine) == status
    return json.loads(capsys.readouterr().out)


def test_the_hook_status_and_history(
    newer_gdb_is_lost: PlainMachine, replaced: bool, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    newer_gdb_is_lost.transact(7, {"gdb": "1.0"})
    out, err = capsys.readouterr()
    assert out == ("gdb: 1.0 -> 2.0, from source main\n" if replaced else "")
    assert f"tukit-sysext: gdb: {'2.0' if replaced else '1.0'} serves, as {said}" in err
    tree = next(
        tree for tree in document(newer_gdb_is_lost, capsys, "status")["trees"] if tree["tree"]["snapshot"] == 7
    )
    assert tree["images"][0]["not_had"].startswith(said)
    assert cli.main(["status"], machine=newer_gdb_is_lost.machine) == 0
    assert "could not be had" in capsys.readouterr().out
    events = document(newer_gdb_is_lost, capsys, "history")["events"]
    assert [event["detail"].startswith(said) for event in events if event["kind"] == "could not be had"] == [True]


def test_why_not_says_what_happened(
    newer_gdb_is_lost: PlainMachine, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """That 3.0 is taken is not known before it was fetched; that it could not be had the last time is."""
    newer_gdb_is_lost.transact(7, {"gdb": "1.0"})
    found = document(newer_gdb_is_lost, capsys, "why-not", "--snapshot", "7", "gdb")
    assert found["not_had"].startswith(said)
    assert cli.main(["why-not", "--snapshot", "7", "gdb"], machine=newer_gdb_is_lost.machine) == 0
    told = " ".join(capsys.readouterr().out.split())
    assert "3.0 would be fetched and used" in told
    assert f"When this tree was changed last, {said}" in told


def test_update_says_it(
    newer_gdb_is_lost: PlainMachine, replaced: bool, standing: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    found = document(newer_gdb_is_lost, capsys, "update", status=1)
    (image,) = found["trees"][0]["images"]
    assert image["version"] == ("2.0" if replaced else "1.0")
    prevented = image["prevented"]
    assert (prevented["version"], prevented["source"], prevented["standing"]) == (
        "3.0",
        "main",
        standing,
    )
    cli.main(["update"], machine=newer_gdb_is_lost.machine)
    assert said in capsys.readouterr().err


def test_it_is_over_when_it_comes(newer_gdb_is_lost: PlainMachine, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["update"], machine=newer_gdb_is_lost.machine) == 1
    newer_gdb_is_lost.publish("gdb", "3.0")
    assert cli.main(["update"], machine=newer_gdb_is_lost.machine) == 0
    (tree,) = document(newer_gdb_is_lost, capsys, "status")["trees"]
    assert [(image["version"], image["not_had"]) for image in tree["images"]] == [("3.0", None)]


@pytest.mark.parametrize(("error", "why"), [(SourceUnreachable, "cannot be fetched"), (ImageBroken, "broken")])
def test_a_source_that_raises_what_keeps_its_images_away_ends_nothing(
    linked_gdb: PlainMachine,
    error: type[TukitSysextError],
    why: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def raises(*_: object) -> None:
        raise error("no index")

    linked_gdb.want("gdb")
    linked_gdb.publish("gdb", "3.0")
    monkeypatch.setattr(DirectorySource, "fetch", raises)
    linked_gdb.transact(7, {"gdb": "1.0"})
    said = f"gdb: 1.0 serves, as 3.0 of source main could not be had, {why}: no index"
    assert said in capsys.readouterr().err
