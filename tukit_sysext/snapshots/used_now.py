# SPDX-License-Identifier: LGPL-2.1-or-later
"""Which snapshots are in use: the one that runs, the one that it was made from, and the one that boots next."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import NamedTuple

from tukit_sysext.layout import Layout
from tukit_sysext.system.subvolume import Subvolume, Subvolumes


class UsedSubvolumes(NamedTuple):
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


NOT_KNOWN = UsedSubvolumes()
"""Where nobody asked."""


def used_subvolumes(layout: Layout, subvolumes: Subvolumes) -> tuple[UsedSubvolumes, Sequence[str]]:
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
        return UsedSubvolumes(default=default, since=since), faults
    return UsedSubvolumes(default=default, running=root.identifier, origin=root.parent_uuid, since=since), faults


def _booted(layout: Layout) -> str:
    """When the system was booted (proc_stat(5)), in UTC; empty where that is not known."""
    try:
        lines = (layout.root / "proc/stat").read_text().splitlines()
        (seconds,) = (int(line.split()[1]) for line in lines if line.startswith("btime "))
        return time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(seconds))
    except (OSError, ValueError, LookupError, OverflowError):
        return ""
