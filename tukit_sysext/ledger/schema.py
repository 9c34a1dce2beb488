# SPDX-License-Identifier: LGPL-2.1-or-later
"""The ledger's database: opening it, letting it grow, and setting aside what is no ledger any more (threat L10).

/var does not roll back while the tool does, so the schema only grows (new tables, new columns that may be NULL) and
every statement names the columns that it uses: an older version works with a newer ledger.
"""

from __future__ import annotations

import errno
import logging
import os
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import wraps
from pathlib import Path
from types import TracebackType
from typing import Concatenate, ParamSpec, TypeVar

from tukit_sysext.errors import Busy
from tukit_sysext.ledger.readable import lock_of, publish, readable
from tukit_sysext.quantities import time_text
from tukit_sysext.system.disk_space import is_full, not_writable, remedy
from tukit_sysext.system.durable import make_directory, sync_directory
from tukit_sysext.system.holders import holders
from tukit_sysext.system.label import labelled
from tukit_sysext.system.lock import alone

log = logging.getLogger(__name__)

_P = ParamSpec("_P")
_R = TypeVar("_R")
_D = TypeVar("_D", bound="Database")

_SNAPSHOT = "INTEGER NOT NULL REFERENCES snapshot (id) ON DELETE CASCADE"
_TABLES: Mapping[str, Mapping[str, str]] = {
    "snapshot": {
        "id": "INTEGER PRIMARY KEY",
        "number": "INTEGER NOT NULL",
        "uuid": "TEXT NOT NULL",
        "parent_uuid": "TEXT",
        "created": "TEXT",
        "system": "TEXT",
        "read_only": "INTEGER",
        "state": "TEXT",
        "gone": "TEXT",
        "os_release": "TEXT",
    },
    "snapshot_image": {"snapshot": _SNAPSHOT, "link": "TEXT NOT NULL", "image": "TEXT NOT NULL"},
    "left_out": {"snapshot": _SNAPSHOT, "image": "TEXT NOT NULL", "reason": "TEXT"},
    "event": {
        "id": "INTEGER PRIMARY KEY",
        "time": "TEXT NOT NULL",
        "kind": "TEXT NOT NULL",
        "snapshot": "INTEGER",
        "image": "TEXT",
        "detail": "TEXT",
        "uuid": "TEXT",
        "uid": "INTEGER",
        "fetched": "INTEGER",
        "reused": "INTEGER",
    },
    "image": {
        "file": "TEXT NOT NULL PRIMARY KEY",
        "name": "TEXT",
        "version": "TEXT",
        "sha256": "TEXT",
        "size": "INTEGER",
        "source": "TEXT",
        "first_seen": "TEXT",
        "gone": "TEXT",
        "unreferenced_since": "INTEGER",
        "unreferenced_runs": "INTEGER",
    },
    "note": {"key": "TEXT NOT NULL PRIMARY KEY", "value": "TEXT"},
}
BEGUN = "begun"
"""Key of a note: when the ledger was made (UTC, RFC 3339)."""

_KEYS = {
    "snapshot": "UNIQUE (number, uuid))",
    # the rows are in the index, and nowhere else: two thirds of the room with hundreds of snapshots
    "snapshot_image": "PRIMARY KEY (snapshot, link)) WITHOUT ROWID",
    "left_out": "PRIMARY KEY (snapshot, image)) WITHOUT ROWID",
}
"""How the statement ends that makes a table."""

_BUSY_SECONDS = 10.0
_KEPT_ASIDE = 3

_UNUSABLE = frozenset(
    (
        sqlite3.SQLITE_ERROR,  # another table than we know under a name of ours
        sqlite3.SQLITE_CORRUPT,
        sqlite3.SQLITE_CONSTRAINT,  # a rule that is none of ours
        sqlite3.SQLITE_MISMATCH,
        sqlite3.SQLITE_FORMAT,
        sqlite3.SQLITE_NOTADB,
    )
)


_NOT_WRITTEN = frozenset((sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY))
"""SQLite's errors for a file system that is full or read-only: which one depends on the call, none says why."""


class Unusable(sqlite3.DatabaseError):
    """The file can be opened, but is no ledger."""


class NotWritten(sqlite3.OperationalError):
    """The ledger cannot be written, and this is why."""

    def __init__(self, fault: OSError) -> None:
        folder = Path(str(fault.filename))
        self.full = is_full(fault)
        self.next_step = remedy(folder, fault) or ""
        super().__init__(f"the ledger cannot be written: {fault.strerror} in {folder}")


