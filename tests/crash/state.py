# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a machine has on its disk: all that the package keeps, and a listing of everything else."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sqlite3
import stat
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tukit_sysext.formats.caibx import IndexRefused, parse
from tukit_sysext.layout import EXTENSIONS, QUARANTINE, STORE
from tukit_sysext.store.record import RecordUnreadable, decode

_STATE = "var/lib/tukit-sysext"
_CACHE = "var/cache/tukit-sysext"
_OURS = (STORE.lstrip("/"), _STATE, _CACHE)
TEMPORARY = (".tukit-sysext.", "inspect-")

Links = Mapping[str, str]
"""What links say, by name."""


@dataclass(frozen=True, kw_only=True, slots=True)
class File:
    """A file of the store: its inode and the SHA-256 of its content."""

    inode: int
    sha256: str


_OF_A_RUN = ("time", "identity", "fetched", "reused")
"""What a record has that is not the same in another run: what came in an earlier one, too."""


@dataclass(frozen=True, kw_only=True, slots=True)
class State:
    """The machine as it is.

    ``links``, ``held`` (in quarantine) and their ``reasons`` by snapshot; ``touched`` are links that changed since the
    snapshot was made. ``records`` by image file, without what differs from run to run, None for one that is none;
    ``indexes`` tells of the files beside the records whether they are indexes of chunks; ``temporary`` are names of
    what is on its way, or was left; ``others`` is everything that is not ours. ``ledger`` has rows by table, None where
    it is none.
    """

    links: Mapping[str, Links]
    touched: Mapping[str, frozenset[str]]
    held: Mapping[str, Links]
    reasons: Mapping[str, Mapping[str, str]]
    store: Mapping[str, File]
    records: Mapping[str, Mapping[str, Any] | None]
    indexes: Mapping[str, bool]
    seen: Mapping[str, Mapping[str, int] | None]
    ledger: Mapping[str, list[tuple[Any, ...]]] | None
    temporary: frozenset[str]
    others: Mapping[str, str]

    def whole(self, name: str) -> bool:
        """Whether an image is in the store with its recorded hash."""
        file, record = self.store.get(name), self.records.get(name)
        return file is not None and record is not None and record["sha256"] == file.sha256

    def lasting(self) -> dict[str, object]:
        """What must be the same after a run, however often it was interrupted."""
        return {
            "links": self.links,
            "links that changed": self.touched,
            "links in quarantine": self.held,
            "reasons": self.reasons,
            "store": {name: file.sha256 for name, file in self.store.items()},
            "records": self.records,
            "signature times": self.seen,
            # what happened is told once, or not where that was interrupted; for images see checks
            "ledger": {table: rows for table, rows in (self.ledger or {}).items() if table not in ("image", "event")},
        }


def read(root: Path) -> State:
    """Look at the machine whose root this is."""
    trees = {path.name: path / "snapshot" for path in (root / ".snapshots").iterdir() if (path / "snapshot").is_dir()}
    images = root / _STATE / "images"
    return State(
        links={number: _links(tree / EXTENSIONS) for number, tree in trees.items()},
        touched={number: frozenset(_touched(tree)) for number, tree in trees.items()},
        held={number: _links(tree / QUARANTINE) for number, tree in trees.items()},
        reasons={number: _reasons(tree / QUARANTINE) for number, tree in trees.items()},
        store=dict(_store(root / STORE.lstrip("/"))),
        records={
            name.removesuffix(".json"): _record(images / name) for name in _names(images) if name.endswith(".json")
        },
        indexes={name: _has_an_index(images / name) for name in _names(images) if not name.endswith(".json")},
        seen={name: _seen(root / _STATE / "seen" / name) for name in _names(root / _STATE / "seen")},
        ledger=_ledger(root / _STATE / "ledger.db"),
        temporary=frozenset(_temporary(root)),
        others=dict(_others(root)),
    )


def _names(folder: Path) -> list[str]:
    return sorted(name for name in os.listdir(folder) if not name.startswith(".")) if folder.is_dir() else []


def _links(folder: Path) -> Links:
    return {name: os.readlink(folder / name) for name in _names(folder) if (folder / name).is_symlink()}


