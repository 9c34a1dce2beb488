# SPDX-License-Identifier: LGPL-2.1-or-later
"""Settling: deduce what happened to the snapshots, pass it on to the plugins, bring the ledger in line with the disk.

The disk is looked at whether there are events or not: one that was lost is no loss.
"""

from __future__ import annotations

import logging
import os
import sqlite3
import time
from collections.abc import Iterable
from pathlib import Path

from tukit_sysext.all_plugins import AllPlugins
from tukit_sysext.config.early import history_of
from tukit_sysext.errors import UnknownState
from tukit_sysext.ledger import spool
from tukit_sysext.ledger.deduce import ENDS, Before, deduce
from tukit_sysext.ledger.kept_open import kept_open, opened
from tukit_sysext.ledger.ledger import DEFAULT, Ledger
from tukit_sysext.ledger.spool import SnapshotEvent
from tukit_sysext.machine import Machine
from tukit_sysext.rules.names import NameRefused
from tukit_sysext.snapshots import snapper
from tukit_sysext.snapshots.snapper import Scan
from tukit_sysext.snapshots.snapper_files import NUMBER
from tukit_sysext.store.record import Record, RecordUnreadable
from tukit_sysext.system.tree import Tree

log = logging.getLogger(__name__)

_TRIES = 5
_MAKING = 60.0
"""Seconds within which a snapshot that is being made becomes whole; one that does not is left half made."""


def settle(machine: Machine, plugins: AllPlugins, *, noticed: Iterable[SnapshotEvent] = ()) -> bool:
    """Settle all events that were written down. Raises OSError, sqlite3.Error.

    Returns whether a snapshot is being made just now, of which no event may come when it is whole.

    ``noticed`` are events that the caller saw himself. Any number of settlings may run at once: an event is taken
    by one of them, and the ledger follows the disk as the last one saw it.
    """
    with kept_open():
        return _settle(machine, plugins, list(noticed))


def _settle(machine: Machine, plugins: AllPlugins, events: list[SnapshotEvent]) -> bool:
    for _ in range(_TRIES):
        events += [event for event in spool.take(machine.layout.events) if event is not None]
        before, turn = _before(machine)
        scan = _scan(machine)
        for unknown in scan.unknown:
            log.info("not known: %s", unknown)
        for event in deduce(events, before, scan):
            plugins.settled(f"tukit_sysext_{event.kind}", machine, scan, event.number)
        events.clear()
        with opened(machine.layout.ledger) as ledger:
            if ledger.reconcile(scan, since=turn):
                _keep_books(machine, ledger)
                return _unfinished(machine.layout.snapshots, scan, ledger)
        log.info("somebody else settled meanwhile: looking at the disk again")
    log.warning("the ledger is left to whoever settles all the time")
    return False


def _scan(machine: Machine) -> Scan:
    scan = snapper.scan(machine.layout, machine.subvolumes)
    if not scan.leftovers:
        return scan
    from tukit_sysext.ledger.leftovers import without_settled  # 1 ms, and mostly there are none

    return without_settled(machine.layout, scan)


def _unfinished(folder: Path, scan: Scan, ledger: Ledger) -> bool:
    """Whether something about a snapshot is not known, or a number is new and has none, and was changed lately.

    A number that had a snapshot is kept by snapper, or is about to go, which is seen.
    """
    known, there = ledger.numbers(), {snapshot.number: snapshot for snapshot in scan.snapshots}
    try:
        for name in filter(NUMBER.fullmatch, os.listdir(folder)):
            snapshot = there.get(int(name))
            unfinished = snapshot.unknown if snapshot is not None else int(name) not in known
            if unfinished and 0 <= time.time() - (folder / name).stat().st_mtime < _MAKING:
                return True
    except OSError as error:
        log.info("%s: what changes just now is not known: %s", folder, error.strerror)
    return False


def _before(machine: Machine) -> tuple[Before, int | None]:
    """What the ledger remembers, and its turn. Without a ledger, reported events are settled all the same."""
    try:
        with opened(machine.layout.ledger) as ledger:
            turn = ledger.turn()
            ended = frozenset(
                (event.snapshot, event.uuid)
                for kind in ENDS
                for event in ledger.events(kind.replace("_", " "))
                if event.snapshot is not None
            )
            return Before(snapshots=ledger.snapshots(images=False), default=ledger.recall(DEFAULT), ended=ended), turn
    except (OSError, sqlite3.Error) as error:
        log.error("%s: %s; only reported events are settled", machine.layout.ledger, error)
        return Before(), None


def _keep_books(machine: Machine, ledger: Ledger) -> None:
    """Enter what the store has, and forget what is over for long enough."""
    now = int(time.time())
    try:
        files = [entry.name for entry in machine.layout.store.iterdir()]
    except OSError:
        files = None  # not there, or not readable: unknown is not "none"
    ledger.enter_images(_records(machine), now, files=files)
    try:
        with Tree(machine.layout.root) as tree:
            history = history_of(tree)
    except UnknownState as error:
        log.warning("nothing is forgotten: %s", error)
        return
    ledger.forget(now - history)


def _records(machine: Machine) -> Iterable[Record]:
    records = machine.store(writable=False).records
    for name in records.names():
        try:
            record = records.read(name, contents=False)
        except (RecordUnreadable, NameRefused):
            continue
        if record is not None:
            yield record
