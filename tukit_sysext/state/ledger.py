# SPDX-License-Identifier: LGPL-2.1-or-later
"""The ledger: which images belong to which snapshot, and what happened. SQLite, an index and a memory.

It follows the disk and can be rebuilt from it; nothing is deleted on its word alone. /var does not roll back while the
tool does, so the schema only grows (new tables, new columns that may be NULL) and every statement names the columns
that it uses: an older version works with a newer ledger.
"""

from __future__ import annotations

import logging
import os
import sqlite3
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from tukit_sysext.state.links import Entry
from tukit_sysext.state.snapshots import Scan, Snapshot
from tukit_sysext.system.durable import make_directory
from tukit_sysext.system.system_release import label

log = logging.getLogger(__name__)

_SCHEMA = """
CREATE TABLE IF NOT EXISTS snapshot (
    id INTEGER PRIMARY KEY,
    number INTEGER NOT NULL,
    uuid TEXT NOT NULL,
    parent_uuid TEXT,
    created TEXT,
    system TEXT,
    read_only INTEGER,
    state TEXT,
    gone TEXT,
    UNIQUE (number, uuid)
);
CREATE TABLE IF NOT EXISTS snapshot_image (
    snapshot INTEGER NOT NULL REFERENCES snapshot (id) ON DELETE CASCADE,
    link TEXT NOT NULL,
    image TEXT NOT NULL,
    PRIMARY KEY (snapshot, link)
);
CREATE TABLE IF NOT EXISTS left_out (
    snapshot INTEGER NOT NULL REFERENCES snapshot (id) ON DELETE CASCADE,
    image TEXT NOT NULL,
    reason TEXT,
    PRIMARY KEY (snapshot, image)
);
CREATE TABLE IF NOT EXISTS event (
    id INTEGER PRIMARY KEY,
    time TEXT NOT NULL,
    kind TEXT NOT NULL,
    snapshot INTEGER,
    image TEXT,
    detail TEXT
);
"""
_TABLES = frozenset(("snapshot", "snapshot_image", "left_out", "event"))
_BUSY_SECONDS = 10.0


