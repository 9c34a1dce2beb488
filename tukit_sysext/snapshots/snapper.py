# SPDX-License-Identifier: LGPL-2.1-or-later
"""The snapshots of a machine as the disk has them (snapper(8)): the truth that ledger and reports follow."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from tukit_sysext.errors import NoEtc, OutsideTree, UnknownState
from tukit_sysext.layout import Layout
from tukit_sysext.snapshots.entries import Entry, FolderEntries, read_content
from tukit_sysext.snapshots.overlay import read_overlaid
from tukit_sysext.system.small_file import read_small
from tukit_sysext.system.subvolume import Subvolume, Subvolumes
from tukit_sysext.system.tree import Tree

if TYPE_CHECKING:
    from tukit_sysext.rules.release import ReleaseData

NUMBER = re.compile(r"[1-9][0-9]{0,9}")
"""How a folder of snapper is called."""

_DATE = re.compile(r"(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d)")
_IN_PROGRESS = "transactional-update-in-progress"
_INFO_LIMIT = 1024 * 1024
_NO_INFO = "no readable info.xml (being made, or half deleted)"
_MOST_FOLDERS = 1000
"""How many folders of a number without a subvolume are looked through: a whole system is nothing that is left over."""
_TOP_LEVEL = 5
"""Identifier of the top level of a btrfs file system (btrfs-subvolume(8))."""

SnapshotKey = tuple[int, str]
"""Number and subvolume UUID: what identifies a snapshot, as numbers are used again."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Snapshot:
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


@dataclass(frozen=True, kw_only=True, slots=True)
class Leftover:
    """A number that has no subvolume, or one without info.xml or /etc: a snapshot being made, or what is left of one.

    ``reason`` stands among what is unknown; ``state`` differs when something in the folder changed. It is empty where
    there is a subvolume deeper in it, or more than is looked through.
    """

    number: int
    reason: str
    state: str


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
    def by_key(self) -> Mapping[SnapshotKey, Snapshot]:
        """The snapshots by what identifies them."""
        return {snapshot.key: snapshot for snapshot in self.snapshots}


def rfc3339(date: str) -> str | None:
    """The date of a snapshot (snapper writes it in UTC) as records and ledger have times; None where it is none."""
    match = _DATE.fullmatch(date)
    return f"{match[1]}T{match[2]}Z" if match is not None else None


def listed(layout: Layout, subvolumes: Subvolumes) -> set[SnapshotKey]:
    """The snapshots that there are now, without looking into them. Raises OSError."""
    trees = ((number, subvolumes.find(_tree(layout, number))) for number in _numbers(layout))
    return {(number, subvolume.uuid) for number, subvolume in trees if subvolume is not None}


def next_to_boot(layout: Layout, subvolumes: Subvolumes) -> Snapshot | None:
    """The default snapshot, without looking into the others; None where none of them is it. Raises OSError."""
    default = subvolumes.default(layout.snapshots)
    for number in _numbers(layout):
        subvolume = subvolumes.find(_tree(layout, number))
        if subvolume is not None and subvolume.identifier == default:
            return look(layout, subvolumes, number, in_use=_InUse(default=default))
    return None


