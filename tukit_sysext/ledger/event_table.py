# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the ledger remembers of events."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import Enum

from tukit_sysext.ledger.rows import LedgerEvent, clean
from tukit_sysext.ledger.schema import Database, mending
from tukit_sysext.quantities import time_text

REFUSED = "refused"
REFUSAL_OVER = "refusal over"


class Repeat(Enum):
    """When an event is the repetition of one that is remembered already."""

    IN_A_ROW = "nothing else happened since"
    OF_ITS_KIND = "the last one of its kind is the same"
    OF_ITS_SNAPSHOT = "the last one of its kind and snapshot is the same"


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
                (event.time, event.kind, event.snapshot, _clean(event.image), clean(event.detail), event.uuid)
                for event in events
            ]
        )

    @mending
    def _add(self, rows: Sequence[tuple[str, str, int | None, str | None, str, str | None]]) -> None:
        if rows:
            with self._transaction() as connection:
                connection.executemany(
                    "INSERT INTO event (time, kind, snapshot, image, detail, uuid) VALUES (?, ?, ?, ?, ?, ?)", rows
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
    ) -> None:
        """Remember an event of a snapshot, once: it may be reported twice (old and new stage names, two settlings)."""
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
                    (time_text(), *of, detail),
                )

    @mending
    def events(self, kind: str | None = None) -> Sequence[LedgerEvent]:
        """Events in the order in which they happened, all or those of one kind."""
        rows = self._connection.execute(
            "SELECT time, kind, snapshot, image, detail, uuid FROM event WHERE ?1 IS NULL OR kind = ?1 ORDER BY id",
            (kind,),
        )
        return [LedgerEvent(time=a, kind=b, snapshot=c, image=d, detail=e or "", uuid=f) for a, b, c, d, e, f in rows]


def _clean(text: str | None) -> str | None:
    return None if text is None else clean(text)
