# SPDX-License-Identifier: LGPL-2.1-or-later
"""The ledger's first schema and the statements of that version, as they were released: neither changes any more.

A machine that is rolled back runs that version on the ledger of today, and one that is updated has its ledger.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

SCHEMA = """
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

TABLES = frozenset(("snapshot", "snapshot_image", "left_out", "event"))

OLD_UUID = "11111111-1111-1111-1111-111111111111"
NEW_UUID = "22222222-2222-2222-2222-222222222222"

WRITTEN: Sequence[tuple[str, tuple[object, ...]]] = (
    ("INSERT INTO snapshot (number, uuid) VALUES (?, ?) ON CONFLICT (number, uuid) DO NOTHING", (901, NEW_UUID)),
    (
        "UPDATE snapshot SET parent_uuid = ?, created = ?, system = ?, read_only = ?, state = ?, gone = NULL "
        "WHERE number = ? AND uuid = ?",
        (OLD_UUID, "2026-11-01 10:00:00", "opensuse-microos 20261101", 1, "closed", 901, NEW_UUID),
    ),
    ("DELETE FROM snapshot_image WHERE snapshot = (SELECT max(id) FROM snapshot)", ()),
    (
        "INSERT INTO snapshot_image (snapshot, link, image) VALUES ((SELECT max(id) FROM snapshot), ?, ?)",
        ("a.raw", "a-1.raw"),
    ),
    ("DELETE FROM left_out WHERE snapshot = (SELECT max(id) FROM snapshot)", ()),
    ("INSERT INTO left_out (snapshot, image, reason) VALUES ((SELECT max(id) FROM snapshot), ?, ?)", ("b", "broken")),
    (
        "INSERT INTO event (time, kind, snapshot, image, detail) VALUES (?, ?, ?, ?, ?)",
        ("2026-11-01T10:00:00Z", "linked", 901, "a", "1"),
    ),
    (
        "INSERT INTO event (time, kind, snapshot) VALUES (?, ?, ?)",
        ("2026-11-01T10:00:01Z", "transaction finalized", 901),
    ),
    (
        "UPDATE snapshot SET gone = ?, state = 'gone' WHERE number = ? AND uuid = ?",
        ("2026-11-02T10:00:00Z", 901, NEW_UUID),
    ),
)

READ: Sequence[tuple[str, tuple[object, ...]]] = (
    ("SELECT id FROM snapshot WHERE number = ? AND uuid = ?", (901, NEW_UUID)),
    (
        "SELECT image, reason FROM left_out JOIN snapshot ON snapshot.id = left_out.snapshot "
        "WHERE number = ? AND uuid = ? ORDER BY image",
        (901, NEW_UUID),
    ),
    ("SELECT snapshot, link, image FROM snapshot_image ORDER BY snapshot, link", ()),
    ("SELECT id, number, uuid, state, read_only, gone FROM snapshot ORDER BY id", ()),
    ("SELECT kind, snapshot FROM event ORDER BY id DESC LIMIT 1", ()),
    (
        "SELECT time, kind, snapshot, image, detail FROM event WHERE ?1 IS NULL OR kind = ?1 ORDER BY id",
        ("linked",),
    ),
)


def make(path: Path) -> None:
    """A ledger of that version, with a snapshot that is gone, its image and its events."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.executescript(SCHEMA)
        run(connection)


def run(connection: sqlite3.Connection) -> list[list[tuple[object, ...]]]:
    """That version at work: it finds its tables, makes no others, writes, and what it reads is returned."""
    connection.execute("PRAGMA foreign_keys = ON")
    there = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    assert there.issuperset(TABLES)
    connection.execute("BEGIN IMMEDIATE")
    for statement, values in WRITTEN:
        connection.execute(statement, values)
    connection.execute("COMMIT")
    return [connection.execute(statement, values).fetchall() for statement, values in READ]
