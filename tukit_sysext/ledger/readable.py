# SPDX-License-Identifier: LGPL-2.1-or-later
"""The copy of the ledger that everybody may read.

Whoever can open a database can lock it (SQLite takes its locks with fcntl(2) on the file, for reading too), and so keep
the collection, the settling and refusals from writing. The ledger is root's alone; ordinary users read a copy, which is
replaced by rename after each change: what they lock is a file that nobody waits for. It is made anew from the ledger
whenever it differs, so it needs no fsync, and a version of tukit-sysext that knows nothing of it does no harm. Who did
what is not in it.
"""

from __future__ import annotations

import errno
import logging
import os
import sqlite3
import sys
from contextlib import closing
from pathlib import Path

from tukit_sysext.errors import Busy
from tukit_sysext.system.durable import sweep, write_file
from tukit_sysext.system.lock import alone
from tukit_sysext.system.small_file import read_small

log = logging.getLogger(__name__)

_PATIENCE = 1.0
_PAGE = 4096


def lock_of(ledger: Path) -> Path:
    """The lock for what is done to the files themselves: setting the ledger aside, replacing its copy."""
    return ledger.with_name("ledger.lock")


def copy_of(ledger: Path) -> Path:
    """Where the copy of a ledger is."""
    return ledger.with_name("ledger-copy.db")


def readable(ledger: Path) -> Path:
    """The ledger, or its copy where we may not read it. Raises PermissionError where there is no copy yet."""
    copy = copy_of(ledger)
    if os.access(ledger, os.R_OK, effective_ids=True) or not ledger.exists():
        return ledger
    if not copy.exists():
        raise PermissionError(errno.EACCES, "only root can read it, and there is no copy for others yet", str(ledger))
    return copy


def publish(ledger: Path, connection: sqlite3.Connection) -> None:
    """Make the copy what the open ledger is. What keeps that from being done is logged, and stops nothing."""
    copy = copy_of(ledger)
    try:
        connection.execute("PRAGMA busy_timeout = 0")  # whoever is writing makes the copy
        with alone(lock_of(ledger), patience=_PATIENCE):
            content = _without_users(connection)
            if _is(copy, content):
                return
            sweep(ledger.parent, sys.maxsize)  # of whoever was killed
            write_file(copy, content, durable=False)
    except (OSError, sqlite3.Error, Busy) as error:
        log.info("%s: %s; ordinary users see an older one", copy, error)


def _without_users(connection: sqlite3.Connection) -> bytes:
    """The content of the open ledger without user ids, in what is free of its file too."""
    content = connection.serialize()
    if not connection.execute("SELECT 1 FROM event WHERE uid IS NOT NULL LIMIT 1").fetchone():
        return content
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as copy:
        copy.deserialize(content)
        copy.execute("UPDATE event SET uid = NULL WHERE uid IS NOT NULL")
        copy.execute("VACUUM")
        return copy.serialize()


def _is(copy: Path, content: bytes) -> bool:
    """Whether the copy has this content; what was written to has another counter on its first page."""
    try:
        first = read_small(copy, limit=_PAGE)
        return first == content[:_PAGE] and read_small(copy, limit=len(content) + 1) == content
    except FileNotFoundError:
        return False
