# SPDX-License-Identifier: LGPL-2.1-or-later
"""Where no systemd runs, a command settles what the hooks wrote down (threat C8)."""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest

from tests.trees import make_tree
from tests.unit.ledger.settling_site import Site
from tukit_sysext import cli


@pytest.fixture
def noted(tmp_path: Path) -> Site:
    """A machine without systemd, with a snapshot of which an event was written down."""
    site = Site(tmp_path)
    make_tree(site.layout.store, {})
    site.snapshot(1)
    site.choose(1)
    site.settle()
    site.snapshot(2)
    site.spool("snapper", "create-snapshot-post / btrfs 2")
    return site


def settles(site: Site, *words: str) -> bool:
    """Whether a command settles, after which there is no event."""
    assert len(list(site.layout.events.iterdir())) == 1
    assert cli.main(list(words), machine=site.machine) == 0
    return list(site.layout.events.iterdir()) == []


@pytest.mark.parametrize("words", [["gc"], ["history"], ["diff", "1", "2"], ["settle"]], ids=" ".join)
def test_one_that_changes_something_or_tells_of_the_past_settles(noted: Site, words: list[str]) -> None:
    assert settles(noted, *words)
    assert noted.history() == ["snapshot created 2"]


@pytest.mark.parametrize("words", [["gc", "--dry-run"], ["snapshots"], ["status"]], ids=" ".join)
def test_one_that_only_looks_writes_nothing(noted: Site, words: list[str]) -> None:
    assert not settles(noted, *words)
    assert noted.history() == []


def test_systemd_has_it_settled(noted: Site) -> None:
    make_tree(noted.root, {"run/systemd/system": None})
    assert not settles(noted, "gc")


def test_an_ordinary_user_cannot(noted: Site) -> None:
    noted.machine = replace(noted.machine, privileged=False)
    assert not settles(noted, "history")


def test_what_cannot_be_settled_stops_no_command(
    noted: Site, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def failing(*_: object, **__: object) -> None:
        raise sqlite3.OperationalError("injected")

    monkeypatch.setattr("tukit_sysext.ledger.settling.settle", failing)
    assert not settles(noted, "history")
    assert "what happened since the last command is not written down: injected" in caplog.text
