# SPDX-License-Identifier: LGPL-2.1-or-later
"""Taking over what is in /etc/extensions and is not ours: by hand, by sysextmgr, by whatever tool.

The content goes into the store with a record, the image becomes wanted, and the entry a link of ours. Reference first:
the wanted file is written before the entry is changed, and nothing of what was there is lost. What the tree says of the
image already counts, wherever it stands; of a tombstone all but State=removed, as who takes it over wants to have it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tukit_sysext.change import requests
from tukit_sysext.change.changeable import uninterrupted
from tukit_sysext.change.requests import NewFile
from tukit_sysext.config import own_files
from tukit_sysext.config import wanted as wanted_files
from tukit_sysext.config.wanted import Policy, State, WantedImage
from tukit_sysext.errors import ImageBroken, StoreError, TukitSysextError, UnknownState
from tukit_sysext.layout import EXTENSIONS, STORE
from tukit_sysext.ledger.ledger import Event, write_or_log
from tukit_sysext.machine import Machine
from tukit_sysext.quantities import time_text
from tukit_sysext.rules.constraint import disallows
from tukit_sysext.rules.names import check_component, parse_image_name
from tukit_sysext.snapshots.entries import Entry, EntryKind, LinkWriter, changing
from tukit_sysext.snapshots.targets import Target
from tukit_sysext.store.digest import CHUNK, hash_of
from tukit_sysext.store.image_store import Condition, Store, Stored
from tukit_sysext.store.record import Record
from tukit_sysext.system.durable import make_directory, sync_directory
from tukit_sysext.system.inspect_image import Inspection, inspect_directory, inspect_image
from tukit_sysext.system.process import TimedOut, run
from tukit_sysext.system.system_release import machine_architecture
from tukit_sysext.system.tree import Tree
from tukit_sysext.update.facts import Foreign

SOURCE = "adopted"
"""The source that the record of an adopted image names."""

UNKNOWN_VERSION = "0"
"""The version of an image that nothing tells: every published one is newer."""

_ASIDE = "adopted"
"""The folder of a tree's /etc/tukit-sysext that has what was no link."""

_PACK = "/usr/bin/mksquashfs"
_PACK_TIMEOUT = 3600.0
_STEP_PACK = "install squashfs (squashfs-tools on Debian), or remove the directory and install a published image"


@dataclass(frozen=True, kw_only=True, slots=True)
class Adopted:
    """What became of an entry: the image, its version (UAPI.10), its link, and where the old entry was put.

    ``kept`` is None where it was put nowhere, ``policy`` is the one that counts from now on, ``note`` what else is to
    be known (empty: nothing).
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
    machine = target.machine
    store = machine.store()
    entry = foreign.entry
    stem = entry.stem
    if entry.image is not None:
        stored = _of_store(store, entry.image, stem, machine)
    elif path.is_dir():
        with _packed(path, machine) as image:
            stored = _bring(store, image, entry.name, stem, machine)
    else:
        stored = _bring(store, path, (path if entry.target is not None else Path(entry.name)).name, stem, machine)
    if stored.record is None:
        raise StoreError(f"{stored.file_name}: {stored.condition}: {stored.reason}")
    record = stored.record
    link = f"{record.merge_name}.raw"
    with uninterrupted(), changing(tree):
        _check_free(tree, entry.name, link)
        wanted, file = _wish(target, tree, record.name, policy)
        if file is not None and file.content is not None:
            own_files.write(tree, file.folder, file.name, file.content)
        kept = _replace_entry(tree, entry, link, record.file_name)
    _note(target, record, entry.name)
    return Adopted(
        name=record.name,
        version=record.version,
        link=link,
        policy=wanted.policy,
        kept=kept,
        note=_against(wanted, record.version),
    )


def _wish(target: Target, tree: Tree, name: str, policy: Policy | None) -> tuple[WantedImage, NewFile | None]:
    """What the tree will say of an image, and the file to be written for that; None where it says so already."""
    there = wanted_files.load(tree).images.get(name)
    if there is not None and there.state is State.WANTED and policy in (None, there.policy):
        return there, None
    keys = {"Policy": (policy,)} if policy is not None else {}
    (file,) = requests.to_install(target, {name: keys}).files
    return file.image or WantedImage(name=name, origin=file.path), file


def _against(wanted: WantedImage, version: str) -> str:
    """Why the next update would not keep the version; empty where nothing speaks against it."""
    if wanted.hold not in (None, version):
        return f"{wanted.origin} says Hold={wanted.hold}: the next update takes that version"
    if wanted.constraint is not None and disallows(wanted.constraint, version):
        return f"{wanted.origin} says Version={wanted.constraint}: the next update takes such a version"
    return ""


def _note(target: Target, record: Record, entry: str) -> None:
    """Remember it. The entry is taken over whether that can be done or not."""
    detail = f"{record.version} ({entry})"
    number = target.snapshot.number if target.snapshot is not None and not target.running else None
    event = Event(time=time_text(), kind="adopted", snapshot=number, image=record.name, detail=detail)
    write_or_log(target.machine.layout.ledger, lambda ledger: ledger.add([event]), f"that {entry} was taken over")


def _of_store(store: Store, file_name: str, stem: str, machine: Machine) -> Stored:
    """An entry that leads into the store already: whole, with a record, afterwards."""
    stored = store.look(file_name)
    if stored.condition is Condition.WHOLE:
        return stored
    if stored.condition is not Condition.UNRECORDED:
        raise StoreError(f"{STORE}/{file_name}: {stored.condition}: {stored.reason}")
    with store.opened(file_name) as descriptor:
        inspection = inspect_image(descriptor, preferred=stem, scratch=machine.layout.cache)
        name, version = _name_and_version(file_name, inspection)
        store.take_over(_record(descriptor, file_name, name, version, inspection, hash_of(descriptor)), descriptor)
    return store.look(file_name)


def _bring(store: Store, path: Path, called: str, stem: str, machine: Machine) -> Stored:
    """Copy an image file into the store under a name of the usual form."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise ImageBroken(f"{path}: cannot be read: {error.strerror}") from error
    with open(descriptor, "rb", buffering=0) as file:
        inspection = inspect_image(descriptor, preferred=stem, scratch=machine.layout.cache)
        name, version = _name_and_version(called, inspection)
        file_name = check_component(f"{name}-{version}.{machine_architecture()}.raw")
        size = os.fstat(descriptor).st_size
        file.seek(0)
        sha256 = hash_of(descriptor)
        there = store.look(file_name).record
        if there is not None and there.sha256 != sha256:
            raise StoreError(
                f"{path}: {name} {version} is in the store already, with other content",
                next_step=f"give it a version of its own by its name, {name}-VERSION.{machine_architecture()}.raw",
            )
        with store.receive(sha256=sha256, limit=size, where=str(path)) as incoming:
            incoming.expect(size)
            while piece := file.read(CHUNK):
                incoming.write(piece)
            incoming.finish()
            record = _record(incoming.descriptor, file_name, name, version, inspection, sha256, url=path.as_uri())
            store.publish(incoming, record, replaceable=lambda _: False)
    return store.look(file_name)


