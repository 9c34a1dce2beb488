# SPDX-License-Identifier: LGPL-2.1-or-later
"""The log of a disk's writes is read as its format says."""

from __future__ import annotations

from io import BytesIO

import pytest

from tests.powercuts.blocklog import ENTRY, MAGIC, SUPER, BadLog, Flag, read_entries

SECTOR = 512


def padded(content: bytes) -> bytes:
    return content + bytes(-len(content) % SECTOR)


def log(
    *entries: bytes, number: int | None = None, magic: int = MAGIC, version: int = 1, sector: int = SECTOR
) -> bytes:
    told = len(entries) if number is None else number
    return padded(SUPER.pack(magic, version, told, sector)) + b"".join(entries)


def entry(sector: int, data: bytes, flags: int = 0) -> bytes:
    return padded(ENTRY.pack(sector, len(data) // SECTOR, flags, 0)) + data


def test_writes_flushes_discards_and_marks() -> None:
    written = b"a" * SECTOR * 3
    mark = padded(ENTRY.pack(0, 0, Flag.MARK, 5)) + padded(b"begin")
    discard = padded(ENTRY.pack(80, 4096, Flag.DISCARD, 0))
    content = log(entry(8, written), entry(0, b"", Flag.FLUSH), discard, mark, entry(2, b"b" * SECTOR, Flag.FUA))

    entries = read_entries(BytesIO(content))

    assert [each.writes for each in entries] == [True, False, False, False, True]
    assert [each.flags for each in entries] == [Flag(0), Flag.FLUSH, Flag.DISCARD, Flag.MARK, Flag.FUA]
    first, *_, last = entries
    assert (first.at, first.offset, first.size) == (SECTOR, 8 * SECTOR, len(written))
    assert content[first.data :][: first.size] == written
    assert content[last.data :][: last.size] == b"b" * SECTOR
    assert entries[2].offset == 80 * SECTOR


def test_what_the_super_block_does_not_tell_of_is_left_out() -> None:
    entries = read_entries(BytesIO(log(entry(1, b"a" * SECTOR), entry(2, b"b" * SECTOR), number=1)))
    assert [each.offset for each in entries] == [SECTOR]


def test_sectors_of_another_size() -> None:
    content = SUPER.pack(MAGIC, 1, 1, 4096).ljust(4096, b"\0") + ENTRY.pack(3, 1, 0, 0).ljust(4096, b"\0") + b"a" * 4096
    (only,) = read_entries(BytesIO(content))
    assert (only.at, only.data, only.offset, only.size) == (4096, 8192, 3 * 4096, 4096)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "no super block"),
        (log(magic=1), "of no log"),
        (log(version=2), "of no log"),
        (log(sector=500), "sectors of 500"),
        (log(sector=16), "sectors of 16"),
        (log(number=1), "ends before entry 0 of 1"),
        (log(entry(0, b"a" * SECTOR)[:-1]), "ends in the data of entry 0 of 1"),
    ],
)
def test_what_is_no_log(content: bytes, message: str) -> None:
    with pytest.raises(BadLog, match=message):
        read_entries(BytesIO(content))
