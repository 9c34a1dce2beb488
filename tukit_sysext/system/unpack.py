# SPDX-License-Identifier: LGPL-2.1-or-later
"""Unpacking a file whose hash is right, in a child with limits and a timeout; what comes out is taken piece by piece.

How much that is, is not known before: the caller stops at its limit.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

from tukit_sysext.errors import ImageBroken, NoVerdict, ToolBroken
from tukit_sysext.system import unpacker
from tukit_sysext.system.process import ProcessResult, TimedOut, stream

_TIMEOUT = 900.0
_CPU_SECONDS = 900
_MEMORY = 1 << 30
_KNOWN_GOOD = {
    "xz": "fd377a585a000004e6d6b4460200210116000000742fe5a301000a6b6e6f776e20676f6f640a00007022a1361b125ff0"
    "0001230bc21bfd091fb6f37d010000000004595a",
    "bz2": "425a68393141592653599c5703b0000002518000104000048980802000220d34da843021746c19178bb9229c28484e2b81d800",
    "gz": "1f8b0800000000000203cbcecb2fcf5348cfcf4fe1020089f7aec40b000000",
    "zst": "28b52ffd04585900006b6e6f776e20676f6f640a1cdd89ae",
    "layer": "1f8b08000000000002034bcfcf4fd12b4a2c67a021300002331313300d04e8b48181a131820d163737313062503060a0"
    "03282d2e492c025ac9303241765e7e799e423a301570318c8251300a46c128183900005f0680f000080000",
}
"""``known good`` and a newline, in hexadecimal digits."""


def unpack(descriptor: int, packing: str, take: Callable[[bytes], None]) -> None:
    """Give ``take`` what is packed in an open file.

    Raises ImageBroken where the data is bad, NoVerdict where nobody can tell, and what ``take`` raises.
    """
    result = _run(descriptor, packing, take)
    if result.status == 0:
        return
    if result.status == unpacker.BAD_DATA and _works(packing):
        raise ImageBroken(f"it cannot be unpacked ({packing}): {result.said}")
    raise NoVerdict(f"it cannot be unpacked ({packing}): {result.died or result.said or f'status {result.status}'}")


def _run(descriptor: int, packing: str, take: Callable[[bytes], None]) -> ProcessResult:
    os.lseek(descriptor, 0, os.SEEK_SET)
    argv = [sys.executable, "-IB", str(Path(unpacker.__file__)), packing, str(descriptor)]
    try:
        return stream(argv, take, timeout=_TIMEOUT, descriptors=(descriptor,), cpu_seconds=_CPU_SECONDS, memory=_MEMORY)
    except (TimedOut, ToolBroken) as error:
        raise NoVerdict(f"it cannot be unpacked ({packing}): {error}") from error


def _works(packing: str) -> bool:
    """Whether the library can unpack anything at all: what it says against a file counts only then."""
    taken = bytearray()
    descriptor = os.memfd_create("known good", os.MFD_CLOEXEC)
    try:
        os.write(descriptor, bytes.fromhex(_KNOWN_GOOD[packing]))
        return _run(descriptor, packing, taken.extend).status == 0 and bytes(taken) == b"known good\n"
    finally:
        os.close(descriptor)
