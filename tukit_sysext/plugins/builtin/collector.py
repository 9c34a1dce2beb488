# SPDX-License-Identifier: LGPL-2.1-or-later
"""Collects images after snapshots were deleted, at most once an hour: snapper's cleanup deletes several in a row."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

from tukit_sysext.errors import Busy
from tukit_sysext.plugin_api import hookimpl

if TYPE_CHECKING:
    from tukit_sysext.all_plugins import AllPlugins
    from tukit_sysext.machine import Machine
    from tukit_sysext.snapshots.snapper import Scan

log = logging.getLogger(__name__)


class Collector:
    """Has what nothing needs collected."""

    def __init__(self, plugins: AllPlugins) -> None:
        self._plugins = plugins

    @hookimpl
    def tukit_sysext_snapshot_deleted(self, machine: Machine, scan: Scan, number: int) -> None:
        """See the specification."""
        from tukit_sysext.collect.collection import PAUSE, collect, last
        from tukit_sysext.ledger.ledger import Ledger

        with Ledger(machine.layout.ledger) as ledger:
            before = last(ledger)
        if before is not None and 0 <= time.time() - before < PAUSE:
            return
        try:
            collection = collect(machine, self._plugins)
        except Busy as error:
            log.info("no collection now: %s", error)
            return
        for unknown in collection.unknown:
            log.warning("nothing is collected: %s", unknown)
