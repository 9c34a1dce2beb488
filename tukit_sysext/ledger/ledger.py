# SPDX-License-Identifier: LGPL-2.1-or-later
"""The ledger: which images belong to which snapshot, and what happened. SQLite, an index and a memory.

It follows the disk and can be rebuilt from it; nothing is deleted on its word alone. How it is opened, and what becomes
of one that is broken, is in :mod:`tukit_sysext.ledger.schema`.
"""

from __future__ import annotations

import json
import logging
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from tukit_sysext.errors import os_error_text
from tukit_sysext.ledger.repeat import Repeat
from tukit_sysext.ledger.rows import (
    LedgerEvent,
    LedgerImage,
    LedgerSnapshot,
    clean,
    images_of,
    key_of,
    release_from,
    release_of,
    state_of,
)
from tukit_sysext.ledger.schema import mending
from tukit_sysext.ledger.tables import HAD_AGAIN, MISSED, REFUSAL_OVER, REFUSED, EventTable, ImageTable
from tukit_sysext.quantities import time_text
from tukit_sysext.snapshots.snapper import Scan
from tukit_sysext.snapshots.snapshot import Snapshot, SnapshotKey

__all__ = ["Ledger", "LedgerEvent", "LedgerImage", "LedgerSnapshot", "Repeat", "time_text", "write_or_log"]

log = logging.getLogger(__name__)

DEFAULT = "default"
"""Key of a note: the snapshot that boots next, as key_of() has it."""

_TURN = "turn"


