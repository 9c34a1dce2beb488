# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the disk tells, and which events it contradicts (threats C3, C8, C9)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tukit_sysext.ledger.deduce import ORDER, Before, deduce, observed
from tukit_sysext.ledger.ledger import LedgerSnapshot
from tukit_sysext.ledger.spool import EventKind, SnapshotEvent
from tukit_sysext.snapshots.entries import FolderEntries
from tukit_sysext.snapshots.snapper import Scan
from tukit_sysext.snapshots.snapshot import Snapshot
from tukit_sysext.system.subvolume import Subvolume


def row(number: int, uuid: str = "", **changes: Any) -> LedgerSnapshot:
    """A snapshot that the ledger remembers."""
    keys: dict[str, Any] = {"state": "closed", "read_only": True, "gone": None, "images": (), **changes}
    return LedgerSnapshot(number=number, uuid=uuid or f"uuid-{number}", **keys)


def there(number: int, uuid: str = "", *, read_only: bool = True, **changes: Any) -> Snapshot:
    """A snapshot of the disk."""
    return Snapshot(
        number=number,
        path=Path(f"/.snapshots/{number}/snapshot"),
        subvolume=Subvolume(identifier=number, uuid=uuid or f"uuid-{number}", parent_uuid=None, read_only=read_only),
        **{"content": FolderEntries(), **changes},
    )


def disk(*snapshots: Snapshot, unknown: tuple[str, ...] = ()) -> Scan:
    return Scan(snapshots=snapshots, unknown=unknown)


def before(
    *rows: LedgerSnapshot, default: str | None = None, ended: frozenset[tuple[int, str]] = frozenset()
) -> Before:
    return Before(snapshots=rows, default=default, ended=ended)


def names(events: Any) -> list[str]:
    return [f"{event.kind} {event.number}" for event in events]


def told(*events: str) -> list[SnapshotEvent]:
    pairs = (event.split() for event in events)
    return [SnapshotEvent(kind=EventKind(kind), number=int(number)) for kind, number in pairs]


class TestObserved:
    def test_nothing(self) -> None:
        known = before(row(1), row(2, gone="then"), default="1 uuid-1")
        assert observed(known, disk(there(1, default=True))) == []

    def test_a_ledger_without_memory_says_nothing(self) -> None:
        assert observed(before(), disk(there(1), there(2, default=True))) == []

    def test_created_and_deleted(self) -> None:
        assert names(observed(before(row(1), row(2)), disk(there(1), there(3)))) == [
            "snapshot_created 3",
            "snapshot_deleted 2",
        ]

    def test_one_that_is_back(self) -> None:
        assert names(observed(before(row(1), row(2, gone="then")), disk(there(1), there(2)))) == ["snapshot_created 2"]

    def test_nothing_is_deleted_while_something_is_unknown(self) -> None:
        assert observed(before(row(1), row(2)), disk(there(1), unknown=("snapshot 2: Input/output error",))) == []
        assert observed(before(row(1), row(2)), disk(unknown=("/.snapshots: empty, is it mounted?",))) == []

    def test_a_number_that_is_used_again(self) -> None:
        """C3: the old one is deleted, the new one made, also while something else is unknown."""
        for unknown in ((), ("snapshot 9: no readable info.xml",)):
            assert names(deduce((), before(row(2, "old")), disk(there(2, "new"), unknown=unknown))) == [
                "snapshot_deleted 2",
                "snapshot_created 2",
            ]

    @pytest.mark.parametrize("read_only", [True, False])
    def test_read_only(self, read_only: bool) -> None:
        known = before(row(1, read_only=not read_only))
        assert names(observed(known, disk(there(1, read_only=read_only)))) == ["read_only_changed 1"]

    def test_default(self) -> None:
        snapshots = (there(1), there(2, default=True))
        rows = (row(1), row(2))
        assert names(observed(before(*rows, default="1 uuid-1"), disk(*snapshots))) == ["default_changed 2"]
        assert names(observed(before(*rows, default="2 another"), disk(*snapshots))) == ["default_changed 2"]
        assert observed(before(*rows, default="2 uuid-2"), disk(*snapshots)) == []
        assert observed(before(*rows), disk(*snapshots)) == [], "not known before"
        assert observed(before(*rows, default="1 uuid-1"), disk(there(1), there(2), unknown=("default",))) == []

    def test_a_transaction_that_was_closed(self) -> None:
        known = before(row(1), row(5, state="open"))
        assert names(observed(known, disk(there(1), there(5)))) == ["transaction_finalized 5"]
        assert observed(known, disk(there(1), there(5, open=True))) == []
        unknown = there(5, unknown="no readable info.xml")
        assert observed(known, disk(there(1), unknown, unknown=("snapshot 5",))) == [], "unknown is not closed"

    def test_a_transaction_that_went(self) -> None:
        """C9: tukit was killed, nobody called abort-post, and somebody deleted what it left."""
        known = before(row(1), row(5, state="open"))
        assert names(deduce((), known, disk(there(1)))) == ["transaction_aborted 5", "snapshot_deleted 5"]

    @pytest.mark.parametrize("kind", ["transaction_aborted", "transaction_discarded"])
    def test_a_transaction_whose_end_was_told(self, kind: str) -> None:
        known = before(row(1), row(5, state="open"))
        assert names(deduce(told(f"{kind} 5"), known, disk(there(1)))) == [f"{kind} 5", "snapshot_deleted 5"]
        kept = names(deduce(told(f"{kind} 5"), known, disk(there(1), there(5))))
        assert kept == [f"{kind} 5"], "tukit --keep"

    def test_a_transaction_whose_end_is_remembered(self) -> None:
        known = before(row(1), row(5, state="open"), ended=frozenset({(5, "uuid-5")}))
        assert names(deduce((), known, disk(there(1)))) == ["snapshot_deleted 5"]
        assert deduce((), known, disk(there(1), there(5))) == []


