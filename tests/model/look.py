# SPDX-License-Identifier: LGPL-2.1-or-later
"""What is on the disk, read with nothing of the package."""

from __future__ import annotations

import json
import os
import stat
from dataclasses import dataclass
from pathlib import Path

from tests.model import images
from tests.model.world import World

RECORD = ".json"
OURS = ".tukit-sysext."
"""How our temporary names begin."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Disk:
    """The store and the records.

    ``files``: content of regular files by name; ``others``: names of what is none. ``records``: the recorded hash by
    the name of the image's file, None for a record that is none.
    """

    files: dict[str, bytes]
    others: frozenset[str]
    records: dict[str, str | None]

    def hash_of(self, name: str) -> str:
        """SHA-256 of a file."""
        return images.sha256(self.files[name])

    def whole(self, name: str) -> bool:
        """Whether a file is there with its recorded content."""
        return name in self.files and self.records.get(name) == self.hash_of(name)


def read(world: World) -> Disk:
    """The store as it is."""
    files: dict[str, bytes] = {}
    others: set[str] = set()
    with os.scandir(world.store) as entries:
        for entry in entries:
            if entry.is_file(follow_symlinks=False):
                files[entry.name] = _content(entry.path)
            else:
                others.add(entry.name)
    records: dict[str, str | None] = {}
    try:
        names = os.listdir(world.records)
    except FileNotFoundError:
        names = []
    for name in names:
        if name.endswith(RECORD) and not name.startswith("."):
            records[name.removesuffix(RECORD)] = _recorded(f"{world.records}/{name}")
    return Disk(files=files, others=frozenset(others), records=records)


def _content(path: str) -> bytes:
    with open(path, "rb", buffering=0) as file:
        return file.read()


def _recorded(path: str) -> str | None:
    try:
        return str(json.loads(_content(path))["sha256"])
    except (ValueError, KeyError, TypeError):
        return None


Everything = dict[str, tuple[int, int, int, int]]


def everything_else(world: World) -> Everything:
    """What is not ours to write: the trees with their snapshots' folders, and the source."""
    found: Everything = {}
    for top in (world.fs, world.source):
        _walk(str(top), found)
    return found


def _walk(folder: str, found: Everything) -> None:
    with os.scandir(folder) as entries:
        for entry in entries:
            status = entry.stat(follow_symlinks=False)
            if stat.S_ISDIR(status.st_mode):
                found[entry.path] = (status.st_mode, status.st_uid, 0, 0)
                _walk(entry.path, found)
            else:
                found[entry.path] = (status.st_mode, status.st_ino, status.st_size, status.st_mtime_ns)


def changed(before: Everything, after: Everything, allowed: Path | None) -> list[str]:
    """Paths that came, went or changed, but for those below ``allowed``."""
    paths = {path for path, _ in before.items() ^ after.items()}
    return sorted(path for path in paths if allowed is None or not path.startswith(str(allowed)))
