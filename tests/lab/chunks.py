# SPDX-License-Identifier: LGPL-2.1-or-later
"""Indexes of chunks that are all of one size: what machines read is the same, and no content has to be looked for."""

from __future__ import annotations

import hashlib
from pathlib import Path

from tukit_sysext.formats.caibx import ChunkSizes, compose
from tukit_sysext.sources.repository import index_name


def index_in_pieces(content: bytes, size: int) -> bytes:
    """The index of a content's chunks of so many bytes."""
    pieces = [content[offset : offset + size] for offset in range(0, len(content), size)]
    ends = [min(len(content), size * (number + 1)) for number in range(len(pieces))]
    chunks = [(end, hashlib.sha256(piece).digest()) for end, piece in zip(ends, pieces, strict=True)]
    return compose(ChunkSizes(least=1, average=size, most=size), chunks)


def write_index(image: Path, size: int = 4096) -> Path:
    """Write the index of an image beside it."""
    path = image.with_name(index_name(image.name))
    path.write_bytes(index_in_pieces(image.read_bytes(), size))
    return path