def running_snapshot(layout: Layout, subvolumes: Subvolumes) -> Path | None:
    """The tree of the running snapshot below /.snapshots, where nothing is merged over it; None: it has none.

    Raises OSError.
    """
    own = subvolumes.find(layout.root)
    if own is None or not layout.snapshots.is_dir():
        return None
    for path in (_tree(layout, number) for number in _numbers(layout)):
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
        numbers = _numbers(layout)
        mounted = subvolumes.find(layout.snapshots) is not None
    except OSError as error:
        return Scan(snapshots=(), unknown=(f"{layout.snapshots}: cannot be read: {error.strerror}",))
    if not numbers:
        return Scan(snapshots=(), unknown=(f"{layout.snapshots}: empty, is it mounted?",))
    if not mounted:
        # what is beneath the place where the snapshots belong
        unknown.append(f"{layout.snapshots}: expected a btrfs subvolume, is it mounted?")
    in_use, faults = _in_use(layout, subvolumes)
    unknown += faults
    overlays = layout.overlays.is_dir()
    snapshots, leftovers, others = list[Snapshot](), list[Leftover](), list[int]()
    for number in numbers:
        try:
            subvolume = subvolumes.find(_tree(layout, number))
            if subvolume is None:
                leftover = _leftover(layout, subvolumes, number)
                if leftover is not None:
                    leftovers.append(leftover)
                    unknown.append(leftover.reason)
                continue
            if also is not None and not (
                in_use.has(subvolume) or _may_be_open(layout, number) or also(number, subvolume)
            ):
                others.append(number)
                continue
        except OSError as error:
            unknown.append(f"snapshot {number}: {error.strerror}")
            continue
        snapshot = _read(layout, number, subvolume, in_use=in_use, releases=releases, overlays=overlays)
        snapshots.append(snapshot)
        if snapshot.unknown:
            reason = f"snapshot {number}: {snapshot.unknown}{_settled_by(snapshot)}"
            unknown.append(reason)
            # what runs or boots next is half of nothing: what it has must be known
            if snapshot.half and not (snapshot.content is None and (snapshot.running or snapshot.default)):
                leftovers.append(Leftover(number=number, reason=reason, state=_state_of_half(snapshot)))
    default = in_use.default
    if default not in (None, in_use.running, _TOP_LEVEL) and not any(snapshot.default for snapshot in snapshots):
        unknown.append(f"{layout.snapshots}: what boots next (subvolume {default}) is none of the snapshots in it")
    return Scan(snapshots=tuple(snapshots), unknown=tuple(unknown), leftovers=tuple(leftovers), others=tuple(others))


def _settled_by(snapshot: Snapshot) -> str:
    """What to do with a snapshot of which something is not known, unless it is in use.

    snapper deletes what it lists, which is what has an info.xml.
    """
    if snapshot.running or snapshot.default:
        return ""
    command = f"snapper delete {snapshot.number}"
    if _info(f"{snapshot.path.parent}/info.xml") is None:
        command = f"btrfs property set -f -ts {snapshot.path} ro false; rm -r {snapshot.path.parent}"
    return f"; what settles it: {command}"


def _leftover(layout: Layout, subvolumes: Subvolumes, number: int) -> Leftover | None:
    """What a number without a subvolume has; None where it only keeps the number."""
    folder, tree = layout.snapshots / str(number), _tree(layout, number)
    if os.path.lexists(tree):
        reason = f"{tree}: expected a btrfs subvolume; what settles it: rm -r {folder}"
    elif os.path.lexists(folder / "info.xml"):
        reason = f"it has info.xml, but no tree (being made, or half deleted); what settles it: rm {folder}/info.xml"
    else:
        return None
    return Leftover(number=number, reason=f"snapshot {number}: {reason}", state=_state(folder, subvolumes))


def _state(folder: Path, subvolumes: Subvolumes) -> str:
    """What is below a folder, in a form that differs when it changes."""
    import hashlib  # 2 ms, of which a boot without leftovers needs none

    state = hashlib.sha256()
    looked_through = 0
    try:
        for path, folders, files in os.walk(folder):
            for name in (".", *folders, *files):
                status = os.lstat(os.path.join(path, name))
                state.update(
                    f"{path}/{name}\0{status.st_ino} {status.st_mtime_ns} {status.st_ctime_ns}\0".encode(
                        errors="surrogateescape"
                    )
                )
            looked_through += 1
            if looked_through > _MOST_FOLDERS or subvolumes.find(Path(path)) is not None:
                return ""
    except OSError:
        return ""
    return state.hexdigest()


def _state_of_half(snapshot: Snapshot) -> str:
    """The state of one whose tree can be read: what it had is known, what is not is whether it stays."""
    state = snapshot.subvolume.uuid if snapshot.content is not None else f"{snapshot.subvolume.uuid} no etc"
    try:
        status = os.lstat(snapshot.path.parent / "info.xml")
    except FileNotFoundError:
        return state
    except OSError:
        return ""
    return f"{state} {status.st_ino} {status.st_mtime_ns} {status.st_ctime_ns}"


