# SPDX-License-Identifier: LGPL-2.1-or-later
"""What is remembered of events: when a snapshot was made, and what a discarded one left to another."""

from __future__ import annotations

import time
from collections.abc import Sequence

import pytest

from tests.machine import NEW, PlainMachine, snapper_info
from tests.trees import make_tree
from tukit_sysext.ledger.ledger import Ledger, LedgerEvent
from tukit_sysext.ledger.settling import settle
from tukit_sysext.ledger.spool import EventKind, SnapshotEvent
from tukit_sysext.plugins.manager import Plugins
from tukit_sysext.quantities import time_text
from tukit_sysext.snapshots.snapper import scan
from tukit_sysext.snapshots.snapshot import look

DISCARDED = SnapshotEvent(kind=EventKind.TRANSACTION_DISCARDED, number=2)


def settled(site: PlainMachine, *noticed: SnapshotEvent) -> None:
    settle(site.machine, Plugins(), noticed=noticed)


def events(site: PlainMachine, kind: str | None = None) -> Sequence[LedgerEvent]:
    with Ledger(site.layout.ledger) as ledger:
        return ledger.events(kind)


def told(site: PlainMachine) -> list[tuple[str, int | None, str | None, str]]:
    return [(event.kind, event.snapshot, event.image, event.detail) for event in events(site) if event.image]


class TestDates:
    def test_a_snapshot_was_made_when_snapper_says(self, site: PlainMachine) -> None:
        site.snapshot(1)
        settled(site)
        site.snapshot(2)
        settled(site)
        assert [event.time for event in events(site, "snapshot created")] == ["2026-11-01T10:00:00Z"]

    def test_so_it_was_where_a_transaction_came_before_the_ledger_was_made_anew(self, site: PlainMachine) -> None:
        """It enters its own snapshot; all others are unknown then, and were not made just now."""
        for number in (1, 2, 3):
            site.snapshot(number)
        third = look(site.layout, site.subvolumes, 3)
        assert third is not None
        with Ledger(site.layout.ledger) as ledger:
            ledger.enter(third, {})
        settled(site)
        made = events(site, "snapshot created")
        assert [(event.snapshot, event.time) for event in made] == [
            (1, "2026-11-01T10:00:00Z"),
            (2, "2026-11-01T10:00:00Z"),
        ]

    @pytest.mark.parametrize("date", ["2999-01-01 00:00:00", "soon", ""])
    def test_not_when_that_cannot_be(self, site: PlainMachine, date: str) -> None:
        site.snapshot(1)
        settled(site)
        before = time_text()
        site.snapshot(2, info=snapper_info(2).replace("2026-11-01 10:00:00", date))
        settled(site)
        (made,) = events(site, "snapshot created")
        assert before <= made.time <= time_text(time.time() + 1)


class TestDiscard:
    @pytest.fixture
    def with_two(self, site: PlainMachine) -> PlainMachine:
        """Snapshot 1 with gdb 1.0 and vim, and 2 where an update changed that, which tukit is about to discard."""
        site.snapshot_with(1, {"gdb": "1.0", "vim": "9"}, default=True)
        site.snapshot_with(3, {"gdb": "1.0"})
        settled(site)
        site.snapshot_with(2, {"gdb": "1.1", "strace": "6"}, level=NEW)
        with Ledger(site.layout.ledger) as ledger:
            ledger.reconcile(scan(site.layout, site.subvolumes))
        return site

    def test_what_went_to_the_running_system_is_remembered(self, with_two: PlainMachine) -> None:
        extensions = with_two.tree(1) / "etc/extensions"
        with_two.link_image(with_two.tree(1), "gdb", "1.1")
        with_two.link_image(with_two.tree(1), "strace", "6")
        (extensions / "vim.raw").unlink()
        settled(with_two, DISCARDED)
        by = "by the /etc of snapshot 2, which was discarded"
        assert told(with_two) == [
            ("replaced", 1, "gdb", f"gdb: 1.0 -> 1.1 {by}"),
            ("linked", 1, "strace", f"strace: 6 added {by}"),
            ("removed", 1, "vim", f"vim: 9 removed {by}"),
        ]
        settled(with_two, DISCARDED)
        assert len(told(with_two)) == 3, "the second report of the same"

    def test_what_is_not_of_it_is_none_of_it(self, with_two: PlainMachine) -> None:
        with_two.link_image(with_two.tree(1), "gdb", "1.2")
        with_two.link_image(with_two.tree(1), "htop", "3")
        settled(with_two, DISCARDED)
        assert told(with_two) == []

    def test_a_discarded_snapshot_that_nobody_knew(self, with_two: PlainMachine) -> None:
        with_two.link_image(with_two.tree(1), "gdb", "1.1")
        settled(with_two, SnapshotEvent(kind=EventKind.TRANSACTION_DISCARDED, number=9))
        assert told(with_two) == []

    def test_nor_one_whose_etc_is_not_known(self, with_two: PlainMachine) -> None:
        """Unknown is not none."""
        (with_two.tree(1) / "etc/extensions").rename(with_two.tree(1) / "etc/aside")
        make_tree(with_two.tree(1), {"etc/extensions": "a file"})
        settled(with_two, DISCARDED)
        assert told(with_two) == []
