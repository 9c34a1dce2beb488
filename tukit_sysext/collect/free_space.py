# SPDX-License-Identifier: LGPL-2.1-or-later
"""Collecting at once because the store is full, on behalf of a transaction that waits for it."""

from __future__ import annotations

import logging
import sqlite3

from tukit_sysext.all_plugins import AllPlugins
from tukit_sysext.collect.collection import CollectionOptions, collect
from tukit_sysext.errors import Busy, TukitSysextError
from tukit_sysext.machine import Machine

log = logging.getLogger(__name__)


def free_space(machine: Machine, plugins: AllPlugins, needed: frozenset[str]) -> bool:
    """Collect what nothing needs, but for these files; whether anything went. What fails in it frees no space."""
    try:
        collection = collect(machine, plugins, CollectionOptions(at_once=True, needed=needed))
    except Busy as error:
        log.warning("no room can be made now: %s", error)
        return False
    except (OSError, sqlite3.Error, TukitSysextError) as error:
        log.error("no room can be made: %s", error)
        return False
    if collection.fault:
        log.error("what was collected is not written down: %s", collection.fault)
    for unknown in collection.unknown:
        log.warning("no room can be made, as nothing is deleted while anything is unknown: %s", unknown)
    return bool(collection.gone)