@dataclass(frozen=True, kw_only=True, slots=True)
class LedgerSnapshot:
    """A snapshot as the ledger remembers it; ``gone`` is when it was found missing (UTC, RFC 3339).

    None while it exists.
    """

    number: int
    uuid: str
    state: str
    read_only: bool
    gone: str | None
    images: tuple[tuple[str, str], ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Event:
    """Something that happened: when (UTC, RFC 3339), what, to which snapshot and image, and the details."""

    time: str
    kind: str
    snapshot: int | None
    image: str | None
    detail: str


def now_text(seconds: float | None = None) -> str:
    """A time as it stands in ledger and records: UTC, RFC 3339, whole seconds."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


class Ledger:
    """An open ledger, a context manager. One that is no ledger any more is set aside and made anew (threat L10)."""

    def __init__(self, path: Path, *, writable: bool = True) -> None:
        """Open the ledger, making it where it is missing. With ``writable`` false nothing is written or set aside.

        Raises OSError or sqlite3.Error where it cannot be opened so.
        """
        self.path = path
        if not writable:
            self._connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None)
            return
        make_directory(path.parent)
        try:
            self._connection = self._open()
        except sqlite3.DatabaseError as error:
            if isinstance(error, sqlite3.OperationalError):
                raise  # busy, read-only or full: the ledger itself is not to blame
            aside = path.with_name(f"{path.name}.broken-{time.strftime('%Y%m%d-%H%M%S', time.gmtime())}")
            os.rename(path, aside)
            with suppress(FileNotFoundError):
                # SQLite would play it into the new one
                os.rename(f"{path}-journal", f"{aside}-journal")
            log.error(
                "%s: not a readable ledger (%s); set aside as %s and made anew from the disk", path, error, aside.name
            )
            self._connection = self._open()

    def _open(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self.path, timeout=_BUSY_SECONDS, isolation_level=None)
        try:
            connection.execute("PRAGMA foreign_keys = ON")
            connection.execute("PRAGMA synchronous = FULL")
            (state,) = connection.execute("PRAGMA quick_check (1)").fetchone()
            if state != "ok":
                raise sqlite3.DatabaseError(state)
            there = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
            if not there.issuperset(_TABLES):
                connection.executescript(_SCHEMA)
        except BaseException:
            connection.close()
            raise
        return connection

    def __enter__(self) -> Ledger:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connection.close()

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield self._connection
        except BaseException:
            self._connection.execute("ROLLBACK")
            raise
        self._connection.execute("COMMIT")

    def reconcile(self, scan: Scan) -> None:
        """Bring the ledger in line with the disk: what is there is entered, what is gone is marked.

        A snapshot is marked as gone only when everything could be read. Writes nothing when nothing changed.
        """
        here = {(entry.number, entry.uuid): entry for entry in self.snapshots() if entry.gone is None}
        changed = [snapshot for snapshot in scan.snapshots if self._differs(snapshot, here)]
        there = {(snapshot.number, snapshot.subvolume.uuid) for snapshot in scan.snapshots}
        gone = [] if scan.unknown else [key for key in here if key not in there]
        if not changed and not gone:
            return
        with self._transaction() as connection:
            for snapshot in changed:
                self._enter(connection, snapshot)
            for number, uuid in gone:
                connection.execute(
                    "UPDATE snapshot SET gone = ?, state = 'gone' WHERE number = ? AND uuid = ?",
                    (now_text(), number, uuid),
                )

    @staticmethod
    def _differs(snapshot: Snapshot, here: dict[tuple[int, str], LedgerSnapshot]) -> bool:
        known = here.get((snapshot.number, snapshot.subvolume.uuid))
        if known is None or (known.state, known.read_only) != (_state(snapshot), snapshot.subvolume.read_only):
            return True
        return snapshot.entries is not None and known.images != _images(snapshot.entries)

    def enter(self, snapshot: Snapshot, left_out: Mapping[str, str]) -> None:
        """Enter one snapshot with the images that it has now, and why it has others not (reason by image)."""
        with self._transaction() as connection:
            key = self._enter(connection, snapshot)
            connection.execute("DELETE FROM left_out WHERE snapshot = ?", (key,))
            connection.executemany(
                "INSERT INTO left_out (snapshot, image, reason) VALUES (?, ?, ?)",
                [(key, image, reason) for image, reason in left_out.items()],
            )

    def left_out(self, number: int, uuid: str) -> Mapping[str, str]:
        """Why a snapshot has not the images that were wanted, by image."""
        return {
            image: reason or ""
            for image, reason in self._connection.execute(
                "SELECT image, reason FROM left_out JOIN snapshot ON snapshot.id = left_out.snapshot "
                "WHERE number = ? AND uuid = ? ORDER BY image",
                (number, uuid),
            )
        }

    def _enter(self, connection: sqlite3.Connection, snapshot: Snapshot) -> int:
        subvolume = snapshot.subvolume
        connection.execute(
            "INSERT INTO snapshot (number, uuid) VALUES (?, ?) ON CONFLICT (number, uuid) DO NOTHING",
            (snapshot.number, subvolume.uuid),
        )
        connection.execute(
            "UPDATE snapshot SET parent_uuid = ?, created = ?, system = ?, read_only = ?, state = ?, gone = NULL "
            "WHERE number = ? AND uuid = ?",
            (
                subvolume.parent_uuid,
                _text(snapshot.date),
                _text(label(snapshot.release)),
                int(subvolume.read_only),
                _state(snapshot),
                snapshot.number,
                subvolume.uuid,
            ),
        )
        key: int
        ((key,),) = connection.execute(
            "SELECT id FROM snapshot WHERE number = ? AND uuid = ?", (snapshot.number, subvolume.uuid)
        )
        if snapshot.entries is not None:  # where they are not known, what was known before stays
            connection.execute("DELETE FROM snapshot_image WHERE snapshot = ?", (key,))
            connection.executemany(
                "INSERT INTO snapshot_image (snapshot, link, image) VALUES (?, ?, ?)",
                [(key, link, image) for link, image in _images(snapshot.entries)],
            )
        return key

    def add(self, events: Iterable[Event]) -> None:
        """Remember events."""
        rows = [(event.time, event.kind, event.snapshot, event.image, event.detail) for event in events]
        if rows:
            with self._transaction() as connection:
                connection.executemany(
                    "INSERT INTO event (time, kind, snapshot, image, detail) VALUES (?, ?, ?, ?, ?)", rows
                )

    def snapshots(self) -> Sequence[LedgerSnapshot]:
        """All snapshots that are remembered, in the order in which they were entered."""
        images: dict[int, list[tuple[str, str]]] = {}
        for key, link, image in self._connection.execute(
            "SELECT snapshot, link, image FROM snapshot_image ORDER BY snapshot, link"
        ):
            images.setdefault(key, []).append((link, image))
        return [
            LedgerSnapshot(
                number=number,
                uuid=uuid,
                state=state or "",
                read_only=bool(read_only),
                gone=gone,
                images=tuple(images.get(key, ())),
            )
            for key, number, uuid, state, read_only, gone in self._connection.execute(
                "SELECT id, number, uuid, state, read_only, gone FROM snapshot ORDER BY id"
            )
        ]

    def note(self, kind: str, snapshot: int) -> None:
        """Remember an event of a snapshot; one that is told twice in a row (old and new stage names) is one event."""
        with self._transaction() as connection:
            last = connection.execute("SELECT kind, snapshot FROM event ORDER BY id DESC LIMIT 1").fetchone()
            if last != (kind, snapshot):
                connection.execute(
                    "INSERT INTO event (time, kind, snapshot) VALUES (?, ?, ?)", (now_text(), kind, snapshot)
                )

    def events(self, kind: str | None = None) -> Sequence[Event]:
        """Events in the order in which they happened, all or those of one kind."""
        rows = self._connection.execute(
            "SELECT time, kind, snapshot, image, detail FROM event WHERE ?1 IS NULL OR kind = ?1 ORDER BY id", (kind,)
        )
        return [Event(time=a, kind=b, snapshot=c, image=d, detail=e or "") for a, b, c, d, e in rows]


def _images(entries: Iterable[Entry]) -> tuple[tuple[str, str], ...]:
    return tuple(sorted((_text(entry.name), _text(entry.image)) for entry in entries if entry.image is not None))


def _text(text: str) -> str:
    """Text that SQLite takes: names on a disk need not be UTF-8."""
    return text.encode("utf-8", "backslashreplace").decode()


def _state(snapshot: Snapshot) -> str:
    if snapshot.open:
        return "open"
    return "unknown" if snapshot.entries is None else "closed"
