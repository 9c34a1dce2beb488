# SPDX-License-Identifier: LGPL-2.1-or-later
"""Keeps the books: enters what a transaction did, and every settled event, into the ledger.

The ledger is imported where something is entered: with SQLite it takes 5 ms, and commands that only look enter nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from tukit_sysext.ledger.repeat import Repeat
from tukit_sysext.plugin_api import hookimpl
from tukit_sysext.quantities import time_text

if TYPE_CHECKING:
    from tukit_sysext.machine import Machine
    from tukit_sysext.snapshots.snapper import Scan
    from tukit_sysext.update.outcome import Outcome
    from tukit_sysext.update.transaction import Transaction


def _note(
    machine: Machine,
    scan: Scan,
    number: int,
    kind: str,
    *,
    detail: str | None = None,
    repeat: Repeat = Repeat.IN_A_ROW,
    former: bool = False,
    dated: bool = False,
) -> None:
    """Remember an event of the snapshot that has the number, or had it last; ``former``: that had it before.

    ``dated``: it happened when snapper says that the snapshot was made, however late it is noticed.
    """
    from tukit_sysext.ledger.kept_open import opened
    from tukit_sysext.snapshots.snapper_files import rfc3339

    snapshot = scan.get(number)
    present = snapshot.subvolume.uuid if snapshot is not None else None
    with opened(machine.layout.ledger) as ledger:
        known = [uuid for uuid in ledger.uuids(number) if uuid != present]
        uuid = present if present is not None and not former else next(reversed(known), None)
        # nothing tells two unknown snapshots of one number apart
        repeat = repeat if uuid is not None else Repeat.IN_A_ROW
        made = rfc3339(snapshot.date) if snapshot is not None and dated else None
        # a clock that was wrong then says nothing of the order
        time = min(made, time_text()) if made is not None else None
        ledger.note(kind, number, uuid=uuid, detail=detail, repeat=repeat, time=time)


def _noting(
    kind: str, *, repeat: Repeat = Repeat.IN_A_ROW, former: bool = False, dated: bool = False
) -> Callable[[Recorder, Machine, Scan, int], None]:
    """The implementation of an event's hook, which remembers it."""

    @hookimpl
    def note(self: Recorder, machine: Machine, scan: Scan, number: int) -> None:
        _note(machine, scan, number, kind, repeat=repeat, former=former, dated=dated)

    return note


class Recorder:
    """Writes the ledger. What it enters as a snapshot's images is read from the disk, never taken from an event."""

    @hookimpl
    def tukit_sysext_transaction_judged(self, transaction: Transaction, outcome: Outcome) -> None:
        """Enter the snapshot as it is now, and what changed in it."""
        from tukit_sysext.ledger.kept_open import opened
        from tukit_sysext.ledger.rows import LedgerEvent
        from tukit_sysext.ledger.tables import MISSED, NOT_HAD, REFUSED
        from tukit_sysext.snapshots.snapshot import look
        from tukit_sysext.system.login_uid import login_uid

        machine = transaction.machine
        now, uid = time_text(), login_uid(machine.layout.root)
        with opened(machine.layout.ledger) as ledger:
            snapshot = look(machine.layout, machine.subvolumes, transaction.number)
            if snapshot is not None:
                ledger.enter(snapshot, {**outcome.plan.left_out, **outcome.plan.told})
            ledger.add(change.event(now, transaction.number, uid) for change in outcome.changes)
            ledger.add(
                LedgerEvent(time=now, kind=kind, snapshot=transaction.number, image=image, detail=reason, uid=uid)
                for kind, reasons in (
                    (REFUSED, outcome.refusals),
                    (MISSED, outcome.missed),
                    (NOT_HAD, outcome.plan.not_had),
                )
                for image, reason in reasons.items()
            )

    tukit_sysext_transaction_finalized = _noting("transaction finalized", repeat=Repeat.OF_ITS_SNAPSHOT)

    @hookimpl
    def tukit_sysext_transaction_discarded(self, machine: Machine, scan: Scan, number: int) -> None:
        """See the specification; tukit copies the /etc of such a snapshot over that of the one it was made from."""
        from tukit_sysext.ledger.kept_open import opened
        from tukit_sysext.update.discarded import copied

        _note(machine, scan, number, "transaction discarded", repeat=Repeat.OF_ITS_SNAPSHOT)
        with opened(machine.layout.ledger) as ledger:
            ledger.add(copied(machine, scan, number, ledger.snapshots()))

    tukit_sysext_transaction_aborted = _noting("transaction aborted", repeat=Repeat.OF_ITS_SNAPSHOT)
    tukit_sysext_transaction_kept = _noting("transaction kept")
    tukit_sysext_snapshot_created = _noting("snapshot created", repeat=Repeat.OF_ITS_SNAPSHOT, dated=True)
    tukit_sysext_snapshot_modified = _noting("snapshot modified")
    tukit_sysext_snapshot_deleted = _noting("snapshot deleted", repeat=Repeat.OF_ITS_SNAPSHOT, former=True)

    @hookimpl
    def tukit_sysext_read_only_changed(self, machine: Machine, scan: Scan, number: int) -> None:
        """See the specification."""
        snapshot = scan.get(number)
        if snapshot is not None:
            now = "read-only" if snapshot.subvolume.read_only else "writable"
            _note(machine, scan, number, "read-only changed", detail=now, repeat=Repeat.OF_ITS_SNAPSHOT)

    tukit_sysext_default_changed = _noting("default changed", repeat=Repeat.OF_ITS_KIND)
    tukit_sysext_rolled_back = _noting("rolled back")
    tukit_sysext_booted = _noting("booted")
