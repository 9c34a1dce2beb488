# SPDX-License-Identifier: LGPL-2.1-or-later
"""Taking over what is in /etc/extensions and is not ours: by hand, by sysextmgr, by whatever tool.

The content goes into the store with a record, the image becomes wanted, and the entry a link of ours. Reference first:
the wanted file is written before the entry is changed, and nothing of what was there is lost.
"""

from __future__ import annotations

import logging
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tukit_sysext.config.wanted import FOLDER, Policy
from tukit_sysext.errors import ImageBroken, StoreError, TukitSysextError
from tukit_sysext.job.facts import Foreign
from tukit_sysext.job.options import image_name, image_version
from tukit_sysext.layout import CONFIGURATION, EXTENSIONS, STORE
from tukit_sysext.machine import Machine
from tukit_sysext.rules.names import check_component, parse_image_name
from tukit_sysext.state.digest import CHUNK, hash_of
from tukit_sysext.state.ledger import Event, Ledger, now_text
from tukit_sysext.state.record import Record
from tukit_sysext.state.store import Condition, Store, Stored
from tukit_sysext.system.durable import make_directory, sync_directory, write_file
from tukit_sysext.system.inspect_image import Inspection, inspect_directory, inspect_image
from tukit_sysext.system.label import LINK, labelled
from tukit_sysext.system.process import TimedOut, run
from tukit_sysext.system.system_release import machine_architecture

log = logging.getLogger(__name__)

SOURCE = "adopted"
"""The source that the record of an adopted image names."""

_PACK = "/usr/bin/mksquashfs"
_PACK_TIMEOUT = 3600.0
_HINT_PACK = "install squashfs (squashfs-tools on Debian), or remove the directory and install a published image"


@dataclass(frozen=True, kw_only=True, slots=True)
class Adopted:
    """What became of an entry: the image, its version (UAPI.10), its link, and where the old entry was put.

    If anywhere.
    """

    name: str
    version: str
    link: str
    kept: Path | None = None


def adopt(machine: Machine, foreign: Foreign, path: Path, policy: Policy) -> Adopted:
    """Take one entry over. ``path`` is where it leads to.

    Raises TukitSysextError where it is not good enough: broken, or in conflict with what the store has; nothing is
    changed then but that the store may have a new image.
    """
    store = machine.store()
    entry = foreign.entry
    stem = entry.name.removesuffix(".raw")
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
    _check_free(machine, entry.name, link)
    _want(machine, record.name, policy)
    kept = _replace_entry(machine, entry.name, link, record.file_name)
    _note(machine, record, entry.name)
    return Adopted(name=record.name, version=record.version, link=link, kept=kept)


def _note(machine: Machine, record: Record, entry: str) -> None:
    """Remember it. The entry is taken over whether that can be done or not."""
    detail = f"{record.version} ({entry})"
    event = Event(time=now_text(), kind="adopted", snapshot=None, image=record.name, detail=detail)
    try:
        with Ledger(machine.layout.ledger) as ledger:
            ledger.add([event])
    except (OSError, sqlite3.Error) as error:
        log.warning("%s: %s; that %s was taken over is not remembered", machine.layout.ledger, error, entry)


def _of_store(store: Store, file_name: str, stem: str, machine: Machine) -> Stored:
    """An entry that leads into the store already: whole, with a record, afterwards."""
    stored = store.look(file_name)
    if stored.condition is Condition.WHOLE:
        return stored
    if stored.condition is not Condition.UNRECORDED:
        raise StoreError(f"{STORE}/{file_name}: {stored.condition}: {stored.reason}")
    with store.opened(file_name) as descriptor:
        inspection = inspect_image(descriptor, preferred=stem, scratch=machine.layout.cache)
        name, version = image_name(stored) or stem, image_version(stored)
        store.take_over(_record(descriptor, file_name, name, version, inspection, hash_of(descriptor)), descriptor)
    return store.look(file_name)