def explained(path: Path, error: sqlite3.Error | UnicodeDecodeError) -> sqlite3.Error | UnicodeDecodeError:
    """The error, or in its place one that says why the ledger at ``path`` cannot be written, or who holds it."""
    code = getattr(error, "sqlite_errorcode", None)
    if code is not None and code & 0xFF == sqlite3.SQLITE_BUSY:
        return sqlite3.OperationalError(f"{error} for more than {_BUSY_SECONDS:g} s by {holders(path)}")
    if code is None or code & 0xFF not in _NOT_WRITTEN:
        return error
    fault = not_writable(path.parent)
    if fault is None and code == sqlite3.SQLITE_FULL:  # by a hair
        fault = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path.parent))
    return error if fault is None else NotWritten(fault)


def is_to_blame(error: sqlite3.Error | UnicodeDecodeError) -> bool:
    """Whether the ledger itself is at fault: not where it is busy, cannot be written, or the disk is full.

    btrfs gives an I/O error for what fails its checksum: a ledger that cannot be read is no ledger either.
    """
    # a name of the schema that is damaged, or a message with one: Python's own errors, without a code
    if isinstance(error, Unusable | UnicodeDecodeError) or "decode to UTF-8" in str(error):
        return True
    code = getattr(error, "sqlite_errorcode", None)
    return code is not None and (code & 0xFF in _UNUSABLE or code == sqlite3.SQLITE_IOERR_READ)


def _open(path: Path) -> sqlite3.Connection:
    if path.exists() and not path.is_file():
        raise Unusable("not a file")
    if not path.exists():
        # made here, so that it is not SQLite that makes it, at some later time
        with labelled(path):
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600))
    elif path.stat().st_mode & 0o077:
        path.chmod(0o600)  # of a former version; who can open it can lock it
    connection = sqlite3.connect(path, timeout=_BUSY_SECONDS, isolation_level=None)
    try:
        connection.execute("PRAGMA foreign_keys = ON")
        # a rollback journal, so that its copy is whole without other files; its removal commits, so that is synced too
        connection.execute("PRAGMA journal_mode = DELETE")
        connection.execute("PRAGMA synchronous = EXTRA")
        (state,) = connection.execute("PRAGMA quick_check (1)").fetchone()
        if state != "ok":
            raise Unusable(state)
        if _missing(connection):
            _grow(connection)
    except BaseException:
        connection.close()
        raise
    return connection


def _missing(connection: sqlite3.Connection) -> dict[str, list[str]]:
    """The columns that are not there, by table; all of them where the table is missing."""
    there: dict[str, set[str]] = {}
    for table, column in connection.execute(
        "SELECT m.name, c.name FROM sqlite_master AS m, pragma_table_info (m.name) AS c WHERE m.type = 'table'"
    ):
        there.setdefault(table, set()).add(column)
    missing = {
        table: [column for column in columns if column not in there.get(table, ())]
        for table, columns in _TABLES.items()
    }
    return {table: columns for table, columns in missing.items() if columns}


