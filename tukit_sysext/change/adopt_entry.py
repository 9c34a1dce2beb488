# SPDX-License-Identifier: LGPL-2.1-or-later
"""Taking over an entry of /etc/extensions that is not ours: made by hand, by sysextmgr, by any other tool.

The content goes into the store with a record, the image becomes wanted, and the entry a link of ours. Reference first:
the wanted file is written before the entry is changed, and nothing of what was there is lost. What the tree says of the
image already counts, of a tombstone all but State=removed.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from tukit_sysext.change import requests
from tukit_sysext.change.import_image import Importer, name_and_version
from tukit_sysext.change.pack_folder import check_packable
from tukit_sysext.change.requests import NewFile
from tukit_sysext.config import own_files
from tukit_sysext.config.intent import State
from tukit_sysext.config.settings import load_configuration
from tukit_sysext.config.wanted import Policy, WantedImage, load_wanted
from tukit_sysext.errors import StoreError, TukitSysextError, UnknownState
from tukit_sysext.layout import EXTENSIONS, STORE
from tukit_sysext.ledger.ledger import LedgerEvent, write_or_log
from tukit_sysext.quantities import time_text
from tukit_sysext.rules.image_names import read_image_name
from tukit_sysext.snapshots.entries import Entry, EntryKind, LinkWriter, changing
from tukit_sysext.snapshots.targets import Target, uninterrupted
from tukit_sysext.store.image_store import Condition
from tukit_sysext.store.record import Record
from tukit_sysext.system.durable import sync_directory
from tukit_sysext.system.inspect_image import inspect_directory
from tukit_sysext.system.login_uid import login_uid
from tukit_sysext.system.tree import Tree
from tukit_sysext.update.facts import Foreign

_ASIDE = "adopted"
"""The folder of a tree's /etc/tukit-sysext that has what was no link."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Adopted:
    """An entry that was taken over: the image, its version (UAPI.10) and its link.

    ``policy`` is the one that counts from now on. ``kept`` is where the old entry is kept (None: nowhere), ``note``
    what else is to be known (empty: nothing).
    """

    name: str
    version: str
    link: str
    policy: Policy
    kept: Path | None = None
    note: str = ""


def adopt(target: Target, tree: Tree, foreign: Foreign, path: Path, policy: Policy | None) -> Adopted:
    """Take one entry of a tree over. ``path`` is where it leads to; ``policy`` None leaves one that is said as it is.

    Raises TukitSysextError where it is not good enough: broken, or in conflict with what the store has; nothing is
    changed then but that the store may have a new image. Raises OSError.
    """
    entry, importer = foreign.entry, Importer(target.machine, load_configuration(tree).settings.keep_free)
    unlabelled = ""
    if entry.image is not None:
        record = importer.of_store(entry.image, entry.stem)
    elif path.is_dir():
        record, unlabelled = importer.of_directory(path, entry.name, entry.stem)
    else:
        record = importer.of_file(path, _called(entry, path), entry.stem)
    link = f"{record.merge_name}.raw"
    with uninterrupted(), changing(tree, target.machine.layout.locks):
        _check_free(tree, entry.name, link)
        wanted, file = _wanted(target, tree, record.name, policy)
        if file is not None and file.content is not None:
            own_files.write(tree, file.folder, file.name, file.content)
        kept = _replace_entry(tree, entry, link, record.file_name)
    _remember(target, record, entry.name)
    return Adopted(
        name=record.name,
        version=record.version,
        link=link,
        policy=wanted.policy,
        kept=kept,
        note="; ".join(filter(None, (_conflict(wanted, record.version), unlabelled))),
    )


def _wanted(target: Target, tree: Tree, name: str, policy: Policy | None) -> tuple[WantedImage, NewFile | None]:
    """What the tree will say of an image, and the file to be written for that (None: it says so already)."""
    there = load_wanted(tree).images.get(name)
    if there is not None and there.state is State.WANTED and policy in (None, there.policy):
        return there, None
    keys = {"Policy": (policy,)} if policy is not None else {}
    (file,) = requests.to_install(target, {name: keys}).files
    return file.image or WantedImage(name=name, origin=file.path), file


