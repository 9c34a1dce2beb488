# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a boot does with the ledger: it settles nothing, as the merge waits, but has it settled later."""

from __future__ import annotations

import logging
import sqlite3

from tukit_sysext.ledger import spool
from tukit_sysext.ledger.ledger import Ledger
from tukit_sysext.ledger.leftovers import found_at_boot
from tukit_sysext.machine import Machine
from tukit_sysext.snapshots.snapper import Scan

log = logging.getLogger(__name__)


def settle_later(machine: Machine, scan: Scan) -> bool:
    """What the ledger does not know is settled after the boot, as events that nobody settled went with /run.

    What is left of snapshots is from before the boot, and stops no collection.

    Returns whether the ledger knew all of it. Raises OSError.
    """
    try:
        with Ledger(machine.layout.ledger) as ledger:
            known = ledger.follows(scan)
            if scan.leftovers:
                found_at_boot(ledger, scan.leftovers)
    except (OSError, sqlite3.Error) as error:
        log.error("%s: %s", machine.layout.ledger, error)
        known = False
    if not known:
        spool.ask(machine.layout.events)
    return known
