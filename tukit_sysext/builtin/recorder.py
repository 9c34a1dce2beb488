# SPDX-License-Identifier: LGPL-2.1-or-later
"""Keeps the books: enters what a transaction did, and every settled event, into the ledger."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tukit_sysext.hookspecs import hookimpl
from tukit_sysext.machine import Machine
from tukit_sysext.state.ledger import Event, Ledger, now_text
from tukit_sysext.state.snapshots import Scan, look

if TYPE_CHECKING:
    from tukit_sysext.job.transaction import Outcome, Transaction


class Recorder:
    """Writes the ledger. What it enters as a snapshot's images is read from the disk, never taken from an event."""

    @hookimpl
    def tukit_sysext_transaction_judged(self, transaction: Transaction, outcome: Outcome) -> None:
        """Enter the snapshot as it is now, and what changed in it."""
        machine = transaction.machine
        now = now_text()
        with Ledger(machine.layout.ledger) as ledger:
            snapshot = look(machine.layout, machine.subvolumes, transaction.number)
            if snapshot is not None:
                missing = {image.name: image.reason for image in outcome.plan.images if image.missing is not None}
                ledger.enter(snapshot, missing)
            ledger.add(
                Event(
                    time=now,
                    kind=change.kind,
                    snapshot=transaction.number,
                    image=change.image,
                    detail=change.text,
                )
                for change in outcome.changes
            )
            ledger.add(
                Event(time=now, kind="refused", snapshot=transaction.number, image=image, detail=reason)
                for image, reason in outcome.refusals.items()
            )

    @hookimpl
    def tukit_sysext_transaction_finalized(self, machine: Machine, scan: Scan, number: int) -> None:
        """See the specification."""
        _note(machine, "transaction finalized", number)

    @hookimpl
    def tukit_sysext_transaction_discarded(self, machine: Machine, scan: Scan, number: int) -> None:
        """See the specification."""
        _note(machine, "transaction discarded", number)

    @hookimpl
    def tukit_sysext_transaction_aborted(self, machine: Machine, scan: Scan, number: int) -> None:
        """See the specification."""
        _note(machine, "transaction aborted", number)

    @hookimpl
    def tukit_sysext_default_changed(self, machine: Machine, scan: Scan, number: int) -> None:
        """See the specification."""
        _note(machine, "default changed", number)

    @hookimpl
    def tukit_sysext_rolled_back(self, machine: Machine, scan: Scan, number: int) -> None:
        """See the specification."""
        _note(machine, "rolled back", number)


def _note(machine: Machine, kind: str, number: int) -> None:
    with Ledger(machine.layout.ledger) as ledger:
        ledger.note(kind, number)