class Ledger(EventTable, ImageTable):
    """An open ledger, a context manager. One that is no ledger any more is set aside and made anew (threat L10)."""

    @mending
    def turn(self) -> int:
        """A number that changes whenever the ledger is brought in line with another state of the disk."""
        return int(self.recall(_TURN) or 0)

    @mending
    def reconcile(self, scan: Scan, *, since: int | None = None) -> bool:
        """Bring the ledger in line with the disk: what is there is entered, what is gone is marked.

        A snapshot is marked as gone only when everything could be read, or when its number has another subvolume now.
        Writes nothing when nothing changed. With ``since``, the turn() from before the scan, does nothing and returns
        False where another process was faster: the scan may be older than what that one saw.
        """
        changed, gone, default = self._behind(scan)
        if not changed and not gone and default is None:
            return True
        with self._transaction() as connection:
            turn = self.turn()
            if since is not None and turn != since:
                return False
            for snapshot in changed:
                self._enter(connection, snapshot)
            connection.executemany(
                "UPDATE snapshot SET gone = ?, state = 'gone' WHERE number = ? AND uuid = ?",
                [(time_text(), number, uuid) for number, uuid in gone],
            )
            if default is not None:
                self.remember(DEFAULT, default)
            self.remember(_TURN, str(turn + 1))
        return True

    @mending
    def follows(self, scan: Scan) -> bool:
        """Whether the ledger says what the disk says."""
        changed, gone, default = self._behind(scan)
        return not changed and not gone and default is None

    def _behind(self, scan: Scan) -> tuple[Sequence[Snapshot], Sequence[SnapshotKey], str | None]:
        """What is not in the ledger as it is on the disk: snapshots, those that are gone, and another default."""
        here = {row.key: row for row in self.snapshots(gone=False)}
        changed = [snapshot for snapshot in scan.snapshots if _differs(snapshot, here.get(snapshot.key))]
        there = scan.by_key.keys()
        taken = {number for number, _ in there}
        gone = [key for key in here if key not in there and (not scan.unknown or key[0] in taken)]
        default = key_of(scan.default) if scan.default is not None else None
        return changed, gone, None if default == self.recall(DEFAULT) else default

    @mending
    def enter(self, snapshot: Snapshot, left_out: Mapping[str, str]) -> None:
        """Enter one snapshot with the images that it has now, and the reasons for those left out, by image."""
        with self._transaction() as connection:
            key = self._enter(connection, snapshot)
            connection.execute("DELETE FROM left_out WHERE snapshot = ?", (key,))
            connection.executemany(
                "INSERT INTO left_out (snapshot, image, reason) VALUES (?, ?, ?)",
                [(key, image, reason) for image, reason in left_out.items()],
            )
            self.remember(_TURN, str(self.turn() + 1))

    @mending
    def left_out(self, number: int, uuid: str) -> Mapping[str, str]:
        """Why wanted images were left out of a snapshot, by image."""
        return {
            image: reason or ""
            for image, reason in self._connection.execute(
                "SELECT image, reason FROM left_out JOIN snapshot ON snapshot.id = left_out.snapshot "
                "WHERE number = ? AND uuid = ? ORDER BY image",
                (number, uuid),
            )
        }

    def _enter(self, connection: sqlite3.Connection, snapshot: Snapshot) -> int:
        from tukit_sysext.system.system_release import label  # 3 ms, which a collection does without

        subvolume = snapshot.subvolume
        connection.execute(
            "INSERT INTO snapshot (number, uuid) VALUES (?, ?) ON CONFLICT (number, uuid) DO NOTHING",
            snapshot.key,
        )
        release = None if snapshot.release is None else json.dumps(release_of(snapshot.release), ensure_ascii=False)
        connection.execute(
            "UPDATE snapshot SET parent_uuid = ?, created = ?, system = ?, read_only = ?, state = ?, gone = NULL, "
            "os_release = coalesce(?, os_release) WHERE number = ? AND uuid = ?",
            (
                subvolume.parent_uuid,
                clean(snapshot.date),
                clean(label(snapshot.release)),
                int(subvolume.read_only),
                state_of(snapshot),
                release,
                *snapshot.key,
            ),
        )
        key: int
        ((key,),) = connection.execute("SELECT id FROM snapshot WHERE number = ? AND uuid = ?", snapshot.key)
        if snapshot.content is not None:  # where they are not known, what was known before stays
            connection.execute("DELETE FROM snapshot_image WHERE snapshot = ?", (key,))
            images = images_of(snapshot.content)
            connection.executemany(
                "INSERT INTO snapshot_image (snapshot, link, image) VALUES (?, ?, ?)",
                [(key, link, image) for link, image in images],
            )
            # needed from now on: should that end before the next collection, its wait begins anew all the same
            connection.executemany(
                "UPDATE image SET unreferenced_since = NULL, unreferenced_runs = 0 "
                "WHERE file = ? AND unreferenced_since IS NOT NULL",
                [(image,) for _, image in images],
            )
        return key

    @mending
    def uuids(self, number: int) -> Sequence[str]:
        """The UUIDs of the snapshots that had a number, in the order in which they were entered."""
        rows = self._connection.execute("SELECT uuid FROM snapshot WHERE number = ? ORDER BY id", (number,))
        return [uuid for (uuid,) in rows]

    @mending
    def numbers(self) -> frozenset[int]:
        """The numbers of all snapshots that are remembered."""
        return frozenset(number for (number,) in self._connection.execute("SELECT number FROM snapshot"))

    @mending
    def snapshots(self, *, images: bool = True, gone: bool = True) -> Sequence[LedgerSnapshot]:
        """All snapshots that are remembered, in the order in which they were entered.

        Or their rows without the images, or without those that are gone.
        """
        ask = self._connection.execute
        rows = ask(
            "SELECT id, number, uuid, parent_uuid, created, state, read_only, gone, os_release "
            "FROM snapshot WHERE gone IS NULL OR ? ORDER BY id",
            (gone,),
        )
        of_one = "SELECT link, image FROM snapshot_image WHERE snapshot = ? ORDER BY link"
        return [
            LedgerSnapshot(
                number=number,
                uuid=uuid,
                state=state or "",
                read_only=bool(read_only),
                gone=gone,
                images=tuple(ask(of_one, (key,))) if images else (),
                parent_uuid=parent,
                created=created or "",
                release=release_from(release),
            )
            for key, number, uuid, parent, created, state, read_only, gone, release in rows
        ]

    @mending
    def remember(self, key: str, value: str) -> None:
        """Keep a value under a key, for recall(). Writes nothing when it is kept already."""
        if self.recall(key) != value:
            self._connection.execute(
                "INSERT INTO note (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
                (key, value),
            )

    @mending
    def recall(self, key: str) -> str | None:
        """The value that is kept under a key; None where there is none."""
        row = self._connection.execute("SELECT value FROM note WHERE key = ?", (key,)).fetchone()
        return None if row is None else row[0]

    @mending
    def forget(self, before: int) -> None:
        """Drop what was over before a time (seconds): events, snapshots and images that are gone.

        Since when a refusal goes on, or an image is missed, is never forgotten. Writes nothing where there is nothing
        to drop.
        """
        then = time_text(before)
        # what decides whether a refusal goes on: the last end of one, and what came after it
        last = "coalesce((SELECT max(id) FROM event AS other WHERE other.kind = {}), 0)"
        kept = f"kind IN (?2, ?3) AND id >= {last.format('?3')}"
        kept += f" OR kind IN (?4, ?5) AND id >= {last.format('?5 AND other.image IS event.image')}"
        old = (
            ("snapshot", "gone < ?1", (then,)),
            ("image", "gone < ?1", (then,)),
            ("event", f"time < ?1 AND NOT ({kept})", (then, REFUSED, REFUSAL_OVER, MISSED, HAD_AGAIN)),
        )
        expired = [
            (table, condition, values)
            for table, condition, values in old
            if self._connection.execute(f"SELECT 1 FROM {table} WHERE {condition} LIMIT 1", values).fetchone()  # noqa: S608 (written above)
        ]
        if expired:
            with self._transaction() as connection:
                for table, condition, values in expired:
                    connection.execute(f"DELETE FROM {table} WHERE {condition}", values)  # noqa: S608 (written above)


def write_or_log(path: Path, write: Callable[[Ledger], None], lost: str) -> None:
    """Write to the ledger at ``path`` what is done already; where that fails, log that ``lost`` is not remembered."""
    try:
        with Ledger(path) as ledger:
            write(ledger)
    except (OSError, sqlite3.Error) as error:
        reason = os_error_text(error) if isinstance(error, OSError) else error
        log.error("%s: %s; %s is not remembered", path, reason, lost)


def _differs(snapshot: Snapshot, known: LedgerSnapshot | None) -> bool:
    if known is None:
        return True
    subvolume = snapshot.subvolume
    before = (known.state, known.read_only, known.parent_uuid, known.created)
    if before != (state_of(snapshot), subvolume.read_only, subvolume.parent_uuid, clean(snapshot.date)):
        return True
    if snapshot.release is not None and known.release != release_of(snapshot.release):
        return True
    content = snapshot.content
    if content is None or (not content.others and content.images == dict(known.images)):
        return False
    return known.images != images_of(content)