@dataclass(frozen=True, kw_only=True, slots=True)
class _InUse:
    """Identifiers of the subvolumes that boot next and that run, None where they are not known.

    ``origin`` is the UUID of the one that the running one was made from, ``since`` when the system was booted, as
    snapper writes dates; empty where that is not known.
    """

    default: int | None = None
    running: int | None = None
    origin: str | None = None
    since: str = ""

    def has(self, subvolume: Subvolume) -> bool:
        """Whether it is one of these."""
        return subvolume.identifier in (self.default, self.running) or subvolume.uuid == self.origin


def _in_use(layout: Layout, subvolumes: Subvolumes) -> tuple[_InUse, Sequence[str]]:
    """What boots next and what runs, and why one of them is not known."""
    default = root = None
    faults: list[str] = []
    try:
        default = subvolumes.default(layout.snapshots)
    except OSError as error:
        faults.append(f"{layout.snapshots}: the default subvolume is not known: {error.strerror}")
    try:
        root = subvolumes.find(layout.root)
    except OSError as error:
        faults.append(f"{layout.root}: the running subvolume is not known: {error.strerror}")
    since = _booted(layout)
    if root is None:
        return _InUse(default=default, since=since), faults
    return _InUse(default=default, running=root.identifier, origin=root.parent_uuid, since=since), faults


def _booted(layout: Layout) -> str:
    """When the system was booted (proc_stat(5)), in UTC; empty where that is not known."""
    try:
        lines = (layout.root / "proc/stat").read_text().splitlines()
        (seconds,) = (int(line.split()[1]) for line in lines if line.startswith("btime "))
        return time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(seconds))
    except (OSError, ValueError, LookupError, OverflowError):
        return ""


def _numbers(layout: Layout) -> list[int]:
    return sorted(int(name) for name in os.listdir(layout.snapshots) if NUMBER.fullmatch(name))


def _tree(layout: Layout, number: int) -> Path:
    return Path(f"{_folder(layout)}/{number}/snapshot")


@lru_cache(maxsize=4)
def _folder(layout: Layout) -> str:
    return str(layout.snapshots)


def look(layout: Layout, subvolumes: Subvolumes, number: int, *, in_use: _InUse = _InUse()) -> Snapshot | None:
    """One snapshot by its number; None where there is no subvolume (an empty folder keeps a number). Raises OSError."""
    subvolume = subvolumes.find(_tree(layout, number))
    if subvolume is None:
        return None
    return _read(layout, number, subvolume, in_use=in_use)


def _read(
    layout: Layout, number: int, subvolume: Subvolume, *, in_use: _InUse, releases: bool = True, overlays: bool = True
) -> Snapshot:
    """Read a snapshot. With ``overlays`` false none has an /etc that is an overlay."""
    path = _tree(layout, number)
    info = _info(f"{_folder(layout)}/{number}/info.xml")
    found = _content(layout, path, releases=releases, overlays=overlays)
    default, running = (subvolume.identifier == each for each in (in_use.default, in_use.running))
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
        left=open_ and not default and not running and _is_before(info.date if info else "", in_use.since),
        default=default,
        running=running,
    )


def _is_before(date: str, since: str) -> bool:
    return bool(_DATE.fullmatch(date)) and date < since


@dataclass(frozen=True, kw_only=True, slots=True)
class _Content:
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


@dataclass(frozen=True, kw_only=True, slots=True)
class _Info:
    date: str
    description: str
    open: bool


def _may_be_open(layout: Layout, number: int) -> bool:
    """Whether a transaction may have a snapshot open, as its info.xml says; there may be none."""
    try:
        return _IN_PROGRESS.encode() in read_small(f"{_folder(layout)}/{number}/info.xml", limit=_INFO_LIMIT)
    except OSError:
        return True


def _info(path: Path | str) -> _Info | None:
    """snapper's info.xml; None where it is missing or not whole."""
    from xml.etree import ElementTree

    try:
        # snapper's own file, which only root can write
        root = ElementTree.fromstring(read_small(path, limit=_INFO_LIMIT))  # noqa: S314
    except (OSError, ElementTree.ParseError, LookupError, ValueError):
        return None
    data = {entry.findtext("key"): entry.findtext("value") for entry in root.findall("userdata")}
    return _Info(
        date=root.findtext("date") or "",
        description=root.findtext("description") or "",
        open=data.get(_IN_PROGRESS) == "yes",
    )