def _bring(store: Store, path: Path, hint: str, stem: str, machine: Machine) -> Stored:
    """Copy an image file into the store under a name of the usual form."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise ImageBroken(f"{path}: cannot be read: {error.strerror}") from error
    with open(descriptor, "rb", buffering=0) as file:
        inspection = inspect_image(descriptor, preferred=stem, scratch=machine.layout.cache)
        name, version = _name_and_version(hint, inspection)
        file_name = check_component(f"{name}-{version}.{machine_architecture()}.raw")
        size = os.fstat(descriptor).st_size
        file.seek(0)
        sha256 = hash_of(descriptor)
        with store.receive(sha256=sha256, limit=size, where=str(path)) as incoming:
            incoming.expect(size)
            while piece := file.read(CHUNK):
                incoming.write(piece)
            incoming.finish()
            record = _record(incoming.descriptor, file_name, name, version, inspection, sha256, url=path.as_uri())
            store.publish(incoming, record, replaceable=lambda _: False)
    return store.look(file_name)


def _name_and_version(hint: str, inspection: Inspection) -> tuple[str, str]:
    """What an image is called: the name of its file, else what it says of itself."""
    parsed = parse_image_name(hint)
    if parsed is not None:
        return parsed.name, parsed.version
    release = inspection.release
    version = release.get("SYSEXT_VERSION_ID") or release.get("VERSION_ID") or "0"
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
        time=now_text(),
        merge_name=inspection.merge_name,
        release=dict(inspection.release),
    )


@contextmanager
def _packed(folder: Path, machine: Machine) -> Iterator[Path]:
    """A squashfs image of a directory, which the store can take."""
    if not os.access(_PACK, os.X_OK):
        raise TukitSysextError(
            f"{folder}: a directory has to be packed into an image, which needs {_PACK}", hint=_HINT_PACK
        )
    make_directory(machine.layout.state)
    image = machine.layout.state / f".adopt-{os.getpid()}.raw"
    try:
        result = run([_PACK, str(folder), str(image), "-noappend", "-no-progress", "-quiet"], timeout=_PACK_TIMEOUT)
        if result.status != 0:
            raise ImageBroken(f"{folder}: cannot be packed: {result.messages.strip() or result.output.strip()}")
        yield image
    except TimedOut as error:
        raise ImageBroken(f"{folder}: cannot be packed: {error}") from error
    finally:
        image.unlink(missing_ok=True)


def _want(machine: Machine, name: str, policy: Policy) -> None:
    folder = machine.layout.root / CONFIGURATION[0] / FOLDER
    path = folder / f"{check_component(name)}.conf"
    if path.exists() and path.stat().st_size > 0:
        return
    make_directory(folder)
    write_file(path, f"# taken over by tukit-sysext adopt\n[Image]\nPolicy={policy}\n".encode())


def _replace_entry(machine: Machine, old: str, link: str, file_name: str) -> Path | None:
    """Make the entry a link of ours. What is no link is kept aside, in the same file system."""
    folder = machine.layout.root / EXTENSIONS
    before = folder / old
    kept: Path | None = None
    if not before.is_symlink():
        aside = machine.layout.root / CONFIGURATION[0] / "adopted"
        make_directory(aside, 0o700)
        kept = aside / f"{old}.{now_text().replace(':', '')}"
        os.rename(before, kept)
        sync_directory(aside)
    temporary = folder / f".tukit-sysext.{link}"
    temporary.unlink(missing_ok=True)
    with labelled(f"/{EXTENSIONS}/{link}", LINK):
        temporary.symlink_to(f"{STORE}/{file_name}")
    os.rename(temporary, folder / link)
    if old != link and before.is_symlink():
        before.unlink()
    sync_directory(folder)
    return kept


def preview(machine: Machine, foreign: Foreign, path: Path) -> Adopted:
    """What :func:`adopt` would make of an entry. Changes nothing, and hashes nothing.

    Raises TukitSysextError where it is plain now that it could not.
    """
    entry, stem = foreign.entry, foreign.entry.name.removesuffix(".raw")
    store = machine.store(writable=False)
    if entry.image is not None:
        stored = store.look(entry.image)
        if stored.condition not in (Condition.WHOLE, Condition.UNRECORDED):
            raise StoreError(f"{STORE}/{entry.image}: {stored.condition}: {stored.reason}")
        merge_name = stored.record.merge_name if stored.record is not None else stem
        name, version = image_name(stored) or stem, image_version(stored)
    elif path.is_dir():
        inspection = inspect_directory(path, preferred=stem)
        if not os.access(_PACK, os.X_OK):
            raise TukitSysextError(
                f"{path}: a directory has to be packed into an image, which needs {_PACK}", hint=_HINT_PACK
            )
        merge_name = inspection.merge_name
        name, version = _name_and_version(entry.name, inspection)
    else:
        hint = (path if entry.target is not None else Path(entry.name)).name
        parsed = parse_image_name(hint)
        merge_name = stem
        name, version = (parsed.name, parsed.version) if parsed is not None else (stem, "?")
    link = f"{merge_name}.raw"
    _check_free(machine, entry.name, link)
    return Adopted(name=name, version=version, link=link)


def _check_free(machine: Machine, entry: str, link: str) -> None:
    target = machine.layout.root / EXTENSIONS / link
    if link != entry and os.path.lexists(target):
        raise TukitSysextError(
            f"its link would be {link}, which is there already", hint=f"take {target} over first, or move it away"
        )
