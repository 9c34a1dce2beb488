# SPDX-License-Identifier: LGPL-2.1-or-later
"""The quarantines of a tree: links and files that would harm the merge, each with its reason beside it.

That of /etc/extensions is ``/etc/tukit-sysext/quarantine``, the others are within their folders (quarantine_of()). An
entry ``NAME`` has ``NAME.reason`` (JSON). The reason is written first and deleted last, so that a killed run leaves an
entry with its reason, or a reason without an entry, which the next run deletes.
"""

from __future__ import annotations

import json
import logging
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from tukit_sysext.errors import OutsideTree, UnknownState
from tukit_sysext.layout import EXTENSIONS, quarantine_of
from tukit_sysext.snapshots.entries import Entry, EntryKind, entries_of, image_of
from tukit_sysext.system.durable import TEMPORARY_PREFIX
from tukit_sysext.system.label import labelled
from tukit_sysext.system.small_file import read_small
from tukit_sysext.system.syscalls import rename_new
from tukit_sysext.system.tree import Tree

log = logging.getLogger(__name__)

MOVABLE = (EntryKind.LINK, EntryKind.FILE)
"""What is ever moved: on a folder no merge fails."""

_SUFFIX = ".reason"
_LIMIT = 64 * 1024
_NAMES = 1000
"""Names that are tried for one link."""
_NAME_MAX = 255
_LONGEST = _NAME_MAX - len(f"{TEMPORARY_PREFIX}.{_NAMES}{_SUFFIX}")
"""Bytes of a link's name in quarantine, which NAME_MAX bounds with everything around it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Quarantined:
    """An entry in quarantine: the name that it has there, what it was in its place, why, and since when.

    ``since`` in UTC, RFC 3339; empty where not known. ``path`` is where it is now.
    """

    name: str
    entry: Entry
    reason: str
    since: str
    path: Path


def quarantined(tree: Tree, folder: str = EXTENSIONS) -> tuple[Quarantined, ...]:
    """What of a folder is in quarantine, by name. Raises UnknownState where that cannot be read."""
    place = quarantine_of(folder)
    try:
        # nobody makes links of what all trees share but who has it elsewhere, and then nothing was moved
        descriptor = tree.directory(place) if folder == EXTENSIONS else tree.find(place)
    except OutsideTree as error:
        raise UnknownState(str(error)) from error
    if descriptor is None:
        return ()
    try:
        return tuple(
            _read(descriptor, entry, folder, tree.path / place)
            for entry in entries_of(descriptor)
            # a file without a reason is somebody's, or the reason of a link
            if entry.kind is EntryKind.LINK or (entry.kind is EntryKind.FILE and _note(descriptor, entry.name))
        )
    except OSError as error:
        raise UnknownState(f"{tree.path}/{place}: cannot be read: {error.strerror}") from error
    finally:
        os.close(descriptor)


def _read(descriptor: int, entry: Entry, folder: str, place: Path) -> Quarantined:
    note = _note(descriptor, entry.name)
    link = note.get("link", "")
    # only what can be a name in its folder goes there again
    name = link if _is_name(link) else entry.name
    was = replace(entry, name=name, image=image_of(entry.target, folder) if entry.target else None, folder=folder)
    reason, since = note.get("reason", ""), note.get("since", "")
    return Quarantined(name=entry.name, entry=was, reason=reason, since=since, path=place / entry.name)


def _is_name(text: str) -> bool:
    try:
        length = len(os.fsencode(text))
    except UnicodeEncodeError:
        return False
    odd = text in (".", "..") or text.startswith(TEMPORARY_PREFIX) or "/" in text or "\0" in text
    return 0 < length <= _NAME_MAX and not odd


def _note(descriptor: int, name: str) -> dict[str, str]:
    try:
        document = json.loads(read_small(f"{name}{_SUFFIX}", limit=_LIMIT, dir_fd=descriptor, follow=False))
        return {key: text for key, text in document.items() if isinstance(text, str)}
    except (OSError, ValueError, AttributeError, RecursionError):
        return {}


class Quarantine:
    """Moves entries of one folder of a tree in and out, and replaces nothing that is there already."""

    def __init__(self, tree: Tree, folder: str = EXTENSIONS) -> None:
        self._tree = tree
        self._folder = folder
        self._place = quarantine_of(folder)

    def take(self, entry: Entry, reason: str, since: str) -> str:
        """Move an entry out of its folder; the name that it has in quarantine.

        Raises OSError, OutsideTree, UnknownState, as all that is done here.
        """
        with self._directories() as (extensions, quarantine):
            for number in range(1, _NAMES):
                name = _short(entry.name) if number == 1 else f"{_short(entry.name)}.{number}"
                if _lexists(quarantine, name):
                    if _is_same(extensions, quarantine, name, entry):
                        # half done: a power cut may leave it in both places
                        os.unlink(entry.name, dir_fd=extensions)
                        os.fsync(extensions)
                        return name
                    continue
                note = {"link": entry.name, "reason": reason, "since": since, "target": entry.target or ""}
                self._write(quarantine, name, note)
                with suppress(FileExistsError):
                    rename_new(extensions, entry.name, quarantine, name)
                    os.fsync(quarantine)
                    os.fsync(extensions)
                    return name
            raise OSError(17, f"no free name for {entry.name}", self._place)

    def put_back(self, link: Quarantined) -> bool:
        """Move an entry back to its folder; False where its name is taken there."""
        with self._directories() as (extensions, quarantine):
            try:
                rename_new(quarantine, link.name, extensions, link.entry.name)
            except FileExistsError:
                return False
            os.fsync(extensions)
            self._forget(quarantine, link.name)
        return True

    def drop(self, link: Quarantined) -> None:
        """Delete a link that nothing needs any more."""
        with self._directories() as (_, quarantine):
            os.unlink(link.name, dir_fd=quarantine)
            self._forget(quarantine, link.name)

    def sweep(self) -> None:
        """Delete reasons without an entry, which killed runs left."""
        quarantine = self._tree.directory(self._place)
        if quarantine is None:
            return
        try:
            for name in os.listdir(quarantine):
                stale = name.endswith(_SUFFIX) and not _lexists(quarantine, name.removesuffix(_SUFFIX))
                if stale or name.startswith(TEMPORARY_PREFIX):
                    with suppress(IsADirectoryError):
                        os.unlink(name, dir_fd=quarantine)
        finally:
            os.close(quarantine)

    @contextmanager
    def _directories(self) -> Iterator[tuple[int, int]]:
        """Descriptors of both directories, reached beneath the tree and without any symbolic link."""
        if self._folder == EXTENSIONS:
            self._tree.expect_own_etc()
        opened: list[int] = []
        try:
            for path in (self._folder, os.path.dirname(self._place), self._place):
                descriptor = self._tree.directory(path, create=True)
                if descriptor is None:
                    raise FileNotFoundError(2, os.strerror(2), path)
                opened.append(descriptor)
            yield opened[0], opened[2]
        finally:
            for descriptor in opened:
                os.close(descriptor)

    def _write(self, quarantine: int, name: str, note: dict[str, str]) -> None:
        temporary = f"{TEMPORARY_PREFIX}{name}{_SUFFIX}"
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
        with labelled(f"/{self._place}/{name}{_SUFFIX}"):
            descriptor = os.open(temporary, flags, 0o644, dir_fd=quarantine)
        with open(descriptor, "wb") as file:
            file.write(json.dumps(note, indent=1).encode() + b"\n")
            file.flush()
            os.fsync(descriptor)
        # a reason that stands there already is that of a run that was killed: there is no link of this name
        os.rename(temporary, f"{name}{_SUFFIX}", src_dir_fd=quarantine, dst_dir_fd=quarantine)
        os.fsync(quarantine)

    @staticmethod
    def _forget(quarantine: int, name: str) -> None:
        with suppress(FileNotFoundError):
            os.unlink(f"{name}{_SUFFIX}", dir_fd=quarantine)
        os.fsync(quarantine)


def _short(name: str) -> str:
    """The name, so short that those of its reason fit into a directory too; the reason has it whole."""
    return os.fsdecode(os.fsencode(name)[:_LONGEST])


def _is_same(extensions: int, quarantine: int, name: str, entry: Entry) -> bool:
    """Whether what is in quarantine is the very entry that stands in its folder."""
    try:
        here = os.stat(entry.name, dir_fd=extensions, follow_symlinks=False)
        there = os.stat(name, dir_fd=quarantine, follow_symlinks=False)
        if stat.S_ISLNK(here.st_mode) and stat.S_ISLNK(there.st_mode):
            targets = {os.readlink(entry.name, dir_fd=extensions), os.readlink(name, dir_fd=quarantine)}
            same = targets == {entry.target}
        else:
            same = os.path.samestat(here, there)
    except OSError:
        return False
    return same and _note(quarantine, name).get("link") == entry.name


def _lexists(directory: int, name: str) -> bool:
    try:
        os.stat(name, dir_fd=directory, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True
