# SPDX-License-Identifier: LGPL-2.1-or-later
"""The warning where the ledger cannot be written."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from tukit_sysext.errors import TukitSysextError
from tukit_sysext.ledger.schema import NotWritten
from tukit_sysext.machine import Machine


@contextmanager
def ledger_faults_told(machine: Machine) -> Iterator[None]:
    """Raise TukitSysextError where the ledger cannot be written: it is locked, or the disk is full or read-only."""
    try:
        yield
    except NotWritten as error:
        raise TukitSysextError(f"{machine.layout.ledger}: {error}", next_step=error.next_step) from error
    except sqlite3.Error as error:
        path = machine.layout.ledger
        raise TukitSysextError(
            f"{path}: cannot be used: {error}",
            next_step=f"is {path.parent} writable, and has it room? Who holds the ledger:\nfuser -v {path}",
        ) from error
