# SPDX-License-Identifier: LGPL-2.1-or-later
"""Packs images as publishers do, by the programs that they use."""

from __future__ import annotations

import io
import subprocess
import tarfile
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

import pytest

PROGRAMS = {
    "xz": ("xz", "-c"),
    "zst": ("zstd", "-q", "-c"),
    "gz": ("gzip", "-n", "-c"),
    "bz2": ("bzip2", "-c"),
}

no_zstandard = pytest.mark.skipif(find_spec("zstandard") is None, reason="python3-zstandard is not installed here")
PACKINGS = [pytest.param(each, marks=no_zstandard) if each == "zst" else each for each in PROGRAMS]


def packed(content: bytes, packing: str) -> bytes:
    """The content, packed."""
    return subprocess.run(PROGRAMS[packing], input=content, stdout=subprocess.PIPE, check=True).stdout


def pack(image: Path, packing: str) -> Path:
    """Put the packed image in the place of one that is not; its path."""
    made = image.with_name(f"{image.name}.{packing}")
    made.write_bytes(packed(image.read_bytes(), packing))
    image.unlink()
    return made


def layer(files: Mapping[str, bytes | None], compression: str = "gz", *, kind: bytes = tarfile.REGTYPE) -> bytes:
    """The layer of a container image with these files (None: a folder)."""
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.type, member.size = (kind, len(content)) if content is not None else (tarfile.DIRTYPE, 0)
            member.linkname = "target" if kind != tarfile.REGTYPE else ""
            archive.addfile(member, io.BytesIO(content or b""))
    return packed(made.getvalue(), compression) if compression else made.getvalue()
