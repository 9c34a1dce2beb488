# SPDX-License-Identifier: LGPL-2.1-or-later
"""What happened to the snapshots, from the ledger as it was and the disk as it is. Decides only; no input or output.

An event may come twice, out of order, or not at all. What the disk shows is an event too; what it contradicts is none.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from tukit_sysext.ledger.rows import LedgerSnapshot, key_of
from tukit_sysext.ledger.spool import EventKind, SnapshotEvent
from tukit_sysext.snapshots.snapper import Scan
from tukit_sysext.snapshots.snapshot import Snapshot, SnapshotKey

ENDS = (EventKind.TRANSACTION_DISCARDED, EventKind.TRANSACTION_ABORTED, EventKind.TRANSACTION_FINALIZED)
"""How a transaction can end."""

ORDER = (
    EventKind.TRANSACTION_DISCARDED,
    EventKind.TRANSACTION_ABORTED,
    EventKind.SNAPSHOT_DELETED,  # before created: a number may be used again
    EventKind.SNAPSHOT_CREATED,
    EventKind.SNAPSHOT_MODIFIED,
    EventKind.READ_ONLY_CHANGED,
    EventKind.TRANSACTION_KEPT,
    EventKind.TRANSACTION_FINALIZED,
    EventKind.DEFAULT_CHANGED,
    EventKind.ROLLED_BACK,
    EventKind.BOOTED,
)
"""The order in which events of one settling are passed on; those of one kind by number."""


class Before(NamedTuple):
    """What the ledger remembered before the disk was looked at.

    ``default`` as key_of() has it, None where it is not known. ``ended`` are numbers and UUIDs of snapshots whose
    transaction is known to have ended. Without any snapshot the ledger has no memory, and nothing follows from it.
    """

    snapshots: Sequence[LedgerSnapshot] = ()
    default: str | None = None
    ended: frozenset[tuple[int, str | None]] = frozenset()

    def here(self) -> Mapping[SnapshotKey, LedgerSnapshot]:
        """The snapshots that existed."""
        return {row.key: row for row in self.snapshots if row.gone is None}


def deduce(reported: Iterable[SnapshotEvent], before: Before, scan: Scan) -> Sequence[SnapshotEvent]:
    """All that happened: reported events that the disk agrees with, and what it shows beyond; each once, in ORDER."""
    agreed = {event for event in reported if not _contradicted(event, before, scan)}
    ended = {event.number for event in agreed if event.kind in ENDS}
    seen = {event for event in observed(before, scan) if event.kind not in ENDS or event.number not in ended}
    return sorted(agreed | seen, key=lambda event: (ORDER.index(event.kind), event.number))


def observed(before: Before, scan: Scan) -> Sequence[SnapshotEvent]:
    """What the disk alone shows."""
    if not before.snapshots:
        return []
    here, disk = before.here(), scan.by_key
    created = (number for number, uuid in disk if (number, uuid) not in here)
    events = [SnapshotEvent(kind=EventKind.SNAPSHOT_CREATED, number=number) for number in created]
    for key, row in here.items():
        kinds = _kinds(row, disk.get(key), scan, open_=row.state == "open" and key not in before.ended)
        events += [SnapshotEvent(kind=kind, number=row.number) for kind in kinds]
    default = scan.default
    if default is not None and before.default not in (None, key_of(default)):
        events.append(SnapshotEvent(kind=EventKind.DEFAULT_CHANGED, number=default.number))
    return events


def _kinds(row: LedgerSnapshot, snapshot: Snapshot | None, scan: Scan, *, open_: bool) -> Iterator[EventKind]:
    """What happened to a snapshot that existed; ``open_`` tells a transaction whose end is not known yet."""
    if snapshot is None:
        if _is_gone(row, scan):
            yield EventKind.SNAPSHOT_DELETED
            if open_:
                yield EventKind.TRANSACTION_ABORTED
        return
    if snapshot.subvolume.read_only != row.read_only:
        yield EventKind.READ_ONLY_CHANGED
    if open_ and not snapshot.open and not snapshot.unknown:
        yield EventKind.TRANSACTION_FINALIZED


def _is_gone(row: LedgerSnapshot, scan: Scan) -> bool:
    """A snapshot that is not there is gone where everything could be read, or where its number has another one."""
    return not scan.unknown or scan.get(row.number) is not None


def _contradicted(event: SnapshotEvent, before: Before, scan: Scan) -> bool:
    """Whether the disk says otherwise. A snapshot that was deleted since it was made was not made, as far as we go."""
    snapshot = scan.get(event.number)
    match event.kind:
        case EventKind.SNAPSHOT_DELETED:
            # its number may have been used again
            return snapshot is not None and not any(
                number == event.number and uuid != snapshot.subvolume.uuid for number, uuid in before.here()
            )
        case EventKind.SNAPSHOT_CREATED:
            return snapshot is None
        case EventKind.TRANSACTION_FINALIZED:
            return snapshot is None or (snapshot.open and not snapshot.unknown)
        case EventKind.DEFAULT_CHANGED:
            return scan.default is not None and not (snapshot is not None and snapshot.default)
        case _:
            return False
