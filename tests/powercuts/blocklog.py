# SPDX-License-Identifier: LGPL-2.1-or-later
"""The log of a disk's writes, as qemu's driver blklogwrites and the kernel's dm-log-writes write it.

A super block, then entries: a header that fills a sector, and after it the data, but for a discard. Numbers are little
endian; positions and sizes are in sectors. An entry is logged when its request has completed, a flush after it too.
(Documentation/admin-guide/device-mapper/log-writes.rst, qemu's block/blklogwrites.c)
"""

from __future__ import annotations

import enum
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import BinaryIO

MAGIC = 0x6A736677736872
VERSION = 1
SUPER = struct.Struct("<QQQI")
"""magic, version, number of entries, bytes of a sector"""
ENTRY = struct.Struct("<QQQQ")
"""sector, number of sectors, flags, bytes of a mark's text"""


class Flag(enum.IntFlag):
    """What an entry is; a plain write has none."""

    FLUSH = 1
    FUA = 2
    DISCARD = 4
    MARK = 8
    METADATA = 16


class BadLog(ValueError):
    """Not such a log, or one that ends in the middle of an entry."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """A request, all in bytes."""

    at: int
    """Where its header lies in the log."""
    data: int
    """Where its data lies in the log."""
    offset: int
    """Where it goes on the disk."""
    size: int
    flags: Flag

    @property
    def writes(self) -> bool:
        """It has data for the disk."""
        return self.size > 0 and not self.flags & (Flag.DISCARD | Flag.MARK)


def read_entries(log: BinaryIO) -> Sequence[Entry]:
    """All entries that the super block tells of."""
    log.seek(0)
    head = log.read(SUPER.size)
    if len(head) < SUPER.size:
        raise BadLog("no super block")
    magic, version, number, sector = SUPER.unpack(head)
    if (magic, version) != (MAGIC, VERSION):
        raise BadLog(f"magic {magic:#x} and version {version} are of no log that is known")
    if sector < max(SUPER.size, ENTRY.size) or sector & (sector - 1):
        raise BadLog(f"sectors of {sector} bytes")
    size = log.seek(0, 2)
    position = sector
    entries: list[Entry] = []
    for _ in range(number):
        log.seek(position)
        header = log.read(ENTRY.size)
        if len(header) < ENTRY.size:
            raise BadLog(f"ends before entry {len(entries)} of {number}")
        first, sectors, flags, mark_size = ENTRY.unpack(header)
        data = position + sector
        entry = Entry(at=position, data=data, offset=first * sector, size=sectors * sector, flags=Flag(flags))
        following = data + (entry.size if entry.writes else -(-mark_size // sector) * sector)
        if entry.writes and following > size:
            raise BadLog(f"ends in the data of entry {len(entries)} of {number}")
        entries.append(entry)
        position = following
    return entries
