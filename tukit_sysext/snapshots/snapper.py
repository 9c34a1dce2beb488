# SPDX-License-Identifier: LGPL-2.1-or-later
"""The snapshots of a machine as the disk has them (snapper(8)): the truth that ledger and reports follow."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tukit_sysext.layout import Layout
from tukit_sysext.snapshots.snapper_files import may_be_open, numbers_in, tree_of
from tukit_sysext.snapshots.snapshot import Snapshot, SnapshotKey, look, read_snapshot
from tukit_sysext.snapshots.used_now import UsedSubvolumes, used_subvolumes
from tukit_sysext.system.subvolume import Subvolume, Subvolumes

if TYPE_CHECKING:
    from tukit_sysext.snapshots.half_there import Leftover

_TOP_LEVEL = 5
"""Identifier of the top level of a btrfs file system (btrfs-subvolume(8))."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Scan:
    """All snapshots by number, and what could not be read: nothing may be concluded from an absence then.

    ``others`` are the numbers of those that were not looked into (:func:`scan_in_use`).
    """

    snapshots: tuple[Snapshot, ...]
    unknown: tuple[str, ...]
    leftovers: tuple[Leftover, ...] = ()
    others: tuple[int, ...] = ()

    @property
    def running(self) -> Snapshot | None:
        """The snapshot that runs; None where it is not known."""
        return next((snapshot for snapshot in self.snapshots if snapshot.running), None)

    @property
    def default(self) -> Snapshot | None:
        """The snapshot that boots next; None where it is not known."""
        return next((snapshot for snapshot in self.snapshots if snapshot.default), None)

    @property
    def in_use(self) -> tuple[int, ...]:
        """Numbers of the snapshots that run or boot next."""
        return tuple(snapshot.number for snapshot in self.snapshots if snapshot.running or snapshot.default)

    def get(self, number: int) -> Snapshot | None:
        """The snapshot of a number; None where there is none, or where it could not be read."""
        return next((snapshot for snapshot in self.snapshots if snapshot.number == number), None)

    @property
    def numbers(self) -> Sequence[int]:
        """The numbers of all snapshots, looked into or not."""
        return sorted((*(snapshot.number for snapshot in self.snapshots), *self.others))

    @property
    def identifiers(self) -> Mapping[int, int]:
        """The identifiers of their subvolumes, by their numbers."""
        return {snapshot.number: snapshot.subvolume.identifier for snapshot in self.snapshots}

    @property
    def by_key(self) -> Mapping[SnapshotKey, Snapshot]:
        """The snapshots by what identifies them."""
        return {snapshot.key: snapshot for snapshot in self.snapshots}


def identifiers(layout: Layout, subvolumes: Subvolumes) -> Mapping[int, int]:
    """The subvolumes of the snapshots that there are now, by their numbers, without a look into them. Raises OSError.

    A scan of the same snapshots has the same.
    """
    trees = ((number, subvolumes.identifier(tree_of(layout, number))) for number in numbers_in(layout))
    return {number: identifier for number, identifier in trees if identifier is not None}


def next_to_boot(layout: Layout, subvolumes: Subvolumes) -> Snapshot | None:
    """The default snapshot, without looking into the others; None where none of them is it. Raises OSError."""
    default = subvolumes.default(layout.snapshots)
    for number in numbers_in(layout):
        subvolume = subvolumes.find(tree_of(layout, number))
        if subvolume is not None and subvolume.identifier == default:
            return look(layout, subvolumes, number, used=UsedSubvolumes(default=default))
    return None


def running_snapshot(layout: Layout, subvolumes: Subvolumes) -> Path | None:
    """The tree of the running snapshot below /.snapshots, where nothing is merged over it; None: it has none.

    Raises OSError.
    """
    own = subvolumes.find(layout.root)
    if own is None or not layout.snapshots.is_dir():
        return None
    for path in (tree_of(layout, number) for number in numbers_in(layout)):
        subvolume = subvolumes.find(path)
        if subvolume is not None and subvolume.uuid == own.uuid:
            return path
    return None


def scan(layout: Layout, subvolumes: Subvolumes, *, releases: bool = True) -> Scan:
    """Read all snapshots. Never raises for what is on the disk: what cannot be read is named in ``unknown``.

    With ``releases`` false os-release is not read.
    """
    return _scan(layout, subvolumes, None, releases=releases)


def scan_in_use(
    layout: Layout,
    subvolumes: Subvolumes,
    *,
    also: Callable[[int, Subvolume], bool] = lambda _number, _subvolume: False,
    releases: bool = True,
) -> Scan:
    """Read the snapshots that matter now, else as scan(): one of hundreds costs as much as the next.

    These are the one that runs and the one that it was made from, the one that boots next, those that a transaction has
    open, those without an info.xml, and what ``also`` says.
    """
    return _scan(layout, subvolumes, also, releases=releases)


def _scan(
    layout: Layout, subvolumes: Subvolumes, also: Callable[[int, Subvolume], bool] | None, *, releases: bool
) -> Scan:
    """``also`` is None where all are read."""
    unknown: list[str] = []
    try:
        numbers = numbers_in(layout)
        mounted = subvolumes.find(layout.snapshots) is not None
    except OSError as error:
        return Scan(snapshots=(), unknown=(f"{layout.snapshots}: cannot be read: {error.strerror}",))
    if not numbers:
        return Scan(snapshots=(), unknown=(f"{layout.snapshots}: empty, is it mounted?",))
    if not mounted:
        # what is beneath the place where the snapshots belong
        unknown.append(f"{layout.snapshots}: expected a btrfs subvolume, is it mounted?")
    used, faults = used_subvolumes(layout, subvolumes)
    unknown += faults
    overlays = layout.overlays.is_dir()
    snapshots, others = list[Snapshot](), list[int]()
    leftovers: list[Leftover] = []
    for number in numbers:
        path = tree_of(layout, number)
        try:
            subvolume = subvolumes.find(path)
            if subvolume is None:
                from tukit_sysext.snapshots import half_there

                leftover = half_there.leftover_of(layout, subvolumes, number)
                if leftover is not None:
                    leftovers.append(leftover)
                    unknown.append(leftover.reason)
                continue
            if also is not None and not (used.has(subvolume) or may_be_open(layout, number) or also(number, subvolume)):
                others.append(number)
                continue
        except OSError as error:
            unknown.append(f"snapshot {number}: {error.strerror}")
            continue
        snapshot = read_snapshot(layout, number, path, subvolume, used=used, releases=releases, overlays=overlays)
        snapshots.append(snapshot)
        if snapshot.unknown:
            from tukit_sysext.snapshots import half_there

            reason = f"snapshot {number}: {snapshot.unknown}{half_there.settled_by(layout, snapshot)}"
            unknown.append(reason)
            # what runs or boots next is half of nothing: what it has must be known
            if snapshot.half and not (snapshot.content is None and (snapshot.running or snapshot.default)):
                leftovers.append(half_there.half_of(snapshot, reason))
    default = used.default
    if default not in (None, used.running, _TOP_LEVEL) and not any(snapshot.default for snapshot in snapshots):
        unknown.append(f"{layout.snapshots}: what boots next (subvolume {default}) is none of the snapshots in it")
    return Scan(snapshots=tuple(snapshots), unknown=tuple(unknown), leftovers=tuple(leftovers), others=tuple(others))
