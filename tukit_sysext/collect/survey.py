# SPDX-License-Identifier: LGPL-2.1-or-later
"""A survey: all that keeps images of the store, from one consistent look at the snapshots, with holds and plugins."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from tukit_sysext.all_plugins import AllPlugins, Root
from tukit_sysext.collect.roots import RootSet, find_roots
from tukit_sysext.config.intent import IMAGES
from tukit_sysext.config.wanted import WantedImage, load_wanted
from tukit_sysext.errors import PluginFailed, UnknownState
from tukit_sysext.ledger.ledger import Ledger
from tukit_sysext.machine import Machine
from tukit_sysext.snapshots import snapper
from tukit_sysext.snapshots.snapper import Scan
from tukit_sysext.store.image_store import StoreFile
from tukit_sysext.system.tree import Tree

_TRIES = 5


def survey(machine: Machine, plugins: AllPlugins, files: Sequence[StoreFile], needed: Iterable[Root] = ()) -> RootSet:
    """Find all roots. ``files`` are those of the store, ``needed`` further roots of the caller.

    The snapshots are listed once more afterwards: where one came or went meanwhile everything is looked at anew (threat
    C4). Never raises for what is on the disk or what a plugin does: it is named in ``unknown``.
    """
    for _ in range(_TRIES):
        scan = snapper.scan(machine.layout, machine.subvolumes, releases=False)
        roots = _survey(machine, plugins, scan, files, needed)
        try:
            if snapper.identifiers(machine.layout, machine.subvolumes) == scan.identifiers:
                return roots
        except OSError as error:
            return _with(roots, f"{machine.layout.snapshots}: cannot be read: {error.strerror}")
    return _with(roots, f"{machine.layout.snapshots}: snapshots come and go too quickly; try again later")


def _survey(
    machine: Machine, plugins: AllPlugins, scan: Scan, files: Sequence[StoreFile], needed: Iterable[Root]
) -> RootSet:
    others, unknown = [*needed], list[str]()
    try:
        others += plugins.references(machine)
    except PluginFailed as error:
        unknown.append(str(error))
    try:
        others += _holds(machine, scan, files)
    except UnknownState as error:
        unknown.append(str(error))
    try:
        others += _remembered(machine, scan)
    except (OSError, sqlite3.Error) as error:
        unknown.append(f"{machine.layout.ledger}: what snapshots had whose links cannot be read is not known: {error}")
    return _with(find_roots(machine.layout, scan, others), *unknown)


def _with(roots: RootSet, *unknown: str) -> RootSet:
    return replace(roots, unknown=(*roots.unknown, *unknown))


def _remembered(machine: Machine, scan: Scan) -> Sequence[Root]:
    """What the ledger says that snapshots had whose links cannot be read now."""
    unread = {snapshot.key for snapshot in scan.snapshots if snapshot.content is None}
    if not unread or not machine.layout.ledger.exists():
        return ()
    with Ledger(machine.layout.ledger, writable=False) as ledger:
        return [
            Root(image=image, where=f"snapshot {row.number}, as the ledger remembers")
            for row in ledger.snapshots()
            if row.key in unread
            for _, image in row.images
        ]


def _holds(machine: Machine, scan: Scan, files: Sequence[StoreFile]) -> Iterator[Root]:
    """Versions that are held (Hold=) in the running system, in what boots next, or in an open transaction."""
    trees = {machine.layout.root: "the running system"}
    trees |= {each.path: f"snapshot {each.number}" for each in scan.snapshots if each.default or each.open}
    recorded: Sequence[StoreFile] | None = None
    for path, where in trees.items():
        for image in _wanted(path):
            if not image.hold and image.trusted:
                continue
            if recorded is None:
                # the record says which version a file is, whatever it is called
                store = machine.store(writable=False)
                recorded = [store.recorded(file) for file in files]
            for file in recorded:
                if file.name != image.name:
                    continue
                if file.version == image.hold:
                    yield Root(image=file.file_name, where=f"held in {where}")
                elif not image.trusted:
                    # the fault may be in what holds it
                    yield Root(image=file.file_name, where=f"perhaps held in {where} ({image.origin} has a fault)")


def _wanted(path: Path) -> Iterable[WantedImage]:
    with Tree(path) as tree:
        wanted = load_wanted(tree)
    for problem in wanted.problems:
        if problem.file.endswith(f"/{IMAGES}"):
            raise UnknownState(f"{path}: which versions are held is not known: {problem}")
    return wanted.images.values()
