# SPDX-License-Identifier: LGPL-2.1-or-later
"""Tombstones (State=removed) that nothing needs any more.

``remove`` leaves one where another tree is about to boot or is being made: the copying of /etc at the boot takes the
removal there. When that is over, and no file of /usr or /run would make the image wanted again, it says nothing.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator

from tukit_sysext.config import own_files
from tukit_sysext.config.intent import IMAGES, State
from tukit_sysext.config.wanted import load_wanted
from tukit_sysext.errors import OutsideTree, TukitSysextError, UnknownState
from tukit_sysext.machine import Machine
from tukit_sysext.snapshots.entries import changing, read_entries
from tukit_sysext.system.tree import Tree

log = logging.getLogger(__name__)


def needless(machine: Machine) -> tuple[str, ...]:
    """Images whose tombstone in the running system nothing needs; none where that cannot be told."""
    try:
        with Tree(machine.layout.root) as tree:
            tree.expect_own_etc()
            names = tuple(_needless(machine, tree))
        if not names:
            return ()
        from tukit_sysext.snapshots.targets import is_only_tree  # 1 ms, and most machines have no tombstone

        return names if is_only_tree(machine) else ()
    except (TukitSysextError, OSError) as error:
        log.info("which tombstones are needed is not known: %s", error)
        return ()


def sweep(machine: Machine) -> tuple[str, ...]:
    """Take them away; the images whose tombstone is gone. To be called with the lock, alone. Never raises."""
    gone: list[str] = []
    names = needless(machine)
    if not names:
        return ()
    try:
        with Tree(machine.layout.root) as tree, changing(tree, machine.layout.locks):
            for name in names:
                own_files.delete(tree, IMAGES, f"{name}.conf")
                gone.append(name)
    except (TukitSysextError, OSError) as error:
        log.info("tombstones stay: %s", error)
    return tuple(gone)


def _needless(machine: Machine, tree: Tree) -> Iterator[str]:
    wanted = load_wanted(tree).images.items()
    removed = [name for name, image in wanted if image.state is State.REMOVED and image.trusted]
    if not removed:
        return
    store = machine.store(writable=False)
    try:
        entries = read_entries(tree)
    except (UnknownState, OutsideTree):
        return
    linked = {entry.stem for entry in entries}
    linked |= {store.look(entry.image).name or "" for entry in entries if entry.image is not None}
    for name in removed:
        if name not in linked and own_files.places(tree, IMAGES, f"{name}.conf") == [own_files.ETC]:
            yield name
