# SPDX-License-Identifier: LGPL-2.1-or-later
"""What this machine has now: the images of the running system and of the snapshot that boots next.

An update never takes one of these away (:mod:`tukit_sysext.update.deciding`). Looked at once for each run. Only links
into the store count: no update of ours touches another entry, or has a successor for it. Where one of these does not
fit the new system, the image is missed loudly; ``adopt`` makes it one that counts.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from tukit_sysext.errors import UnknownState
from tukit_sysext.machine import Machine
from tukit_sysext.rules.matching import Host, check
from tukit_sysext.rules.release import ReleaseData
from tukit_sysext.rules.systemd import SystemdVersion
from tukit_sysext.snapshots.entries import Entry
from tukit_sysext.snapshots.fitting import TreeFacts
from tukit_sysext.snapshots.snapper import next_to_boot
from tukit_sysext.store.image_store import Condition, Stored
from tukit_sysext.system.system_release import machine_architecture, systemd_version
from tukit_sysext.system.tree import Tree
from tukit_sysext.update.facts import InUse

log = logging.getLogger(__name__)

RUNNING = "the running system"


class SystemInUse(NamedTuple):
    """The running system, or the one that boots next: what it is, its root and its links; None: that is not known."""

    called: str
    release: ReleaseData | None
    systemd: SystemdVersion | None
    entries: tuple[Entry, ...] | None
    path: Path | None = None


def systems_in_use(machine: Machine, running: TreeFacts) -> Sequence[SystemInUse]:
    """The running system, whose facts are given, and where another snapshot boots next, that one."""
    entries = running.entries if not running.unusable else None
    layout = machine.layout
    systems = [
        SystemInUse(called=RUNNING, release=running.release, systemd=running.systemd, entries=entries, path=layout.root)
    ]
    if not layout.snapshots.is_dir():
        return systems
    try:
        snapshot = next_to_boot(layout, machine.subvolumes)
        own = machine.subvolumes.find(layout.root)
        if snapshot is None or (own is not None and own.uuid == snapshot.subvolume.uuid):
            return systems
        called = f"snapshot {snapshot.number}, which boots next"
        with Tree(snapshot.path) as tree:
            systemd = systemd_version(tree)
    except (OSError, UnknownState) as error:
        log.info("what the system has that boots next is not known: %s", error)
        return (*systems, SystemInUse(called="what boots next", release=None, systemd=None, entries=None))
    systems.append(
        SystemInUse(
            called=called, release=snapshot.release, systemd=systemd, entries=snapshot.entries, path=snapshot.path
        ),
    )
    return systems


def images_in_use(
    systems: Sequence[SystemInUse], given: Sequence[Entry], stored: Mapping[str, Stored]
) -> Mapping[str, InUse]:
    """Images by name that one of the systems has linked, whole and fitting.

    ``given`` are the links of the tree that gets an update: it is a copy of one of the systems, and they stand in for a
    system whose links are not known (unknown is not none).
    """
    found: dict[str, InUse] = {}
    for system in systems:
        for entry in given if system.entries is None else system.entries:
            image = stored.get(entry.image) if entry.image is not None else None
            if image is not None and image.name is not None and _serves(system, entry, image):
                found.setdefault(image.name, InUse(version=image.version, shown=image.shown, system=system.called))
    return found


def linked_files(systems: Sequence[SystemInUse]) -> Iterator[str]:
    """The files of the store that the systems have links to."""
    for system in systems:
        yield from (entry.image for entry in system.entries or () if entry.image is not None)


def _serves(system: SystemInUse, entry: Entry, image: Stored) -> bool:
    """Whether the system has an image with this link; what nobody can tell counts as if it had."""
    if image.condition is Condition.UNRECORDED:
        return True
    record = image.record
    if record is None or image.condition is not Condition.WHOLE or entry.stem != record.merge_name:
        return False
    if system.release is None:
        return True
    host = Host(release=system.release, architecture=machine_architecture(), systemd=system.systemd)
    return check(host, ReleaseData(record.release)).fits
