# SPDX-License-Identifier: LGPL-2.1-or-later
"""The indexes of images' chunks in a folder: which are listed, and which are made."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from tukit_sysext.formats import caibx
from tukit_sysext.publish.chunking import chunk_index, is_index_of
from tukit_sysext.publish.looking import FolderImage
from tukit_sysext.publish.memory import Memory
from tukit_sysext.sources.repository import index_name
from tukit_sysext.system.small_file import read_small


@dataclass(frozen=True, kw_only=True, slots=True)
class PublishedIndex:
    """The index of an image: its file's name, its hash (None: it would be made), and its content where that is new."""

    file_name: str
    sha256: str | None
    content: bytes | None = None

    @property
    def is_new(self) -> bool:
        """Whether it does not lie there yet."""
        return self.content is not None or self.sha256 is None


def indexes(
    folder: Path, images: Sequence[FolderImage], memory: Memory, *, make: bool, dry_run: bool
) -> Mapping[str, PublishedIndex]:
    """Those of images, by the name of the image: what lies there and is right, whoever made it; ``make`` the others.

    A packed image has none. Raises OSError, TukitSysextError where they cannot be made.
    """

    def index(image: FolderImage) -> PublishedIndex | None:
        there = _there(folder, image, memory)
        if there is not None or not make:
            return there
        content = chunk_index(folder / image.file_name) if not dry_run else None
        sha256 = hashlib.sha256(content).hexdigest() if content is not None else None
        return PublishedIndex(file_name=index_name(image.file_name), sha256=sha256, content=content)

    plain = [image for image in images if not image.hint.packing]
    with ThreadPoolExecutor(os.cpu_count()) as threads:
        found = zip(plain, threads.map(index, plain), strict=True)
        return {image.file_name: each for image, each in found if each is not None}


def _there(folder: Path, image: FolderImage, memory: Memory) -> PublishedIndex | None:
    name = index_name(image.file_name)
    try:
        content = read_small(folder / name, limit=caibx.LIMIT)
        index = caibx.parse(content, where=name)
    except (FileNotFoundError, caibx.IndexRefused):
        return None
    sha256 = hashlib.sha256(content).hexdigest()
    known = memory.get(image.file_name)
    remembered = known is not None and known.sha256 == image.sha256 and known.index == sha256
    if not remembered and not is_index_of(index, folder / image.file_name):
        return None
    return PublishedIndex(file_name=name, sha256=sha256)
