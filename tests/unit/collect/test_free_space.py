# SPDX-License-Identifier: LGPL-2.1-or-later
"""Collecting for a transaction that finds the store full: it goes on, whatever comes of it."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from tests.machine import PlainMachine
from tukit_sysext.collect.collection import Collection
from tukit_sysext.collect.decision import Decision, Disposition
from tukit_sysext.collect.free_space import free_space
from tukit_sysext.errors import Busy, StoreError
from tukit_sysext.plugins.manager import Plugins
from tukit_sysext.store.image_store import StoreFile

GONE = Decision(file=StoreFile(file_name="old.raw", size=1, born=0), disposition=Disposition.GOES)


@pytest.mark.parametrize(
    ("outcome", "freed", "level", "message"),
    [
        (Collection(gone=(GONE,)), True, None, ""),
        (Collection(), False, None, ""),
        (Collection(gone=(GONE,), fault="the ledger is full"), True, logging.ERROR, "the ledger is full"),
        (Collection(unknown=("snapshot 7",)), False, logging.WARNING, "snapshot 7"),
        (Busy("somebody else collects"), False, logging.WARNING, "somebody else collects"),
        (StoreError("no store"), False, logging.ERROR, "no store"),
        (OSError("no disk"), False, logging.ERROR, "no disk"),
    ],
)
def test_whether_anything_went(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    outcome: Collection | Exception,
    freed: bool,
    level: int | None,
    message: str,
) -> None:
    def collect(*_: object, **__: object) -> Collection:
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    monkeypatch.setattr("tukit_sysext.collect.free_space.collect", collect)
    assert free_space(PlainMachine(tmp_path).machine, Plugins(), frozenset()) is freed
    assert [record.levelno for record in caplog.records] == ([level] if level is not None else [])
    assert message in caplog.text
