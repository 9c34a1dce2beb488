# SPDX-License-Identifier: LGPL-2.1-or-later
"""The chunks of a file, cut where casync cuts it (``casync make --digest=sha256``): its content decides where.

A chunk ends behind any 48 bytes whose rolling hash (buzhash, 32 bits) has a certain rest, but is neither smaller nor
larger than its bounds. So the chunks behind an insertion are those that were there before. No library does it, and
casync itself cannot leave out to write each chunk into a file of its own.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tukit_sysext.errors import TukitSysextError
from tukit_sysext.formats.caibx import MOST_CHUNKS, ChunkIndex, ChunkSizes, compose

_AVERAGE = 4 * 1024
"""Bytes of a chunk, in images of up to 256 MiB. A change costs the chunks that it is in, a chunk 40 bytes of the index.

An erofs says where each file is, and says so among the files: where one grows by a block, a few bytes change everywhere
behind it, and the smaller the chunks are the less comes for that.
"""
_WINDOW = 48
_BLOCK = 1024 * 1024
_SPARE = 2
"""By how much chunks may be smaller than on average, so that an image of the largest size has no more than are read."""
_TABLE = bytes.fromhex(
    "458be752 c10748cc fbbcdbb8 6ded5b68 b10a82b5 20d75648 dfc5665f a8428801"
    "7ebf5191 841135c7 65cc53b3 280a597c 16f60255 c78cbc3e 294415f5 b938d494"
    "ec85c4e6 b7d33edc e549b544 fdeda5aa 882bf287 3116737c 05569956 e8cc1f68"
    "0806ac5e 22a14443 15297e10 50d090e7 4ba60f6f efd9f1a7 5c5c885c 82482f93"
    "9bfd7c64 0b3e7276 f2688e77 8fad8abc b0509568 f1ada29f a53efdfe cb2b1d00"
    "f2a9e986 6463432b 95094051 5a223ad2 9be8401b 61e579cb 1a556a14 5840fdc2"
    "9261ddf6 cde002bb 52432bb0 bf17373e 7b7c222f 2955ed16 9f10ca59 e840c4c9"
    "ccabd806 14543f34 1462417a 0d4a1f9c 087ed925 d7f8f24c 7338c425 cf86c8f5"
    "b19165cd 9891c393 325384ac 0308459d 86141d7e c922116a e2ffa6b6 53f52aed"
    "2cd86197 f5b9f498 bf319c8f e0411fae 977eb18c d8770976 9833466a c674df7f"
    "8c297d45 8ca48d26 c49ed8e2 7344f874 556f79c7 6b25eaed a03e2b42 f68f66a4"
    "8e8b09a2 f2e0e62a 0d3a9806 9729e493 8c72b0fc 160b94f6 450e4d3d 7a320e85"
    "bef8f0e1 21d73653 4e3d977a 1e7b3929 1cc6c719 be478d53 8d752809 e6d8c2c6"
    "275f0892 c8acc273 4cc21580 ecc4a617 f5f7be70 e795248a 375a2fe9 425570b6"
    "8898dcf8 dc2d97c4 0106114b 364dc22f 1e0cad1f be63803c 5f69fac2 4d5afa6f"
    "1bc0dfb5 fb273589 0ea47f7b 3c1c2b50 21b2a932 6b1223fd 2fe706a8 f9bd6ce2"
    "a268e64e e987f486 3eacf563 1ca2018c 65e18228 2207360a 57cf1715 34c37d2b"
    "1f8f3cde 93b657cf 31a019fd e69eb729 8bca7b9b 4c9d5bed 277ebeaf e0d8f8ae"
    "d150821c 31381871 afc3f1b0 927db328 e95effac 305a47bd 426ba35b 1233af3f"
    "686a5b83 50e072e5 d9d3bb2a 8befc475 487f0de6 c88dff89 bd664d5e 971b5d18"
    "63b14847 d7d3c1ce 7f583cf3 72cbcb09 c0d0a81c 7fa3429b e9158a1b 225ea19a"
    "d8ca9ea3 c763b282 bb0c6341 020b8293 d4cd299d 58cfa7f8 91b4ee53 37e4d140"
    "95ec764c 30f76b06 5ee68d24 679c8661 a41979c2 f2b61284 4fac1475 0adb49f9"
    "19727a23 15a7e374 c43a18d5 3fb1aa73 342fc615 924c0793 bee2d7f0 8a279de9"
    "4aa2d70c e24dd37f be862c0b 177c22c2 5388e5ee cd8a7510 f901b4fd dbc13dbc"
    "6c0bae5b 64efe8c7 48b02079 80331a49 ca3d8ae6 f3546190 fed7108b c49b941b"
    "32baf4a9 eb833a4a 88a3f1a5 3a91ce0a 3cc27da1 7112e684 4a3096b1 3794574c"
    "a3c8b6f3 1d213941 6e0a2e00 233479f1 0f4cd82f 6093edd2 5d7d209e 464fe319"
    "d4dcac9e 0db845cb fb5e4bc3 e0256ce1 09fb4ed1 0914be1e a5bdb2c3 c6eb57bb"
    "30320350 3f397e91 a67791bc 86bc0e2c efa0a7e2 e9ff7543 e733612c d185897b"
    "329e5388 91dd236b 2ecb0d93 f4d82a3d 35b5c03f e4e606f0 05b21843 37b45964"
    "5eff22f4 6027f4cc 77178b3c ae507131 7bf7cabc f9c18d66 593ade65 d95ddf11"
)
"""What each byte counts in the rolling hash: 256 numbers, the highest byte first. All tools of casync's format have
these."""


def chunk_index(path: Path) -> bytes:
    """The index of a file. Raises OSError, TukitSysextError where numpy is not installed."""
    sizes = _sizes(path.stat().st_size)
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return compose(sizes, _chunks(descriptor, sizes))
    finally:
        os.close(descriptor)


def is_index_of(index: ChunkIndex, path: Path) -> bool:
    """Whether an index says what is in a file. Raises OSError."""
    if index.size != path.stat().st_size:
        return False
    with open(path, "rb") as file:
        return all(
            index.is_chunk(number, file.read(end - begin)) for number, (begin, end, _) in enumerate(index.chunks())
        )


def _sizes(size: int) -> ChunkSizes:
    average = _AVERAGE
    while size * _SPARE > average * MOST_CHUNKS:
        average *= 2
    return ChunkSizes.around(average)


def _chunks(descriptor: int, sizes: ChunkSizes) -> Iterator[tuple[int, bytes]]:
    """Of each chunk of an open file the offset behind it, and its hash."""
    begin = 0
    for end in _ends(descriptor, sizes):
        yield end, hashlib.sha256(os.pread(descriptor, end - begin, begin)).digest()
        begin = end


def _ends(descriptor: int, sizes: ChunkSizes) -> Iterator[int]:
    """The offset behind each chunk."""
    hasher = _RollingHash(sizes)
    begin = position = 0
    before = b""
    while block := os.pread(descriptor, _BLOCK, position):
        seen = before + block
        for behind in hasher.cuts(seen):
            end = position - len(before) + behind
            while end - begin > sizes.most:
                begin += sizes.most
                yield begin
            if end - begin >= sizes.least:
                begin = end
                yield begin
        position += len(block)
        before = seen[-(_WINDOW - 1) :]
    while position - begin > sizes.most:
        begin += sizes.most
        yield begin
    if position > begin:
        yield position


class _RollingHash:
    """The hash of every 48 bytes of a block, made of those of fewer: 1, 3, 6, 12, 24."""

    def __init__(self, sizes: ChunkSizes) -> None:
        self._numpy = numpy = _numpy()
        self._table = numpy.frombuffer(_TABLE, dtype=">u4").astype(numpy.uint32)
        # the rest that ends a chunk leaves chunks of about the average, of which casync's figures make it
        divisor = int(sizes.average / (-1.42888852e-7 * sizes.average + 1.33237515))
        self._divisor = numpy.uint32(max(sizes.least, min(sizes.most, divisor)))

    def cuts(self, block: bytes) -> list[int]:
        """Behind which bytes of a block a chunk may end."""
        if len(block) < _WINDOW:
            return []
        one = self._table[self._numpy.frombuffer(block, dtype=self._numpy.uint8)]
        three = self._joined(self._joined(one, 1, one, 1), 2, one, 1)
        six = self._joined(three, 3, three, 3)
        twelve = self._joined(six, 6, six, 6)
        twentyfour = self._joined(twelve, 12, twelve, 12)
        hashes = self._joined(twentyfour, 24, twentyfour, 24)
        rests = hashes - hashes // self._divisor * self._divisor
        found: list[int] = (self._numpy.flatnonzero(rests == self._divisor - 1) + _WINDOW).tolist()
        return found

    def _joined(self, hashes: Any, width: int, others: Any, count: int) -> Any:
        """From each byte on the hash of ``width`` bytes and the ``count`` ones behind them, of the hashes of both."""
        behind = others[width:]
        hashes = hashes[: len(behind)]
        rotated = hashes << self._numpy.uint32(count)
        rotated |= hashes >> self._numpy.uint32(32 - count)
        rotated ^= behind
        return rotated


def _numpy() -> Any:
    try:
        import numpy
    except ImportError as error:
        raise TukitSysextError(
            "numpy is not installed: it finds the chunks of images", next_step="install python3-numpy"
        ) from error
    return numpy
