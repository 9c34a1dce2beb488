# SPDX-License-Identifier: LGPL-2.1-or-later
"""The image store and our own folders: are they there, ours, writable, outside the snapshots, and is there room?"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tukit_sysext.config.settings import load_configuration
from tukit_sysext.doctor.check import CheckResult, good, problem, unknown, warning
from tukit_sysext.doctor.disk import root_file_system
from tukit_sysext.errors import UnknownState
from tukit_sysext.machine import Machine
from tukit_sysext.quantities import size_text
from tukit_sysext.system.tree import Tree

LEAST_FREE = 256 * 1024**2
"""Bytes below which the file system of the store counts as full: about one image."""

_MAKE = "systemd-tmpfiles --create tukit-sysext.conf"


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """A folder: its path as people know it, and what stands there.

    ``kind`` is empty where it is a directory, else what was found; ``owner`` its user, ``mode`` its permissions,
    ``read_only`` whether its file system is. ``in_snapshot``: it is in the same subvolume as "/" (None: not known).
    ``fault`` says why it could not be looked at.
    """

    path: str
    kind: str = ""
    owner: int = 0
    mode: int = 0o755
    read_only: bool = False
    in_snapshot: bool | None = False
    fault: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class FoldersCheck:
    """The folders, and the disk space of the store.

    In bytes: ``free`` of the file system (None: not known), ``size`` of the store, ``most`` that it may have.
    """

    store: Place
    others: tuple[Place, ...]
    free: int | None
    size: int
    most: int
    privileged: bool

    @classmethod
    def look(cls, machine: Machine) -> FoldersCheck:
        """Look at the folders."""
        layout = machine.layout
        free: int | None = None
        size = most = 0
        try:
            disk = os.statvfs(layout.store)
            free = disk.f_bavail * disk.f_frsize
            with Tree(layout.root) as tree:
                most = load_configuration(tree).settings.store_max.of(disk.f_blocks * disk.f_frsize)
            with os.scandir(layout.store) as entries:
                size = sum(entry.stat(follow_symlinks=False).st_blocks * 512 for entry in entries)
        except (OSError, UnknownState):
            pass  # _place below reports what is wrong with the folder
        return cls(
            store=_place(machine, layout.store),
            others=tuple(_place(machine, path) for path in (layout.state, layout.records, layout.seen, layout.cache)),
            free=free,
            size=size,
            most=most,
            privileged=machine.privileged,
        )

    def judge(self) -> Iterator[CheckResult]:
        faults = list(_folder("store", self.store, self.privileged))
        yield from faults or [good("store", f"{self.store.path} is a directory of root's, and can be written to")]
        faults = [result for place in self.others for result in _folder("folders", place, self.privileged)]
        yield from faults or [
            good("folders", f"{', '.join(place.path for place in self.others)} are as they have to be")
        ]
        yield from self._shared()
        if self.free is not None and not self.store.kind:
            yield from self._space()

    def _shared(self) -> Iterator[CheckResult]:
        places = [place for place in (self.store, *self.others) if not place.kind and not place.fault]
        inside = [place.path for place in places if place.in_snapshot]
        if inside:
            text = f"{', '.join(inside)}: part of the root's subvolume, so that a rollback takes it back too"
            yield problem("shared", text, "mksubvolume /var (snapper(8) has it), with what is in it moved over")
        elif any(place.in_snapshot is None for place in places):
            yield unknown("shared", "whether store and state are outside the snapshots cannot be told", privileged=True)
        elif places:
            yield good("shared", "store and state are outside the snapshots, which share them")

    def _space(self) -> Iterator[CheckResult]:
        if self.free is not None and self.free < LEAST_FREE:
            text = f"{self.store.path}: {size_text(self.free)} are free, an image may find no room"
            yield problem("room", text, "tukit-sysext gc\nor see which snapshots could be deleted:\nsnapper list")
        elif self.most and self.size > self.most:
            text = f"{self.store.path} has {size_text(self.size)}, more than StoreMax= allows ({size_text(self.most)})"
            yield warning("room", text, "tukit-sysext gc --dry-run")
        else:
            yield good("room", f"{size_text(self.size)} in the store, {size_text(self.free or 0)} are free")


def _place(machine: Machine, path: Path) -> Place:
    shown = f"/{path.relative_to(machine.layout.root)}"
    try:
        status = os.lstat(path)
        if not stat.S_ISDIR(status.st_mode):
            return Place(path=shown, kind="a symbolic link" if stat.S_ISLNK(status.st_mode) else "no directory")
        return Place(
            path=shown,
            owner=status.st_uid,
            mode=stat.S_IMODE(status.st_mode),
            read_only=bool(os.statvfs(path).f_flag & os.ST_RDONLY),
            in_snapshot=_in_snapshot(machine, path),
        )
    except FileNotFoundError:
        return Place(path=shown, kind="missing")
    except OSError as error:
        return Place(path=shown, fault=f"{shown}: {error.strerror}")


def _in_snapshot(machine: Machine, path: Path) -> bool | None:
    """Whether no other file system and no other subvolume begins between "/" and a folder."""
    root = machine.layout.root
    if root_file_system(machine) is None:
        return None
    if os.stat(path).st_dev != os.stat(root).st_dev:
        return False
    try:
        return all(
            machine.subvolumes.find(place) is None
            for place in (path, *path.parents)
            if place.is_relative_to(root) and place != root
        )
    except OSError:
        return None


def _folder(check: str, place: Place, privileged: bool) -> Iterator[CheckResult]:
    if place.fault:
        yield unknown(check, place.fault, privileged=privileged)
    elif place.kind == "missing":
        yield problem(check, f"{place.path} is missing", _MAKE)
    elif place.kind:
        yield problem(
            check,
            f"{place.path}: expected a directory, found {place.kind}",
            f"mv {place.path} {place.path}.old && {_MAKE}",
        )
    else:
        if place.owner != 0:
            yield problem(
                check, f"{place.path} belongs to user {place.owner}, not to root", f"chown root:root {place.path}"
            )
        if place.mode & 0o022:
            text = f"{place.path} has mode {place.mode:04o}: others than root may write there"
            yield problem(check, text, f"chmod 0755 {place.path}")
        if place.read_only:
            text = f"{place.path} is on a file system that is mounted read-only"
            yield problem(check, text, f'mount -o remount,rw "$(findmnt -no TARGET -T {place.path})"')
