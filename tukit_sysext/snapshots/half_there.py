# SPDX-License-Identifier: LGPL-2.1-or-later
"""Snapshots that are half there: what stands of them, whether it changes, and what settles them.

A boot at which all are whole does without it.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from tukit_sysext.layout import Layout
from tukit_sysext.snapshots.snapper_files import read_info, tree_of
from tukit_sysext.snapshots.snapshot import Snapshot
from tukit_sysext.system.subvolume import Subvolumes

_MOST_FOLDERS = 1000
"""How many folders of a number without a subvolume are looked through: a whole system is nothing that is left over."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Leftover:
    """A number that has no subvolume, or one without info.xml or /etc: a snapshot being made, or what is left of one.

    ``reason`` stands among what is unknown; ``state`` differs when something in the folder changed. It is empty where
    there is a subvolume deeper in it, or more than is looked through.
    """

    number: int
    reason: str
    state: str


def settled_by(layout: Layout, snapshot: Snapshot) -> str:
    """What to do with a snapshot of which something is not known, unless it is in use.

    snapper deletes what it lists, which is what has an info.xml.
    """
    if snapshot.running or snapshot.default:
        return ""
    command = f"snapper delete {snapshot.number}"
    if read_info(layout, snapshot.number) is None:
        command = f"btrfs property set -f -ts {snapshot.path} ro false; rm -r {snapshot.path.parent}"
    return f"; what settles it: {command}"


def half_of(snapshot: Snapshot, reason: str) -> Leftover:
    """The leftover that a snapshot without info.xml or /etc is."""
    return Leftover(number=snapshot.number, reason=reason, state=_state_of_half(snapshot))


def leftover_of(layout: Layout, subvolumes: Subvolumes, number: int) -> Leftover | None:
    """What a number without a subvolume has; None where it only keeps the number."""
    folder, tree = layout.snapshots / str(number), tree_of(layout, number)
    if os.path.lexists(tree):
        reason = f"{tree}: expected a btrfs subvolume; what settles it: rm -r {folder}"
    elif os.path.lexists(folder / "info.xml"):
        reason = f"it has info.xml, but no tree (being made, or half deleted); what settles it: rm {folder}/info.xml"
    else:
        return None
    return Leftover(number=number, reason=f"snapshot {number}: {reason}", state=_state(folder, subvolumes))


def _state(folder: Path, subvolumes: Subvolumes) -> str:
    """What is below a folder, in a form that differs when it changes."""
    import hashlib  # 2 ms, of which an empty number needs none

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
