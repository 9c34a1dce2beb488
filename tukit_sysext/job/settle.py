# SPDX-License-Identifier: LGPL-2.1-or-later
"""Settling: the ledger is brought in line with the disk.

And every event that was written down is told to the plugins.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from tukit_sysext import events
from tukit_sysext.machine import Machine
from tukit_sysext.state import snapshots
from tukit_sysext.state.ledger import Ledger

if TYPE_CHECKING:
    from tukit_sysext.plugins import Plugins

log = logging.getLogger(__name__)


def settle(machine: Machine, plugins: Plugins) -> int:
    """Settle everything that was written down; how many events that were. Raises OSError, sqlite3.Error.

    The disk is looked at whether there are events or not: one that was lost is no loss.
    """
    spooled = events.spooled(machine.layout.events)
    scan = snapshots.scan(machine.layout, machine.subvolumes)
    for unknown in scan.unknown:
        log.info("not known: %s", unknown)
    with Ledger(machine.layout.ledger) as ledger:
        ledger.reconcile(scan)
    for path, event in spooled:
        if event is not None:
            plugins.settled(f"tukit_sysext_{event.kind}", machine, scan, event.number)
        path.unlink(missing_ok=True)
    return len(spooled)
