# SPDX-License-Identifier: LGPL-2.1-or-later
"""Bodies of answers as streams of blocks, whole or spoilt."""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Callable, Iterator

BLOCK = 64 * 1024
_MIB = 1024 * 1024

Blocks = Iterator[bytes]


def file_blocks(descriptor: int, start: int, length: int, flipped: int | None = None) -> Blocks:
    """A part of a file; the bits of the byte at the offset `flipped` of the file are flipped."""
    position, end = start, start + length
    while position < end and (block := os.pread(descriptor, min(BLOCK, end - position), position)):
        if flipped is not None and position <= flipped < position + len(block):
            changed = bytearray(block)
            changed[flipped - position] ^= 0xFF
            block = bytes(changed)
        yield block
        position += len(block)


def endless(start: Callable[[], Blocks]) -> Blocks:
    """A stream from its beginning again and again; zeros where it is empty."""
    begun = b""
    for block in start():
        begun += block
        if len(begun) >= BLOCK:
            break
    else:
        # A short one is repeated in large blocks, or sending it would cost more than receiving it.
        begun = begun or b"\0"
        while True:
            yield begun * (BLOCK // len(begun))
    while True:
        yield from start()


def pieces(blocks: Blocks, size: int) -> Blocks:
    """The stream in pieces of at most `size` bytes."""
    for block in blocks:
        for offset in range(0, len(block), size):
            yield block[offset : offset + size]


def first(blocks: Blocks, size: int) -> Blocks:
    """The first `size` bytes of the stream."""
    while size > 0 and (block := next(blocks, b"")):
        yield block[:size]
        size -= len(block)


def gzip_bomb(mib: int) -> bytes:
    """So many MiB of zeros in gzip's format (RFC 1952), in about a thousandth of the room."""
    zeros = bytes(_MIB)
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    # After a full flush nothing refers to what was before, so that the block can be repeated.
    block = packer.compress(zeros) + packer.flush(zlib.Z_FULL_FLUSH)
    checksum = 0
    for _ in range(mib):
        checksum = zlib.crc32(zeros, checksum)
    head = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\xff"
    last_empty_block = b"\x03\x00"
    return head + block * mib + last_empty_block + struct.pack("<II", checksum, mib * _MIB % 2**32)
