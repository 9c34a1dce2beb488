# SPDX-License-Identifier: LGPL-2.1-or-later
"""Collects images after snapshots were deleted, at most once an hour: snapper's cleanup deletes several in a row."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from tukit_sysext.plugins.spec import hookimpl

if TYPE_CHECKING:
    from tukit_sysext.collect.collection import Collection
    from tukit_sysext.machine import Machine
    from tukit_sysext.snapshots.snapper import Scan

log = logging.getLogger(__name__)


class Collector:
    """Asks for a collection; ``collect`` does it, with the references of all plugins."""

    def __init__(self, collect: Callable[[Machine], Collection]) -> None:
        self._collect = collect

    @hookimpl
    def tukit_sysext_snapshot_deleted(self, machine: Machine, scan: Scan, number: int) -> None:
        """See the specification."""
        from tukit_sysext.collect.collection import PAUSE, last
        from tukit_sysext.errors import Busy
        from tukit_sysext.ledger.ledger import Ledger

        with Ledger(machine.layout.ledger) as ledger:
            before = last(ledger)
        if before is not None and 0 <= time.time() - before < PAUSE:
            return
        try:
            found = self._collect(machine)
        except Busy as error:
            log.info("no collection now: %s", error)
            return
        for unknown in found.unknown:
            log.warning("nothing is collected: %s", unknown)
