# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the ledger remembers of events, and of image files: which the store had, and since when nothing needs them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from tukit_sysext.ledger.repeat import Repeat
from tukit_sysext.ledger.rows import LedgerEvent, LedgerImage, clean
from tukit_sysext.ledger.schema import Database, mending
from tukit_sysext.quantities import time_text
from tukit_sysext.store.record import Record

REFUSED = "refused"
REFUSAL_OVER = "refusal over"
MISSED = "missed"
"""An update passed without a required image."""
NOT_HAD = "could not be had"
"""Another version serves in the place of a newer one."""
HAD_AGAIN = "not missed any more"


_LAST_OF = {
    Repeat.IN_A_ROW: "1",
    Repeat.OF_ITS_KIND: "kind = ?1",
    Repeat.OF_ITS_SNAPSHOT: "kind = ?1 AND snapshot IS ?2 AND uuid IS ?3",
}


class EventTable(Database):
    """The events' part of the ledger."""

    def add(self, events: Iterable[LedgerEvent]) -> None:
        """Remember events."""
        self._add(
            [
                (
                    event.time,
                    event.kind,
                    event.snapshot,
                    None if event.image is None else clean(event.image),
                    clean(event.detail),
                    event.uuid,
                    event.uid,
                    event.fetched,
                    event.reused,
                )
                for event in events
            ]
        )

    @mending
    def _add(self, rows: Sequence[tuple[str | int | None, ...]]) -> None:
        if rows:
            with self._transaction() as connection:
                connection.executemany(
                    "INSERT INTO event (time, kind, snapshot, image, detail, uuid, uid, fetched, reused) "
                    "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                    rows,
                )

    @mending
    def note(
        self,
        kind: str,
        snapshot: int,
        *,
        uuid: str | None = None,
        detail: str | None = None,
        repeat: Repeat = Repeat.IN_A_ROW,
        time: str | None = None,
    ) -> None:
        """Remember an event of a snapshot, once: it may be reported twice (old and new stage names, two settlings).

        ``time`` None is now.
        """
        of = (kind, snapshot, uuid)
        with self._transaction() as connection:
            last = connection.execute(
                "SELECT kind, snapshot, uuid, detail FROM event "  # noqa: S608 (written above)
                f"WHERE {_LAST_OF[repeat]} AND ?1 IS ?1 AND ?2 IS ?2 AND ?3 IS ?3 ORDER BY id DESC LIMIT 1",
                of,
            ).fetchone()
            if last != (*of, detail):
                connection.execute(
                    "INSERT INTO event (time, kind, snapshot, uuid, detail) VALUES (?, ?, ?, ?, ?)",
                    (time or time_text(), *of, detail),
                )

    @mending
    def events(self, kind: str | None = None) -> Sequence[LedgerEvent]:
        """Events in the order in which they happened, all or those of one kind."""
        rows = self._connection.execute(
            "SELECT time, kind, snapshot, image, detail, uuid, uid, fetched, reused FROM event "
            "WHERE ?1 IS NULL OR kind = ?1 ORDER BY id",
            (kind,),
        )
        return [
            LedgerEvent(time=a, kind=b, snapshot=c, image=d, detail=e or "", uuid=f, uid=g, fetched=h, reused=i)
            for a, b, c, d, e, f, g, h, i in rows
        ]