def _reasons(folder: Path) -> Mapping[str, str]:
    """Why links are in quarantine, by their names; empty for what says nothing."""
    found: dict[str, str] = {}
    for name in _names(folder):
        if name.endswith(".reason"):
            try:
                found[name.removesuffix(".reason")] = json.loads((folder / name).read_bytes())["reason"]
            except (ValueError, KeyError):
                found[name.removesuffix(".reason")] = ""
    return found


def _touched(tree: Path) -> Iterator[str]:
    before = tree / "etc/etc.syncpoint/extensions"
    for name in _links(before):
        link = tree / EXTENSIONS / name
        if link.is_symlink() and int(link.lstat().st_mtime) != int((before / name).lstat().st_mtime):
            yield name


def _sha256(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _store(folder: Path) -> Iterator[tuple[str, File]]:
    for name in _names(folder):
        yield name, File(inode=(folder / name).stat().st_ino, sha256=_sha256(folder / name))


def _record(path: Path) -> Mapping[str, Any] | None:
    try:
        decode(path.read_bytes(), file_name=path.name.removesuffix(".json"))
    except RecordUnreadable:
        return None
    return {key: value for key, value in json.loads(path.read_bytes()).items() if key not in _OF_A_RUN}


def _has_an_index(path: Path) -> bool:
    """Whether a file is an index of chunks."""
    try:
        parse(path.read_bytes(), where=str(path))
    except IndexRefused:
        return False
    return True


def _seen(path: Path) -> Mapping[str, int] | None:
    try:
        keys: Mapping[str, int] = json.loads(path.read_bytes())["keys"]
    except (ValueError, KeyError):
        return None
    return keys


_QUERIES = {
    "image": "SELECT file, name, sha256, gone IS NULL, unreferenced_since IS NULL FROM image ORDER BY file",
    "snapshot": "SELECT number, state, gone IS NULL FROM snapshot ORDER BY number, uuid",
    "snapshot_image": "SELECT number, link, image FROM snapshot_image JOIN snapshot ON snapshot = id ORDER BY 1, 2",
    "event": "SELECT kind, snapshot, image FROM event ORDER BY id",
    "left_out": "SELECT number, image FROM left_out JOIN snapshot ON snapshot = id ORDER BY 1, 2",
}
"""What of the ledger does not differ from run to run."""


def _ledger(path: Path) -> Mapping[str, list[tuple[Any, ...]]] | None:
    with tempfile.TemporaryDirectory() as folder:
        for name in (path.name, f"{path.name}-journal"):
            # with what an interrupted run left: reading it would change it
            if path.with_name(name).exists():
                shutil.copy(path.with_name(name), folder)
        try:
            connection = sqlite3.connect(Path(folder, path.name))
            try:
                return {table: connection.execute(query).fetchall() for table, query in _QUERIES.items()}
            finally:
                connection.close()
        except sqlite3.Error:
            return None


def _temporary(root: Path) -> Iterator[str]:
    for top in (*_OURS, ".snapshots"):
        for folder, folders, files in os.walk(root / top):
            for name in (*folders, *files):
                if name.startswith(TEMPORARY):
                    yield f"/{os.path.relpath(os.path.join(folder, name), root)}"


def _others(root: Path) -> Iterator[tuple[str, str]]:
    for top in (".snapshots", "var"):
        for folder, folders, files in os.walk(root / top):
            for name in (*folders, *files):
                path = Path(folder, name)
                inside = str(path.relative_to(root))
                if _ours(inside):
                    continue
                status = path.lstat()
                content = os.readlink(path) if path.is_symlink() else ""
                content = _sha256(path) if stat.S_ISREG(status.st_mode) else content
                yield f"/{inside}", f"{status.st_mode:o} {status.st_uid} {content}"


def _ours(path: str) -> bool:
    below = path.split("/", 3)
    if path.startswith(".snapshots/"):
        inside = below[3] if len(below) > 3 else ""
        folders = (EXTENSIONS, QUARANTINE)
        return any(inside == folder or inside.startswith(f"{folder}/") for folder in folders)
    return any(path == folder or path.startswith(f"{folder}/") for folder in (*_OURS, os.path.dirname(_CACHE)))
