# SPDX-License-Identifier: LGPL-2.1-or-later
"""One snapshot, as it is on the disk."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from tukit_sysext.errors import NoEtc, OutsideTree, UnknownState
from tukit_sysext.layout import Layout
from tukit_sysext.snapshots.entries import Entry, FolderEntries, read_content
from tukit_sysext.snapshots.overlay import read_overlaid
from tukit_sysext.snapshots.snapper_files import is_before, read_info, tree_of
from tukit_sysext.snapshots.used_now import NOT_KNOWN, UsedSubvolumes
from tukit_sysext.system.subvolume import Subvolume, Subvolumes
from tukit_sysext.system.tree import Tree

if TYPE_CHECKING:
    from tukit_sysext.rules.release import ReleaseData

_NO_INFO = "no readable info.xml (being made, or half deleted)"

SnapshotKey = tuple[int, str]
"""Number and subvolume UUID: what identifies a snapshot, as numbers are used again."""


class Snapshot(NamedTuple):
    """One snapshot.

    ``content`` of its /etc/extensions, or None and ``unknown`` with the reason why it is not known. ``hidden`` are
    entries of lower layers of an /etc that is an overlay: they are not merged, but may show again. ``half``: it has no
    info.xml, or no /etc, as when it is being made, or after a power cut while it was made or deleted. ``open``: a
    transaction of tukit has not closed it yet; ``left``: nor will it, as the system was booted since (a tukit that is
    killed removes nothing).
    """

    number: int
    path: Path
    subvolume: Subvolume
    content: FolderEntries | None
    hidden: tuple[Entry, ...] = ()
    unknown: str = ""
    half: bool = False
    release: ReleaseData | None = None
    date: str = ""
    description: str = ""
    open: bool = False
    left: bool = False
    default: bool = False
    running: bool = False

    @property
    def key(self) -> SnapshotKey:
        """What identifies it."""
        return self.number, self.subvolume.uuid

    @property
    def entries(self) -> tuple[Entry, ...] | None:
        """All entries of its /etc/extensions, None where they are not known."""
        return None if self.content is None else self.content.entries


def look(layout: Layout, subvolumes: Subvolumes, number: int, *, used: UsedSubvolumes = NOT_KNOWN) -> Snapshot | None:
    """One snapshot by its number; None where there is no subvolume (an empty folder keeps a number). Raises OSError."""
    path = tree_of(layout, number)
    subvolume = subvolumes.find(path)
    if subvolume is None:
        return None
    return read_snapshot(layout, number, path, subvolume, used=used)


def read_snapshot(
    layout: Layout,
    number: int,
    path: Path,
    subvolume: Subvolume,
    *,
    used: UsedSubvolumes,
    releases: bool = True,
    overlays: bool = True,
) -> Snapshot:
    """Read a snapshot, whose tree is at ``path``. With ``overlays`` false none has an /etc that is an overlay."""
    info = read_info(layout, number)
    found = _content(layout, path, releases=releases, overlays=overlays)
    default, running = (subvolume.identifier == each for each in (used.default, used.running))
    open_ = info.open if info else False
    return Snapshot(
        number=number,
        path=path,
        subvolume=subvolume,
        content=found.content,
        hidden=found.hidden,
        release=found.release,
        unknown=found.unknown or ("" if info is not None else _NO_INFO),
        half=found.half or (info is None and not found.unknown),
        date=info.date if info else "",
        description=info.description if info else "",
        open=open_,
        left=open_ and not default and not running and is_before(info.date if info else "", used.since),
        default=default,
        running=running,
    )


class _Content(NamedTuple):
    content: FolderEntries | None
    hidden: tuple[Entry, ...] = ()
    release: ReleaseData | None = None
    unknown: str = ""
    half: bool = False


def _content(layout: Layout, path: Path, *, releases: bool, overlays: bool) -> _Content:
    try:
        with Tree(path) as tree:
            release = _release(tree) if releases else None
            try:
                shown, hidden = (read_overlaid(tree, layout) if overlays else None) or (None, ())
                content = FolderEntries(others=shown) if shown is not None else read_content(tree)
            except (UnknownState, OutsideTree) as error:
                half = isinstance(error, NoEtc)
                return _Content(content=None, release=release, unknown=str(error), half=half)
            return _Content(content=content, hidden=hidden, release=release)
    except UnknownState as error:
        return _Content(content=None, unknown=str(error))


def _release(tree: Tree) -> ReleaseData | None:
    from tukit_sysext.system.system_release import read_release  # 3 ms, which a collection does without

    return read_release(tree)