def _name_and_version(called: str, inspection: Inspection) -> tuple[str, str]:
    """What an image is called: the name of its file, else what it says of itself."""
    parsed = parse_image_name(called)
    if parsed is not None:
        return parsed.name, parsed.version
    # VERSION_ID is that of the system that the image is for
    version = inspection.release.get("SYSEXT_VERSION_ID") or UNKNOWN_VERSION
    return check_component(inspection.merge_name), version


def _record(
    descriptor: int,
    file_name: str,
    name: str,
    version: str,
    inspection: Inspection,
    sha256: str,
    url: str = "",
) -> Record:
    return Record(
        file_name=file_name,
        name=name,
        version=version,
        sha256=sha256,
        size=os.fstat(descriptor).st_size,
        source=SOURCE,
        url=url,
        signer=None,
        time=time_text(),
        merge_name=inspection.merge_name,
        release=dict(inspection.release),
    )


@contextmanager
def _packed(folder: Path, machine: Machine) -> Iterator[Path]:
    """A squashfs image of a directory, which the store can take."""
    if not os.access(_PACK, os.X_OK):
        raise TukitSysextError(
            f"{folder}: a directory has to be packed into an image, which needs {_PACK}", next_step=_STEP_PACK
        )
    make_directory(machine.layout.state)
    image = machine.layout.state / f".adopt-{os.getpid()}.raw"
    try:
        # the same directory gives the same image: it may be in another tree, or come back with a rollback
        same = ("-mkfs-time", "0")
        argv = [_PACK, str(folder), str(image), *same, "-noappend", "-no-progress", "-quiet"]
        result = run(argv, timeout=_PACK_TIMEOUT)
        if result.status != 0:
            raise ImageBroken(f"{folder}: cannot be packed: {result.messages.strip() or result.output.strip()}")
        yield image
    except TimedOut as error:
        raise ImageBroken(f"{folder}: cannot be packed: {error}") from error
    finally:
        image.unlink(missing_ok=True)


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
    entry, stem = foreign.entry, foreign.entry.stem
    store = target.machine.store(writable=False)
    merge_name = stem
    if entry.image is not None:
        stored = store.look(entry.image)
        if stored.condition not in (Condition.WHOLE, Condition.UNRECORDED):
            raise StoreError(f"{STORE}/{entry.image}: {stored.condition}: {stored.reason}")
        merge_name = stored.record.merge_name if stored.record is not None else stem
        name, version = stored.name or stem, stored.version
    elif path.is_dir():
        inspection = inspect_directory(path, preferred=stem)
        if not os.access(_PACK, os.X_OK):
            raise TukitSysextError(
                f"{path}: a directory has to be packed into an image, which needs {_PACK}", next_step=_STEP_PACK
            )
        merge_name = inspection.merge_name
        name, version = _name_and_version(entry.name, inspection)
    else:
        parsed = parse_image_name((path if entry.target is not None else Path(entry.name)).name)
        name, version = (parsed.name, parsed.version) if parsed is not None else (stem, "?")
    link = f"{merge_name}.raw"
    _check_free(tree, entry.name, link)
    wanted, _ = _wish(target, tree, name, policy)
    note = _against(wanted, version) if version != "?" else ""
    return Adopted(name=name, version=version, link=link, policy=wanted.policy, note=note)


def _check_free(tree: Tree, entry: str, link: str) -> None:
    if link != entry and link in (tree.names(EXTENSIONS) or ()):
        raise TukitSysextError(
            f"its link would be {link}, which is there already",
            next_step=f"take {tree.path / EXTENSIONS / link} over first, or move it away",
        )
