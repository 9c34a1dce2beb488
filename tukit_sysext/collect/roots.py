# SPDX-License-Identifier: LGPL-2.1-or-later
"""Roots: what keeps an image of the store alive, found wherever an image can be needed.

Matched by the name of the file alone, wherever a link says that it is, and over-approximated in doubt: what is named
too often is kept too long, what is missed is lost.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from tukit_sysext.all_plugins import Root
from tukit_sysext.collect.attached import in_use
from tukit_sysext.collect.chains import Chains
from tukit_sysext.collect.unit_files import Configurations
from tukit_sysext.errors import OutsideTree, UnknownState
from tukit_sysext.layout import EXTENSIONS, QUARANTINE, SHARED_EXTENSIONS, STORE, Layout, quarantine_of
from tukit_sysext.snapshots.entries import Entry, EntryKind, FolderEntries, entries_of, read_entries
from tukit_sysext.snapshots.snapper import Scan
from tukit_sysext.snapshots.snapper_files import NUMBER
from tukit_sysext.snapshots.versions import VERSIONS
from tukit_sysext.system.tree import Tree

if TYPE_CHECKING:
    from tukit_sysext.snapshots.half_there import Leftover

CONFEXTS = "etc/confexts"
"""What systemd-confext merges, relative to the root of a tree; a link there counts all the same."""

_OF_A_TREE = (
    CONFEXTS,
    QUARANTINE,
    *(f"{folder}/{kind}" for kind in ("extensions", "confexts") for folder in ("usr/lib", "usr/local/lib")),
    *(f"{folder}/{kind}" for kind in ("portables", "machines") for folder in ("etc", "usr/lib", "usr/local/lib")),
)
"""Where links are that belong to a tree, beside /etc/extensions (systemd-sysext(8)), relative to its root."""

_SHARED = (
    *(
        f"{folder}/{kind}"
        for kind in ("extensions", "confexts", "portables", "machines")
        for folder in ("run", "var/lib")
    ),
    *(quarantine_of(folder) for folder in SHARED_EXTENSIONS),
)
"""Where those are that all trees have in common, relative to the root of the running system."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RootSet:
    """All roots: the places that need an image, by its file and in the order in which they were found.

    ``unknown`` is what could not be read: an image that no root names may be needed all the same then. It has what
    ``leftovers`` tell, too, whether they are settled or not.
    """

    by_image: Mapping[str, Sequence[str]]
    unknown: tuple[str, ...]
    leftovers: tuple[Leftover, ...] = ()


def find_roots(layout: Layout, scan: Scan, others: Iterable[Root] = ()) -> RootSet:
    """Find all roots: snapshots of ``scan``, the running system, what is mounted, and ``others``.

    Never raises for what is on the disk: what cannot be read is named in ``unknown``.
    """
    by_image = defaultdict[str, list[str]](list)
    unknown = list(scan.unknown)

    def add(roots: Iterator[Root]) -> None:
        try:
            for root in roots:
                by_image[root.image].append(root.where)
        except (UnknownState, OutsideTree) as error:
            unknown.append(str(error))
        except OSError as error:
            unknown.append(f"{error.filename or 'a link'}: cannot be read: {error.strerror}")

    try:
        finder = _Finder(layout)
    except OSError as error:
        return RootSet(by_image={}, unknown=(*unknown, f"{error.filename}: cannot be read: {error.strerror}"))
    for snapshot in scan.snapshots:
        where = f"snapshot {snapshot.number}"
        content = snapshot.content or FolderEntries()
        for image in content.images.values():
            by_image[image].append(where)
        if content.others or snapshot.hidden:
            add(finder.named((*content.others, *snapshot.hidden), where, snapshot.path))
        try:
            with Tree(snapshot.path) as tree:
                add(finder.linked(tree, _OF_A_TREE, where))
                add(finder.in_units(tree, where))
        except UnknownState as error:
            unknown.append(str(error))
    add(finder.running())
    add(finder.without_snapper({str(leftover.number) for leftover in scan.leftovers}))
    add(finder.in_the_store())
    add(finder.overlays())
    add(Root(image=name, where=where) for name, where in in_use(layout))
    add(iter(others))
    return RootSet(
        by_image={image: [*dict.fromkeys(places)] if places[1:] else places for image, places in by_image.items()},
        unknown=tuple(dict.fromkeys(unknown)),
        leftovers=scan.leftovers,
    )


