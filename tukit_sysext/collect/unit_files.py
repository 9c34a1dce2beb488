# SPDX-License-Identifier: LGPL-2.1-or-later
"""What units of a tree name (systemd.exec(5), systemd.mount(5)), and its fstab(5): images, and mount points.

Only the units of the administrator, of portablectl(1) and of generators are read: a package in /usr has no business
with an image of the store.
"""

from __future__ import annotations

import errno
import os
import re
import shlex
from collections.abc import Iterable, Iterator, Sequence, Set
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from tukit_sysext.collect.mounts import fstab
from tukit_sysext.errors import UnknownState
from tukit_sysext.layout import Layout
from tukit_sysext.system.tree import Tree

_OF_A_TREE = ("etc/systemd/system", "etc/systemd/system.attached", "etc/systemd/system.control")
_RUNNING = tuple(
    f"run/systemd/{folder}" for folder in ("system", "system.attached", "system.control", "transient", "generator")
)
"""Where those are that only the running system has: /run of another tree is not what it will have."""

_NOT_OURS = (os.devnull, "/usr/lib/", "/lib/")
"""Where the links of units lead that are masked, or an alias of one of a package."""

_LOOKED_AT = {"/etc"}
"""A mount point whose files are known though it is not mounted: layers of an overlay (snapshots/overlay.py)."""

_UNITS = (".service", ".mount", ".d")

_LIMIT = 1024 * 1024
_CONTINUED = re.compile(r"\\\n\s*(?:[#;].*\n\s*)*")
_NAMES_IMAGES = re.compile(r"^\s*(?:RootImage|ExtensionImages|MountImages|What)\s*=(.*)$", re.M)
_PATH = re.compile(r"[-+!'\"]*(/[^:]*)")


class Configured(NamedTuple):
    """Absolute paths that a tree names as images, and as mount points."""

    images: Sequence[str]
    mount_points: Set[str]


class Configurations:
    """What fstab(5) and the units of trees name; each tree is read once."""

    def __init__(self, layout: Layout) -> None:
        self._root = layout.root
        self._known: dict[Path, Configured] = {}

    def of(self, path: Path) -> Configured:
        """What the tree at this path names. Raises UnknownState where something of it cannot be read."""
        if path not in self._known:
            with Tree(path) as tree:
                return self.of_tree(tree)
        return self._known[path]

    def of_tree(self, tree: Tree) -> Configured:
        """What an open tree names. Raises as of()."""
        if tree.path not in self._known:
            folders = (*_OF_A_TREE, *(_RUNNING if tree.path == self._root else ()))
            self._known[tree.path] = _configured(tree, folders)
        return self._known[tree.path]


def _configured(tree: Tree, folders: Iterable[str]) -> Configured:
    mounted, mount_points = _mounted(fstab(tree))
    images, points = [*mounted], {*mount_points}
    for folder in folders:
        for name, target in _entries(tree, folder, _UNITS):
            if name.endswith(".d"):
                for drop_in, where in _entries(tree, f"{folder}/{name}", ".conf"):
                    images += _of_a_file(tree, f"{folder}/{name}/{drop_in}", where)
                continue
            images += _of_a_file(tree, f"{folder}/{name}", target)
            if name.endswith(".mount") and target != os.devnull:
                points.add(_mount_point(name.removesuffix(".mount")))
    return Configured(images=images, mount_points=points)


@lru_cache(maxsize=16)
def _mounted(lines: tuple[tuple[str, str], ...]) -> tuple[Sequence[str], Set[str]]:
    """The files that these lines of an fstab mount, and where they mount anything; most snapshots have the same."""
    points = {os.path.normpath(where) for _, where in lines if where.startswith("/")} - _LOOKED_AT
    return [what for what, _ in lines if what.startswith("/")], points


def _entries(tree: Tree, folder: str, endings: str | tuple[str, ...]) -> Sequence[tuple[str, str]]:
    """What is in a folder with these endings, each with what it says where it is a link, else with nothing.

    Nothing where it is no folder, as systemd has it.
    """
    descriptor = tree.find(folder)
    if descriptor is None:
        return ()
    try:
        names = sorted(name for name in os.listdir(descriptor) if name.endswith(endings))
        return [(name, _target(descriptor, name)) for name in names]
    except OSError as error:
        raise UnknownState(f"{tree.path / folder}: cannot be read: {error.strerror}") from error
    finally:
        os.close(descriptor)


def _target(directory: int, name: str) -> str:
    try:
        return os.readlink(name, dir_fd=directory)
    except OSError as error:
        if error.errno in (errno.EINVAL, errno.ENOENT):
            return ""
        raise


def _mount_point(name: str) -> str:
    """The mount point of a mount unit, whose name is escaped as systemd.unit(5) says."""
    plain = name.replace("-", "/").encode()
    return os.path.normpath(
        "/" + os.fsdecode(re.sub(rb"\\x([0-9a-f]{2})", lambda found: bytes([int(found[1], 16)]), plain))
    )


def _of_a_file(tree: Tree, path: str, target: str) -> Iterator[str]:
    """What a file names; ``target`` is where it leads, if it is a link."""
    if target.startswith(_NOT_OURS):
        return
    text = (tree.read(path, limit=_LIMIT) or b"").decode("utf-8", "surrogateescape")
    for value in _NAMES_IMAGES.findall(_CONTINUED.sub(" ", text)):
        try:
            words = shlex.split(value)
        except ValueError:
            words = value.split()
        yield from (found[1] for word in words if (found := _PATH.match(word)))
