# SPDX-License-Identifier: LGPL-2.1-or-later
"""One settling opens the ledger once, and another process may set it aside meanwhile."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

import pytest

from tests.unit.ledger.settling_site import Site
from tukit_sysext.ledger import schema
from tukit_sysext.ledger.kept_open import kept_open, opened
from tukit_sysext.ledger.ledger import Ledger
from tukit_sysext.ledger.readable import copy_of


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where a ledger is made."""
    return tmp_path / "ledger.db"


def test_one_for_all_that_is_written_meanwhile(path: Path) -> None:
    with kept_open():
        with opened(path) as first:
            first.remember("key", "value")
        assert not copy_of(path).exists()
        with opened(path) as second:
            assert second is first
    with Ledger(copy_of(path), writable=False) as copy:
        assert copy.recall("key") == "value"


def test_by_itself_each_is_another(path: Path) -> None:
    with opened(path) as first:
        pass
    with opened(path) as second:
        assert second is not first


def test_one_that_was_set_aside_is_opened_anew(path: Path) -> None:
    with kept_open():
        with opened(path) as first:
            first.remember("key", "value")
        os.rename(path, path.with_name("aside"))
        with opened(path) as second:
            assert second.recall("key") is None
            second.remember("key", "other")
    with Ledger(path, writable=False) as ledger:
        assert ledger.recall("key") == "other"


def test_a_settling_opens_it_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    site = Site(tmp_path)
    site.snapshot(1)
    site.choose(1)
    site.settle()
    site.snapshot(2)
    site.choose(2)
    real, times = schema._open, list[Path]()

    def counted(path: Path) -> sqlite3.Connection:
        times.append(path)
        return real(path)

    monkeypatch.setattr(schema, "_open", counted)
    assert site.settle() == ["snapshot_created 2", "default_changed 2"]
    assert times == [site.layout.ledger]
    assert site.history() == ["snapshot created 2", "default changed 2"]