def _grow(connection: sqlite3.Connection) -> None:
    """Make the tables and columns that are missing. Raises Unusable where that cannot make a ledger of it."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        # looked at again: somebody may have made it grow meanwhile
        missing = _missing(connection)
        for table, columns in missing.items():
            if len(columns) == len(_TABLES[table]):
                made = [f"{name} {kind}" for name, kind in _TABLES[table].items()]
                end = f", {_KEYS[table]}" if table in _KEYS else ")"
                connection.execute(f"CREATE TABLE IF NOT EXISTS {table} ({', '.join(made)}{end}")
                continue
            for column in columns:
                kind = _TABLES[table][column]
                if "NOT NULL" in kind or "PRIMARY KEY" in kind:
                    raise Unusable(f"table {table} has no column {column}")
                connection.execute(f"ALTER TABLE {table} ADD COLUMN {column} {kind}")
        if missing.keys() == _TABLES.keys():
            connection.execute("INSERT INTO note (key, value) VALUES (?, ?)", (BEGUN, time_text()))
        missing = _missing(connection)
        if missing:
            raise Unusable(f"something else stands where the table {next(iter(missing))} should be")
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


def _open_to_read(path: Path) -> sqlite3.Connection:
    """Open a ledger, which may be of an older version, without writing to it: columns that it lacks are NULL."""
    connection = sqlite3.connect(
        f"{readable(path).absolute().as_uri()}?mode=ro", uri=True, timeout=_BUSY_SECONDS, isolation_level=None
    )
    try:
        connection.execute("PRAGMA temp_store = MEMORY")
        try:
            missing = _missing(connection)
        except (sqlite3.Error, UnicodeDecodeError) as error:
            if not is_to_blame(error):
                raise
            return connection  # the first question to it raises
        for table, columns in missing.items():
            shown = ", ".join(f"NULL AS {column}" if column in columns else column for column in _TABLES[table])
            empty = len(columns) == len(_TABLES[table])
            rest = "WHERE 0" if empty else f"FROM main.{table}"
            # names out of the table above, nothing from outside
            connection.execute(f"CREATE TEMP VIEW {table} AS SELECT {shown} {rest}")
    except BaseException:
        connection.close()
        raise
    return connection


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        status = os.stat(path)
    except FileNotFoundError:
        return None
    return status.st_dev, status.st_ino


def _set_aside(path: Path, broken: tuple[int, int] | None, reason: object) -> None:
    """Rename a broken ledger, unless another process did so and made a new one meanwhile.

    Raises OSError, and sqlite3.OperationalError where another process is at it for too long.
    """
    try:
        with alone(lock_of(path), patience=_BUSY_SECONDS):
            if broken is None or _identity(path) != broken:
                return
            aside = path.with_name(f"{path.name}.broken-{time.strftime('%Y%m%d-%H%M%S', time.gmtime())}")
            with suppress(FileNotFoundError):
                # before the ledger: SQLite would play it into a new one
                os.rename(f"{path}-journal", f"{aside}-journal")
            os.rename(path, aside)
            sync_directory(path.parent)
    except Busy as error:
        raise sqlite3.OperationalError(str(error)) from error
    log.error("%s: not a readable ledger (%s); set aside as %s and made anew from the disk", path, reason, aside.name)
    for old in sorted(path.parent.glob(f"{path.name}.broken-????????-??????"))[:-_KEPT_ASIDE]:
        with suppress(OSError):
            old.unlink()
            Path(f"{old}-journal").unlink(missing_ok=True)


class Database:
    """The connection of an open ledger, a context manager. A broken one is replaced by a new one."""

    def __init__(self, path: Path, *, writable: bool = True) -> None:
        """Open the ledger, making it where it is missing. With ``writable`` false nothing is written or set aside.

        Raises OSError or sqlite3.Error where it cannot be opened so.
        """
        self.path = path
        self._writable = writable
        self._depth = 0
        if not writable:
            self._connection = _open_to_read(path)
            return
        make_directory(path.parent)
        self._identity = _identity(path)
        try:
            self._connection = _open(path)
        except (sqlite3.Error, UnicodeDecodeError) as error:
            if not is_to_blame(error):
                raise explained(path, error) from error  # busy, read-only or full
            _set_aside(path, self._identity, error)
            self._connection = _open(path)
        self._identity = _identity(path)

    @property
    def in_place(self) -> bool:
        """Whether its file still stands at its path: another process may have set it aside."""
        return _identity(self.path) == self._identity

    def beyond(self) -> Sequence[str]:
        """Tables, and columns of ours, that a newer version has put there, by name. Raises sqlite3.Error."""
        columns = self._connection.execute(
            "SELECT m.name, c.name FROM main.sqlite_master AS m, pragma_table_info (m.name, 'main') AS c "
            "WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY 1, 2"
        )
        named = (
            table if table not in _TABLES else f"{table}.{column}"
            for table, column in columns
            if column not in _TABLES.get(table, ())
        )
        return tuple(dict.fromkeys(named))

    def __enter__(self: _D) -> _D:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if self._writable:
                publish(self.path, self._connection)
        finally:
            self._connection.close()

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        connection = self._connection
        connection.execute("BEGIN IMMEDIATE")
        try:
            yield connection
            connection.execute("COMMIT")
        except BaseException:
            with suppress(sqlite3.Error):  # SQLite has done so itself after some faults
                connection.execute("ROLLBACK")
            raise

    def _renew(self, error: sqlite3.Error | UnicodeDecodeError) -> None:
        with suppress(sqlite3.Error):
            self._connection.close()
        _set_aside(self.path, self._identity, error)
        self._connection = _open(self.path)
        self._identity = _identity(self.path)


def mending(method: Callable[Concatenate[_D, _P], _R]) -> Callable[Concatenate[_D, _P], _R]:
    """Decorate a method of a Database: where the ledger turns out to be broken, make it anew and run the method again.

    Only the outermost such method does so, because what it did before is lost too.
    """

    @wraps(method)
    def run(self: _D, /, *arguments: _P.args, **options: _P.kwargs) -> _R:
        self._depth += 1
        try:
            return method(self, *arguments, **options)
        except (sqlite3.Error, UnicodeDecodeError) as error:
            if self._depth > 1 or not self._writable:
                raise
            if not is_to_blame(error):
                raise explained(self.path, error) from error
            self._renew(error)
            return method(self, *arguments, **options)
        finally:
            self._depth -= 1

    return run