class ImageTable(Database):
    """The images' part of the ledger."""

    @mending
    def images(self) -> Sequence[LedgerImage]:
        """All images that are remembered, sorted by their files."""
        return [
            LedgerImage(
                file=file,
                name=name or "",
                version=version or "",
                sha256=sha256 or "",
                size=size,
                source=source or "",
                first_seen=first_seen or "",
                gone=gone,
                unreferenced_since=since,
                unreferenced_runs=runs or 0,
            )
            for file, name, version, sha256, size, source, first_seen, gone, since, runs in self._connection.execute(
                "SELECT file, name, version, sha256, size, source, first_seen, gone, unreferenced_since, "
                "unreferenced_runs FROM image ORDER BY file"
            )
        ]

    def enter_images(self, records: Iterable[Record], now: int, *, files: Collection[str] | None = None) -> None:
        """Enter what the store has by its records. ``now`` in seconds. Writes nothing when nothing changed.

        ``files`` are the names that the store has, where that is known: what has neither file nor record is gone.
        """
        self._enter_images(
            {
                clean(record.file_name): (record.name, record.version, record.sha256, record.size, clean(record.source))
                for record in records
            },
            time_text(now),
            None if files is None else frozenset(map(clean, files)),
        )

    @mending
    def _enter_images(
        self, records: Mapping[str, tuple[str, str, str, int, str]], now: str, files: frozenset[str] | None
    ) -> None:
        known = {image.file: image for image in self.images()}
        changed = [
            (file, *row, now)
            for file, row in records.items()
            if file not in known or known[file].gone is not None or _row(known[file]) != row
        ]
        there = None if files is None else files | records.keys()
        back = [] if there is None else [file for file in known if known[file].gone is not None and file in there]
        gone = [] if there is None else [file for file in known if known[file].gone is None and file not in there]
        if not changed and not gone and not back:
            return
        with self._transaction() as connection:
            connection.executemany(
                "INSERT INTO image (file, name, version, sha256, size, source, first_seen) "
                "VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (file) DO UPDATE SET name = excluded.name, "
                "version = excluded.version, sha256 = excluded.sha256, size = excluded.size, source = excluded.source, "
                "gone = NULL",
                changed,
            )
            connection.executemany("UPDATE image SET gone = NULL WHERE file = ?", [(file,) for file in back])
            connection.executemany(_GONE, [(now, file) for file in gone])

    def mark(self, unreferenced: Mapping[str, tuple[int, int]]) -> None:
        """Replace the unreferenced state of all files: since when (seconds) and in how many runs, by file.

        Those that are not named are referenced. Writes nothing when nothing changed.
        """
        self._mark({clean(file): state for file, state in unreferenced.items()})

    @mending
    def _mark(self, unreferenced: Mapping[str, tuple[int, int]]) -> None:
        known = {image.file: image for image in self.images()}
        before = {
            file: (image.unreferenced_since, image.unreferenced_runs)
            for file, image in known.items()
            if image.gone is None and image.unreferenced_since is not None
        }
        if before == unreferenced:
            return
        referenced = [file for file, image in known.items() if image.unreferenced_since is not None]
        with self._transaction() as connection:
            connection.executemany(
                "UPDATE image SET unreferenced_since = NULL, unreferenced_runs = 0 WHERE file = ?",
                [(file,) for file in referenced if file not in unreferenced],
            )
            connection.executemany(
                "INSERT INTO image (file, first_seen, unreferenced_since, unreferenced_runs) VALUES (?, ?, ?, ?) "
                "ON CONFLICT (file) DO UPDATE SET unreferenced_since = excluded.unreferenced_since, "
                "unreferenced_runs = excluded.unreferenced_runs, gone = NULL",
                [(file, time_text(), *state) for file, state in unreferenced.items()],
            )

    def collected(self, files: Iterable[tuple[str, str]], now: int, *, uid: int | None = None) -> None:
        """Remember which files were deleted, why, and by whom; ``now`` in seconds. An event ``collected`` for each.

        The event has the image's name where it is known, else that of its file, which its detail begins with.
        """
        self._collected([(clean(file), clean(why)) for file, why in files], time_text(now), uid)

    @mending
    def _collected(self, files: Sequence[tuple[str, str]], now: str, uid: int | None) -> None:
        if not files:
            return
        names = {image.file: image.name for image in self.images()}
        with self._transaction() as connection:
            connection.executemany(
                "INSERT INTO image (file, first_seen) VALUES (?, ?) ON CONFLICT (file) DO NOTHING",
                [(file, now) for file, _ in files],
            )
            connection.executemany(_GONE, [(now, file) for file, _ in files])
            connection.executemany(
                "INSERT INTO event (time, kind, image, detail, uid) VALUES (?, 'collected', ?, ?, ?)",
                [(now, names.get(file) or file, f"{file}: {why}", uid) for file, why in files],
            )


_GONE = "UPDATE image SET gone = ?, unreferenced_since = NULL, unreferenced_runs = 0 WHERE file = ?"


def _row(image: LedgerImage) -> tuple[str, str, str, int | None, str]:
    return image.name, image.version, image.sha256, image.size, image.source