class TestBelieved:
    @pytest.mark.parametrize(
        ("event", "snapshots"),
        [
            ("snapshot_deleted 2", [there(1), there(2)]),
            ("snapshot_created 3", [there(1), there(2)]),
            ("snapshot_created 2", []),
            ("transaction_finalized 3", [there(1), there(2)]),
            ("transaction_finalized 2", [there(1), there(2, open=True)]),
            ("default_changed 2", [there(1, default=True), there(2)]),
            ("default_changed 3", [there(1, default=True), there(2)]),
        ],
    )
    def test_what_the_disk_contradicts_is_not_told(self, event: str, snapshots: list[Snapshot]) -> None:
        unknown = () if snapshots else ("/.snapshots: empty, is it mounted?",)
        assert deduce(told(event), before(row(1), row(2)), disk(*snapshots, unknown=unknown)) == []

    @pytest.mark.parametrize(
        ("event", "snapshots"),
        [
            ("snapshot_deleted 3", [there(1), there(2)]),
            ("snapshot_created 2", [there(1), there(2)]),
            ("transaction_finalized 2", [there(1), there(2)]),
            ("transaction_aborted 2", [there(1), there(2, open=True)]),
            ("transaction_aborted 3", [there(1), there(2)]),
            ("transaction_kept 2", [there(1), there(2, open=True)]),
            ("snapshot_modified 2", [there(1), there(2)]),
            ("default_changed 2", [there(1), there(2, default=True)]),
            ("rolled_back 2", [there(1, default=True), there(2)]),
            ("booted 1", [there(1), there(2)]),
        ],
    )
    def test_what_it_does_not_contradict_is(self, event: str, snapshots: list[Snapshot]) -> None:
        known = before(row(1), row(2))
        assert names(deduce(told(event, event), known, disk(*snapshots))) == [event]

    def test_a_default_that_is_not_known_contradicts_nothing(self) -> None:
        scan = disk(there(1), there(2), unknown=("the default subvolume is not known",))
        assert names(deduce(told("default_changed 2"), before(row(1), row(2)), scan)) == ["default_changed 2"]

    def test_deleted_and_made_again(self) -> None:
        events = told("snapshot_created 2", "snapshot_deleted 2", "snapshot_created 2", "snapshot_deleted 2")
        assert names(deduce(events, before(row(2, "old")), disk(there(2, "new")))) == [
            "snapshot_deleted 2",
            "snapshot_created 2",
        ]


def test_the_order_is_fixed() -> None:
    assert sorted(ORDER) == sorted(EventKind)
    events = told("rolled_back 2", "default_changed 2", "snapshot_modified 7", "snapshot_modified 2", "booted 1")
    scan = disk(there(1), there(2, default=True), there(7))
    known = before(row(1), row(2), row(7))
    expected = ["snapshot_modified 2", "snapshot_modified 7", "default_changed 2", "rolled_back 2", "booted 1"]
    assert names(deduce(events, known, scan)) == names(deduce(reversed(events), known, scan)) == expected
