# SPDX-License-Identifier: LGPL-2.1-or-later
"""Which file of the store somebody means by a name."""

from __future__ import annotations

from tukit_sysext.commands.common.typed_names import unknown_image
from tukit_sysext.errors import OutsideTree, TukitSysextError, UnknownState
from tukit_sysext.machine import Machine
from tukit_sysext.snapshots.entries import read_entries
from tukit_sysext.store.image_store import Stored, StoreFile
from tukit_sysext.system.tree import Tree
from tukit_sysext.update.considered import newest_first


def file_names(file: StoreFile) -> tuple[str, ...]:
    """What a person may call a file of the store."""
    name, version = file.name, file.version
    of_version = (f"{name}={version}", f"{name}-{version}", f"{name}_{version}") if name is not None else ()
    return file.file_name, *of_version


def stored_image(machine: Machine, text: str, *, missing_ok: bool) -> Stored | None:
    """The image of the store that is called so: of several versions the one that is linked, else the newest.

    None with ``missing_ok`` where there is none. Raises TukitSysextError.
    """
    store = machine.store(writable=False)
    try:
        files = [file for file in store.inventory() if not file.irregular and not file.missing]
    except FileNotFoundError:
        files = []
    except OSError as error:
        raise TukitSysextError(f"{machine.layout.store}: cannot be read: {error.strerror}") from error
    meant = [file for file in files if text in (file.name, *file_names(file))]
    if not meant and missing_ok:
        return None
    if not meant:
        known = sorted({name for file in files for name in (file.name, *file_names(file)) if name is not None})
        raise unknown_image(text, known, "in the store", next_step="for a file give its path, as ./NAME.raw")
    linked = _linked(machine)
    meant.sort(key=newest_first)
    meant.sort(key=lambda file: file.file_name not in linked)
    return store.look(meant[0].file_name)


def _linked(machine: Machine) -> frozenset[str]:
    """The files that the running system has links to."""
    try:
        with Tree(machine.layout.root) as tree:
            return frozenset(entry.image for entry in read_entries(tree) if entry.image is not None)
    except (UnknownState, OutsideTree):
        return frozenset()
