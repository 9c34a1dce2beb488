# SPDX-License-Identifier: LGPL-2.1-or-later
"""What is mounted where we run, and the places that cannot be seen from here: "nothing there" is no answer for them."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Set
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from tukit_sysext.errors import UnknownState
from tukit_sysext.layout import Layout
from tukit_sysext.system.time_limit import NoAnswer, answered
from tukit_sysext.system.tree import Tree

_ESCAPED = re.compile(rb"\\([0-3][0-7]{2})")
_HIDDEN = re.compile(r".*/systemd/inaccessible/[a-z]+|.*/systemd-private-[^/]+/tmp")
"""What systemd mounts over a place that a unit may not see (ProtectHome=, InaccessiblePaths=, PrivateTmp=)."""

_HOMES = ("/home", "/root", "/run/user")
"""Where ProtectHome=tmpfs puts an empty file system."""

_ON_DEMAND = ("autofs", "proc")

_LOCAL = frozenset(("bpf", "btrfs", "cgroup2", "devtmpfs", "erofs", "exfat", "ext2", "ext3", "ext4", "f2fs", "iso9660",
                    "overlay", "proc", "squashfs", "sysfs", "tmpfs", "udf", "vfat", "xfs"))  # fmt: skip
"""File systems for which the kernel itself answers; for another one (nfs, cifs, fuse) somebody else does, or not."""

PATIENCE = 5.0
"""Seconds for which whoever serves a file system is waited for."""

_FSTAB_LIMIT = 256 * 1024


class Mount(NamedTuple):
    """A line of mountinfo (proc(5)): ``root`` is what of the file system is mounted on ``point``."""

    root: str
    point: str
    kind: str
    source: str
    read_only: bool


def mounts(layout: Layout) -> list[Mount]:
    """All that is mounted, in order: the last one on a point is what shows there. Raises OSError."""
    with open(layout.root / "proc/self/mountinfo", "rb") as file:
        return [mount for line in file.read().splitlines() if (mount := _mount(line)) is not None]


def _mount(line: bytes) -> Mount | None:
    front, _, back = line.partition(b" - ")
    fields, more = front.split(b" "), back.split(b" ")
    if len(fields) < 6 or len(more) < 2:
        return None
    return Mount(
        root=_text(fields[3]),
        point=_text(fields[4]),
        kind=_text(more[0]),
        source=_text(more[1]),
        read_only=b"ro" in fields[5].split(b","),
    )


def _text(field: bytes) -> str:
    """A field of mountinfo or fstab(5) without its escapes."""
    return os.fsdecode(_ESCAPED.sub(lambda escaped: bytes([int(escaped[1], 8)]), field))


def fstab(tree: Tree) -> tuple[tuple[str, str], ...]:
    """What a tree's fstab(5) mounts, and where. Raises UnknownState."""
    return _fstab(tree.read("etc/fstab", limit=_FSTAB_LIMIT) or b"")


@lru_cache(maxsize=16)
def _fstab(content: bytes) -> tuple[tuple[str, str], ...]:
    """What this content says; most snapshots have the same."""
    lines = [line.split() for line in content.splitlines()]
    return tuple((_text(line[0]), _text(line[1])) for line in lines if len(line) > 1 and not line[0].startswith(b"#"))


class Unseen:
    """Places where files may be that we do not see now: not mounted, or hidden by the settings of our unit."""

    def __init__(self, layout: Layout, mount_points: Callable[[Path], Set[str]]) -> None:
        """``mount_points`` tells those that a tree names. Raises OSError."""
        self._layout = layout
        self._mount_points = mount_points
        self._points: dict[str, Mount] = {}
        for mount in mounts(layout):
            self._points[mount.point] = mount
        self._absent: dict[Path, Set[str]] = {}
        self._faults: dict[str, str] = {}

    def check(self, tree: Path, path: str) -> None:
        """Raise UnknownState where a path of a tree, resolved up to here, is a place that cannot be seen."""
        for of in (tree, self._layout.root):
            if path in self._not_mounted(of):
                told = f"{path}: not mounted now, and a link leads over it; what it leads to is not known"
                raise UnknownState(f"{told}; what settles it: mount {path}")
        mount = self._points.get(path)
        if mount is None or tree != self._layout.root:
            return
        if _HIDDEN.fullmatch(mount.root) or (path in _HOMES and mount.kind == "tmpfs" and mount.read_only):
            told = f"{path}: hidden from this process, and a link leads over it; what it leads to is not known"
            raise UnknownState(f"{told}: tukit-sysext gc, where nothing hides it")
        if mount.kind not in _LOCAL and (fault := self._fault(f"{tree}{path}")):
            told = f"{path}: {mount.kind} of {mount.source} does not answer, and a link leads over it ({fault})"
            raise UnknownState(f"{told}; what it leads to is not known: umount -l {path}, or repair it")

    def _fault(self, path: str) -> str:
        """Why whoever serves a file system does not answer, asked once; empty where he does."""
        if path not in self._faults:
            try:
                answered(lambda: os.stat(path), PATIENCE)
                self._faults[path] = ""
            except (NoAnswer, OSError) as error:
                self._faults[path] = str(error)
        return self._faults[path]

    def check_missing(self, tree: Path, path: str) -> None:
        """Raise UnknownState where a path of a tree with nothing there is one that comes when it is asked for.

        An automounter mounts when it can, and processes are hidden from each other (ProtectProc=).
        """
        if tree != self._layout.root:
            return
        kinds = {mount.point: mount.kind for mount in mounts(self._layout)}
        while path != "/" and path not in kinds:
            path = os.path.dirname(path)
        if kinds.get(path) in _ON_DEMAND:
            told = "a link leads to something below it that is not there now; what it leads to is not known"
            raise UnknownState(f"{path}: {told}")

    def _not_mounted(self, tree: Path) -> Set[str]:
        """Mount points that a tree names, and where nothing is mounted now."""
        if tree not in self._absent:
            self._absent[tree] = self._mount_points(tree) - self._points.keys()
        return self._absent[tree]
