# SPDX-License-Identifier: LGPL-2.1-or-later
"""caibx, casync's index of a file: where each of its chunks ends, and the hash of each (casync(1), caformat.h).

A header with the bounds of the chunks, a table of their ends and ids, and a tail that says where the table begins. All
numbers are little-endian and have 64 bits. The whole must be as casync writes it: an index is a hint about a file, and
one that is odd in anything is of no use.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

from tukit_sysext.errors import ImageBroken

ENDING = ".caibx"
"""What the name of an index has behind that of its file."""
MOST_CHUNKS = 131_072
"""The most chunks that are taken: 512 MiB in chunks of 4 KiB, of which ``publish`` uses half."""
LARGEST_CHUNK = 4 * 1024 * 1024
"""The most bytes that one chunk may have."""

_HEADER = struct.Struct("<6Q")
_TABLE = struct.Struct("<2Q")
_ITEM = struct.Struct("<Q32s")
_TAIL = struct.Struct("<5Q")
_INDEX_TYPE, _TABLE_TYPE, _TAIL_MARKER = 0x96824D9C7B129FF9, 0xE75B9E112F17417D, 0x4B4F050E5549ECD1
_OPEN_END = 2**64 - 1
_SHA512_256 = 0x2000000000000000
_FLAGS = 0x9000000000000000
"""What casync writes by default; of a file that is no archive they say nothing but the hash."""
LIMIT = _HEADER.size + _TABLE.size + MOST_CHUNKS * _ITEM.size + _TAIL.size
"""The most bytes that an index may have."""


class IndexRefused(ImageBroken):
    """It is no index, or one that contradicts itself."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ChunkSizes:
    """The bounds of chunks in bytes, the last one of a file may be smaller; ``average`` is what they are cut by."""

    least: int
    average: int
    most: int

    @classmethod
    def around(cls, average: int) -> ChunkSizes:
        """As casync has them for an average."""
        return cls(least=average // 4, average=average, most=average * 4)


@dataclass(frozen=True, kw_only=True, slots=True)
class ChunkIndex:
    """The chunks of a file, numbered from 0; ``table`` has them as they stand in the index: a small object each, of a
    hundred thousand, would take more memory than the file's bytes on their way.

    ``digest`` is hashlib's name of the hash.
    """

    sizes: ChunkSizes
    digest: str
    table: memoryview

    def __len__(self) -> int:
        return len(self.table) // _ITEM.size

    @property
    def size(self) -> int:
        """Bytes of the whole file."""
        return self.end(len(self) - 1)

    def end(self, number: int) -> int:
        """The offset of the first byte behind a chunk; 0 for chunk -1."""
        return int(_ITEM.unpack_from(self.table, number * _ITEM.size)[0]) if number >= 0 else 0

    def ids(self) -> Iterator[bytes]:
        """The hash of each chunk."""
        return (chunk for _, chunk in _ITEM.iter_unpack(self.table))

    def chunks(self) -> Iterator[tuple[int, int, bytes]]:
        """Of each chunk the offset, the offset behind it, and its hash."""
        begin = 0
        for end, chunk in _ITEM.iter_unpack(self.table):
            yield begin, end, chunk
            begin = end

    def read_again(self, read: Callable[[int, int], bytes]) -> ChunkIndex:
        """The index of what is between the same offsets now: ``read`` gives it from one up to another."""
        chunks = ((end, hashlib.new(self.digest, read(begin, end)).digest()) for begin, end, _ in self.chunks())
        return replace(self, table=memoryview(b"".join(_ITEM.pack(*chunk) for chunk in chunks)))

    def is_chunk(self, number: int, content: bytes | memoryview) -> bool:
        """Whether bytes are those of a chunk."""
        expected: bytes = _ITEM.unpack_from(self.table, number * _ITEM.size)[1]
        return hashlib.new(self.digest, content).digest() == expected


def parse(content: bytes, *, where: str) -> ChunkIndex:
    """Read an index; ``where`` names it in errors. Raises IndexRefused."""
    begin, behind = _HEADER.size + _TABLE.size, len(content) - _TAIL.size
    if behind < begin or (behind - begin) % _ITEM.size:
        raise IndexRefused(f"{where}: its {len(content)} bytes are no index of casync")
    if len(content) > LIMIT:
        raise IndexRefused(f"{where}: an index of more than {MOST_CHUNKS} chunks")
    length, kind, flags, least, average, most = _HEADER.unpack_from(content)
    if (length, kind) != (_HEADER.size, _INDEX_TYPE):
        raise IndexRefused(f"{where}: its header is not that of an index of casync")
    if _TABLE.unpack_from(content, _HEADER.size) != (_OPEN_END, _TABLE_TYPE):
        raise IndexRefused(f"{where}: its table does not begin as one of casync")
    if _TAIL.unpack_from(content, behind) != (0, 0, _HEADER.size, len(content) - _HEADER.size, _TAIL_MARKER):
        raise IndexRefused(f"{where}: it does not end as an index of casync")
    if not 0 < least <= average <= most <= LARGEST_CHUNK:
        raise IndexRefused(f"{where}: chunks of {least}, {average} and {most} bytes, expected up to {LARGEST_CHUNK}")
    index = ChunkIndex(
        sizes=ChunkSizes(least=least, average=average, most=most),
        digest="sha512_256" if flags & _SHA512_256 else "sha256",
        table=memoryview(content)[begin:behind],
    )
    before, last = 0, len(index) - 1
    for number, (end, _) in enumerate(_ITEM.iter_unpack(index.table)):
        if not (1 if number == last else least) <= end - before <= most:
            raise IndexRefused(f"{where}: chunk {number} has {end - before} bytes, expected {least} to {most}")
        before = end
    return index


def compose(sizes: ChunkSizes, chunks: Iterable[tuple[int, bytes]]) -> bytes:
    """An index of chunks with SHA-256, as casync writes it: of each the offset behind it, and its hash."""
    table = b"".join(_ITEM.pack(end, chunk) for end, chunk in chunks)
    header = _HEADER.pack(_HEADER.size, _INDEX_TYPE, _FLAGS, sizes.least, sizes.average, sizes.most)
    length = _TABLE.size + len(table) + _TAIL.size
    tail = _TAIL.pack(0, 0, _HEADER.size, length, _TAIL_MARKER)
    return header + _TABLE.pack(_OPEN_END, _TABLE_TYPE) + table + tail
