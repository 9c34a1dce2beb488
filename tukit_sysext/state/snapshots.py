# SPDX-License-Identifier: LGPL-2.1-or-later
"""The snapshots of a machine as the disk has them (snapper(8)): the truth that ledger and reports follow."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from tukit_sysext.errors import OutsideTree, UnknownState
from tukit_sysext.layout import Layout
from tukit_sysext.rules.release import ReleaseData
from tukit_sysext.state.links import Entry, read
from tukit_sysext.system.subvolume import Subvolume, Subvolumes
from tukit_sysext.system.system_release import read_release
from tukit_sysext.system.tree import Tree

_NUMBER = re.compile(r"[1-9][0-9]{0,9}")
_INFO_LIMIT = 1024 * 1024


@dataclass(frozen=True, kw_only=True, slots=True)
class Snapshot:
    """One snapshot. Number and subvolume UUID identify it: numbers are used again.

    ``entries`` of its /etc/extensions, or None and ``unknown`` with the reason why they are not known.
    """

    number: int
    path: Path
    subvolume: Subvolume
    entries: tuple[Entry, ...] | None
    unknown: str = ""
    release: ReleaseData | None = None
    date: str = ""
    description: str = ""
    open: bool = False
    default: bool = False
    running: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Scan:
    """All snapshots by number, and what could not be told: nothing may be concluded from its absence then."""

    snapshots: tuple[Snapshot, ...]
    unknown: tuple[str, ...]


def scan(layout: Layout, subvolumes: Subvolumes) -> Scan:
    """Read all snapshots. Never raises for what is on the disk: what cannot be read is named in ``unknown``."""
    unknown: list[str] = []
    try:
        numbers = sorted(int(name) for name in os.listdir(layout.snapshots) if _NUMBER.fullmatch(name))
    except OSError as error:
        return Scan(snapshots=(), unknown=(f"{layout.snapshots}: cannot be read: {error.strerror}",))
    if not numbers:
        return Scan(snapshots=(), unknown=(f"{layout.snapshots}: empty, is it mounted?",))
    default = running = None
    try:
        default = subvolumes.default(layout.snapshots)
    except OSError as error:
        unknown.append(f"{layout.snapshots}: the default subvolume is not known: {error.strerror}")
    try:
        root = subvolumes.find(layout.root)
        running = root.identifier if root is not None else None
    except OSError as error:
        unknown.append(f"{layout.root}: the running subvolume is not known: {error.strerror}")
    snapshots: list[Snapshot] = []
    for number in numbers:
        try:
            snapshot = look(layout, subvolumes, number, default=default, running=running)
        except OSError as error:
            unknown.append(f"snapshot {number}: {error.strerror}")
            continue
        if snapshot is None:
            if (layout.snapshots / str(number) / "info.xml").exists():
                unknown.append(f"snapshot {number}: it has info.xml, but no tree (being made, or half deleted)")
        else:
            snapshots.append(snapshot)
            unknown += [f"snapshot {number}: {snapshot.unknown}"] if snapshot.unknown else []
    return Scan(snapshots=tuple(snapshots), unknown=tuple(unknown))


def look(
    layout: Layout,
    subvolumes: Subvolumes,
    number: int,
    *,
    default: int | None = None,
    running: int | None = None,
) -> Snapshot | None:
    """One snapshot by its number; None where there is no subvolume (an empty folder keeps a number). Raises OSError."""
    path = layout.snapshots / str(number) / "snapshot"
    subvolume = subvolumes.find(path)
    if subvolume is None:
        return None
    info = _info(path.parent / "info.xml")
    entries, release, unknown = _content(path)
    return Snapshot(
        number=number,
        path=path,
        subvolume=subvolume,
        entries=entries,
        release=release,
        unknown=unknown or ("" if info is not None else "no readable info.xml (being made, or half deleted)"),
        date=info.date if info else "",
        description=info.description if info else "",
        open=info.open if info else False,
        default=subvolume.identifier == default,
        running=subvolume.identifier == running,
    )


def _content(path: Path) -> tuple[tuple[Entry, ...] | None, ReleaseData | None, str]:
    try:
        with Tree(path) as tree:
            release = read_release(tree)
            try:
                return read(tree), release, ""
            except (UnknownState, OutsideTree) as error:
                return None, release, str(error)
    except UnknownState as error:
        return None, None, str(error)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Info:
    date: str
    description: str
    open: bool


def _info(path: Path) -> _Info | None:
    """snapper's info.xml; None where it is missing or not whole."""
    from xml.etree import ElementTree

    try:
        with open(path, "rb") as file:
            # snapper's own file, which only root can write
            root = ElementTree.fromstring(file.read(_INFO_LIMIT))  # noqa: S314
    except (OSError, ElementTree.ParseError, LookupError, ValueError):
        return None
    data = {entry.findtext("key"): entry.findtext("value") for entry in root.findall("userdata")}
    return _Info(
        date=root.findtext("date") or "",
        description=root.findtext("description") or "",
        open=data.get("transactional-update-in-progress") == "yes",
    )
