# SPDX-License-Identifier: LGPL-2.1-or-later
"""What is lost after a power cut is told, and what may be so is not."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.powercuts.judging import STORE, Holding, lost, runs

OLD, NEW = "a-1.0.x86-64.raw", "a-2.0.x86-64.raw"
PUBLISHED = {OLD: "old", NEW: "new"}
BEFORE = Holding(default="1", snapshots={"1": {"a.raw": f"{STORE}/{OLD}"}}, store={OLD: "old"}, records={OLD: "old"})
AFTER = Holding(
    default="2", snapshots={**BEFORE.snapshots, "2": {"a.raw": f"{STORE}/{NEW}"}}, store=PUBLISHED, records=PUBLISHED
)


def told(found: Holding) -> list[str]:
    return [*lost(found, BEFORE, AFTER, PUBLISHED, {"1", "2"})]


def test_the_old_and_the_new_state_are_well() -> None:
    assert told(BEFORE) == []
    assert told(AFTER) == []
    assert told(replace(AFTER, default="1")) == [], "a default that nobody waited for"


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (replace(AFTER, store={OLD: "old"}), "which is not there"),
        (replace(AFTER, store={**PUBLISHED, NEW: "nothing"}), "which is damaged"),
        (replace(AFTER, records={OLD: "old"}), "whose record says nothing"),
        (replace(AFTER, records={**PUBLISHED, NEW: "old"}), "whose record says old"),
        (replace(AFTER, snapshots={**AFTER.snapshots, "2": {"a.raw": "/elsewhere/a.raw"}}), "not in the store"),
        (replace(AFTER, snapshots={**AFTER.snapshots, "2": {"a.raw": ""}}), "leads to nothing"),
        (replace(AFTER, snapshots={"1": {}}), "snapshot 1: a.raw is None"),
        (replace(AFTER, snapshots={"1": AFTER.snapshots["2"]}), "snapshot 1: a.raw is"),
        (replace(AFTER, snapshots={"2": AFTER.snapshots["2"]}), "snapshot 1 is gone"),
        (replace(BEFORE, snapshots={"1": {}}, store={}), f"{OLD} is gone"),
        (replace(BEFORE, store={OLD: "nothing"}), f"{OLD} is damaged"),
        (replace(AFTER, default="3"), "snapshot 3 boots"),
    ],
)
def test_what_is_lost(found: Holding, words: str) -> None:
    assert any(words in line for line in told(found)), told(found)


def test_what_runs_is_what_the_snapshot_links() -> None:
    assert [*runs(AFTER, {"a": "2.0"})] == []
    for merged in ({}, {"a": "1.0"}, {"a": "2.0", "b": "1.0"}):
        assert [*runs(AFTER, merged)] != []