class _Finder:
    """Finds the images that links and units name, over whatever chain of links they are reached."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._configurations = Configurations(layout)
        self._chains = Chains(layout, lambda tree: self._configurations.of(tree).mount_points)

    def running(self) -> Iterator[Root]:
        where, root = "the running system", self._layout.root
        with Tree(root) as tree:
            yield from self.named(read_entries(tree), where, root)
            for folder in (*_OF_A_TREE, *_SHARED):
                for _ in self._chains.names(f"/{folder}", root):
                    pass  # a folder that is not there may be in a place that cannot be seen
            yield from self.linked(tree, (*_OF_A_TREE, *_SHARED), where)
            yield from self.in_units(tree, where)

    def linked(self, tree: Tree, folders: tuple[str, ...], where: str) -> Iterator[Root]:
        """What is linked in further folders of a tree, where they exist."""
        for folder, descriptor in tree.find_each(folders):
            yield from self.named(entries_of(descriptor), f"{where} (/{folder})", tree.path, folder)

    def linked_below(self, path: Path, folders: tuple[str, ...], where: str) -> Iterator[Root]:
        """What is linked in folders of the tree at a path."""
        with Tree(path) as tree:
            yield from self.linked(tree, folders, where)

    def named(self, entries: Iterable[Entry], where: str, tree: Path, folder: str = EXTENSIONS) -> Iterator[Root]:
        """What entries of a folder name: the file that a link says, and what it leads over.

        A file may be one of the store by another name, bound there.
        """
        for entry in entries:
            if entry.image is not None or entry.kind is EntryKind.FILE:
                yield Root(image=entry.image or entry.name, where=where)
            # a plain path means what it says (".." may follow a link), but for a folder of versions
            plain = entry.target == f"{STORE}/{entry.image}" and not entry.name.endswith(VERSIONS)
            if entry.kind in (EntryKind.LINK, EntryKind.DIRECTORY) and not plain:
                names = self._chains.names(f"/{folder}/{entry.name}", tree)
                yield from (Root(image=name, where=where) for name in islice(names, 1, None))

    def in_units(self, tree: Tree, where: str) -> Iterator[Root]:
        """What units of a tree name, and its fstab."""
        for path in self._configurations.of_tree(tree).images:
            for name in self._chains.names(path, tree.path):
                yield Root(image=name, where=f"a unit of {where}")

    def without_snapper(self, leftovers: Set[str]) -> Iterator[Root]:
        """Links of trees among the snapshots that snapper does not know: made by hand, or left over."""
        with os.scandir(self._layout.snapshots) as entries:
            folders = [entry for entry in entries if entry.name in leftovers or not NUMBER.fullmatch(entry.name)]
        for folder in sorted(entry.path for entry in folders if entry.is_dir()):
            for path in (Path(folder), Path(folder, "snapshot")):
                if path.is_dir():
                    yield from self.linked_below(path, (EXTENSIONS, *_OF_A_TREE), str(path))

    def overlays(self) -> Iterator[Root]:
        """Upper layers of /etc of old systems, whether a snapshot says that it uses them or not."""
        try:
            names = sorted(os.listdir(self._layout.overlays))
        except FileNotFoundError:
            return
        for name in names:
            if (self._layout.overlays / name).is_dir():
                path = self._layout.overlays / name
                yield from self.linked_below(path, (EXTENSIONS, CONFEXTS, QUARANTINE), f"overlay {path}")

    def in_the_store(self) -> Iterator[Root]:
        """What links in the store lead to, whether something needs them or not, as they stay."""
        try:
            with os.scandir(self._layout.store) as entries:
                names = [entry.name for entry in entries if entry.is_symlink()]
        except (FileNotFoundError, NotADirectoryError):
            return
        for name in names:
            images = self._chains.names(f"{STORE}/{name}", self._layout.root)
            yield from (Root(image=image, where=f"link {name} in the store") for image in islice(images, 1, None))
