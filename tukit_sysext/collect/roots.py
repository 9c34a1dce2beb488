# SPDX-License-Identifier: LGPL-2.1-or-later
"""Roots: what keeps an image of the store alive, found wherever an image can be needed.

Matched by the name of the file alone, wherever a link says that it is, and over-approximated in doubt: what is named
too often is kept too long, what is missed is lost.
"""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tukit_sysext.all_plugins import Root
from tukit_sysext.errors import OutsideTree, UnknownState
from tukit_sysext.layout import EXTENSIONS, QUARANTINE, STORE, Layout
from tukit_sysext.snapshots.entries import Entry, EntryKind, entries_of, read_entries
from tukit_sysext.snapshots.snapper import Scan
from tukit_sysext.system.tree import Tree

CONFEXTS = "etc/confexts"
"""What systemd-confext merges, relative to the root of a tree; a link there counts all the same."""

_OF_A_TREE = (
    CONFEXTS,
    QUARANTINE,
    "usr/lib/extensions",
    "usr/local/lib/extensions",
    "usr/lib/confexts",
    "usr/local/lib/confexts",
)
"""Where links are that belong to a tree, beside /etc/extensions (systemd-sysext(8)), relative to its root."""

_SHARED = ("run/extensions", "var/lib/extensions", "run/confexts", "var/lib/confexts")
"""Where those are that all trees have in common, relative to the root of the running system."""

_VERSIONS = ".v"
"""Ending of a directory of versions, of which systemd takes the newest (systemd.v(7))."""

_MOST_PATHS = 256
"""How many paths one link may lead over; the kernel gives up after 40 links, and a folder of versions has several."""

_ESCAPED = re.compile(rb"\\([0-3][0-7]{2})")


@dataclass(frozen=True, kw_only=True, slots=True)
class RootSet:
    """All roots: the places that need an image, by its file and in the order in which they were found.

    ``unknown`` is what could not be read: an image that no root names may be needed all the same then.
    """

    by_image: Mapping[str, Sequence[str]]
    unknown: tuple[str, ...]


def find_roots(layout: Layout, scan: Scan, others: Iterable[Root] = ()) -> RootSet:
    """Find all roots: snapshots of ``scan``, the running system, what is mounted, and ``others``.

    Never raises for what is on the disk: what cannot be read is named in ``unknown``.
    """
    by_image: dict[str, list[str]] = {}
    unknown = list(scan.unknown)

    def add(roots: Iterator[Root]) -> None:
        try:
            for root in roots:
                places = by_image.setdefault(root.image, [])
                if root.where not in places:
                    places.append(root.where)
        except (UnknownState, OutsideTree) as error:
            unknown.append(str(error))
        except OSError as error:
            unknown.append(f"{error.filename or 'a link'}: cannot be read: {error.strerror}")

    for snapshot in scan.snapshots:
        where = f"snapshot {snapshot.number}"
        add(_named((*(snapshot.entries or ()), *snapshot.hidden), where, snapshot.path, layout))
        add(_other(snapshot.path, _OF_A_TREE, where, layout))
    add(_running(layout))
    add(_other(layout.root, (*_OF_A_TREE, *_SHARED), "the running system", layout))
    add(_linked_in_the_store(layout))
    add(_overlays(layout))
    add(_mounted(layout))
    add(iter(others))
    return RootSet(by_image=by_image, unknown=tuple(dict.fromkeys(unknown)))


def _running(layout: Layout) -> Iterator[Root]:
    with Tree(layout.root) as tree:
        yield from _named(read_entries(tree), "the running system", layout.root, layout)


def _other(path: Path, folders: Iterable[str], where: str, layout: Layout) -> Iterator[Root]:
    """What is linked in further folders of a tree, where they exist."""
    with Tree(path) as tree:
        for folder in folders:
            descriptor = tree.find(folder)
            if descriptor is None:
                continue
            try:
                entries = entries_of(descriptor)
            finally:
                os.close(descriptor)
            yield from _named(entries, f"{where} (/{folder})", path, layout, folder)


