# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the ledger remembers of sources: which was added, replaced, removed, enabled, disabled or reset, and by whom."""

from __future__ import annotations

from tukit_sysext.ledger.ledger import LedgerEvent, write_or_log
from tukit_sysext.machine import Machine
from tukit_sysext.quantities import time_text
from tukit_sysext.snapshots.snapshot import Snapshot
from tukit_sysext.system.login_uid import login_uid


def remember(machine: Machine, name: str, what: str, *, snapshot: Snapshot | None = None, detail: str = "") -> None:
    """Enter what was done to a source, in a snapshot or in none. Where that fails it is logged: it is done already."""
    event = LedgerEvent(
        time=time_text(),
        kind=f"source {what}",
        snapshot=snapshot.number if snapshot is not None else None,
        image=None,
        detail=f"{name}: {detail}" if detail else name,
        uid=login_uid(machine.layout.root),
    )
    write_or_log(machine.layout.ledger, lambda ledger: ledger.add([event]), f"that source {name} was {what}")