def _conflict(wanted: WantedImage, version: str) -> str:
    """Why the next update would not keep the version; empty where it would."""
    if wanted.hold not in (None, version):
        return f"{wanted.origin} says Hold={wanted.hold}: the next update takes that version"
    if against := wanted.disallows(version):
        return f"{wanted.origin}: {against}: the next update takes such a version"
    return ""


def _remember(target: Target, record: Record, entry: str) -> None:
    detail = f"{record.version} ({entry})"
    number = target.snapshot.number if target.snapshot is not None and not target.running else None
    layout = target.machine.layout
    event = LedgerEvent(
        time=time_text(),
        kind="adopted",
        snapshot=number,
        image=record.name,
        detail=detail,
        uid=login_uid(layout.root),
    )
    write_or_log(layout.ledger, lambda ledger: ledger.add([event]), f"that {entry} was taken over")


def _replace_entry(tree: Tree, entry: Entry, link: str, file_name: str) -> Path | None:
    """Make the entry a link of ours. What is no link is kept aside, in the same file system."""
    kept = _put_aside(tree, entry.name) if entry.kind is not EntryKind.LINK else None
    stale = (entry.name,) if kept is None and entry.name != link else ()
    LinkWriter(tree).apply({link: file_name}, stale)
    return kept


def _put_aside(tree: Tree, name: str) -> Path:
    folder = tree.directory(EXTENSIONS)
    if folder is None:
        raise UnknownState(f"{tree.path / EXTENSIONS}: not there any more")
    kept = f"{name}.{time_text().replace(':', '')}"
    try:
        with own_files.own_folder(tree, _ASIDE) as aside:
            os.chmod(aside, 0o700)
            os.rename(name, aside / kept, src_dir_fd=folder)
            sync_directory(aside)
    finally:
        os.close(folder)
    return tree.path / own_files.ETC / _ASIDE / kept


def preview(target: Target, tree: Tree, foreign: Foreign, path: Path, policy: Policy | None) -> Adopted:
    """What :func:`adopt` would make of an entry. Changes nothing, and hashes nothing.

    Raises TukitSysextError where it is plain now that it could not.
    """
    entry = foreign.entry
    merge_name = stem = foreign.right_name or entry.stem
    if entry.image is not None:
        stored = target.machine.store(writable=False).look(entry.image)
        if stored.condition not in (Condition.WHOLE, Condition.UNRECORDED):
            raise StoreError(f"{STORE}/{entry.image}: {stored.condition}: {stored.reason}")
        merge_name = stored.record.merge_name if stored.record is not None else stem
        name, version = stored.name or stem, stored.version
    elif path.is_dir():
        inspection = inspect_directory(path, preferred=stem)
        check_packable(path)
        merge_name = inspection.merge_name
        name, version = name_and_version(entry.name, inspection)
    else:
        parsed = read_image_name(_called(entry, path))
        name, version = (parsed.name, parsed.version) if parsed is not None else (stem, "?")
    link = f"{merge_name}.raw"
    _check_free(tree, entry.name, link)
    wanted, _ = _wanted(target, tree, name, policy)
    note = _conflict(wanted, version) if version != "?" else ""
    return Adopted(name=name, version=version, link=link, policy=wanted.policy, note=note)


def _called(entry: Entry, path: Path) -> str:
    """The file name that may tell the name and version of an image: of a link, that of its target."""
    return path.name if entry.target is not None or entry.is_versions else entry.name


def _check_free(tree: Tree, entry: str, link: str) -> None:
    if link != entry and link in (tree.names(EXTENSIONS) or ()):
        raise TukitSysextError(
            f"its link would be {link}, which is there already",
            next_step=f"take {tree.path / EXTENSIONS / link} over first, or move it away",
        )