def _overlays(layout: Layout) -> Iterator[Root]:
    """Upper layers of /etc of old systems, whether a snapshot says that it uses them or not."""
    try:
        names = sorted(os.listdir(layout.overlays))
    except FileNotFoundError:
        return
    for name in names:
        if (layout.overlays / name).is_dir():
            path = layout.overlays / name
            yield from _other(path, (EXTENSIONS, CONFEXTS, QUARANTINE), f"overlay {path}", layout)


def _linked_in_the_store(layout: Layout) -> Iterator[Root]:
    """What links in the store lead to, whether something needs them or not: they stay, and so does what they name."""
    try:
        names = [entry.name for entry in os.scandir(layout.store) if entry.is_symlink()]
    except (FileNotFoundError, NotADirectoryError):
        return
    for name in names:
        target = os.readlink(layout.store / name)
        for image in _hops(target, layout.root, STORE.lstrip("/"), layout):
            yield Root(image=image, where=f"link {name} in the store")


def _named(
    entries: Iterable[Entry], where: str, tree: Path, layout: Layout, folder: str = EXTENSIONS
) -> Iterator[Root]:
    """What entries name: the file that a link says, and what it leads over."""
    for entry in entries:
        if entry.image is not None:
            yield Root(image=entry.image, where=where)
        elif entry.target is not None or (entry.kind is EntryKind.DIRECTORY and entry.name.endswith(_VERSIONS)):
            for name in _hops(entry.target or entry.name, tree, folder, layout):
                yield Root(image=name, where=where)


def _hops(target: str, tree: Path, folder: str, layout: Layout) -> Iterator[str]:
    """The last components of all paths that a link in a folder of a tree leads over; whether it may is not asked.

    What the paths of a snapshot mean when it runs depends on what is mounted then (of /var there is only one): each is
    followed in the snapshot and in the running system.
    """
    waiting, seen = [os.path.join(f"/{folder}", target)], set[str]()
    while waiting:
        path = waiting.pop()
        if path in seen:
            continue
        if len(seen) == _MOST_PATHS:
            raise UnknownState(f"{tree / folder}: a link to {target} leads over more than {_MOST_PATHS} paths")
        seen.add(path)
        yield os.path.basename(os.path.normpath(path))
        for root in {tree, layout.root}:
            waiting += _next(root, path)


def _next(root: Path, path: str) -> list[str]:
    """Where a path leads when its first link is followed, or the entries of the folder of versions that it is."""
    here: list[str] = []
    rest = path.split("/")
    while rest:
        name = rest.pop(0)
        if name == "..":
            del here[-1:]
        elif name not in ("", "."):
            here.append(name)
            try:
                target = os.readlink(root.joinpath(*here))
            except OSError as error:
                if error.errno in (errno.ENOENT, errno.ENOTDIR):
                    return []
                if error.errno != errno.EINVAL:  # no link
                    raise
                continue
            return [os.path.join("/", *here[:-1], target, *rest)]
    folder = root.joinpath(*here)
    return [f"{path}/{name}" for name in os.listdir(folder)] if path.endswith(_VERSIONS) and folder.is_dir() else []


def _mounted(layout: Layout) -> Iterator[Root]:
    """Images that are in use right now, linked or not: behind loop devices, or mounted as files (loop(4), proc(5))."""
    for device in sorted(os.listdir(layout.root / "sys/block")):
        try:
            with open(layout.root / "sys/block" / device / "loop/backing_file", "rb") as file:
                name = os.fsdecode(file.read()).rstrip("\n").removesuffix(" (deleted)")
        except OSError:
            continue  # no loop device, or one without a file
        yield Root(image=os.path.basename(name), where=f"mounted (/dev/{device})")
    with open(layout.root / "proc/self/mountinfo", "rb") as file:
        for line in file.read().splitlines():
            fields = line.partition(b" - ")[2].split(b" ")
            if len(fields) > 1 and fields[1].startswith(b"/") and not fields[1].startswith(b"/dev/"):
                source = _ESCAPED.sub(lambda escaped: bytes([int(escaped[1], 8)]), fields[1])
                yield Root(image=os.path.basename(os.fsdecode(source)), where="mounted")
