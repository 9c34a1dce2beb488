# SPDX-License-Identifier: LGPL-2.1-or-later
"""Bringing the image of an entry that is not ours into the store, with a record."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from tukit_sysext.change.pack_folder import pack
from tukit_sysext.errors import ImageBroken, StoreError
from tukit_sysext.layout import STORE
from tukit_sysext.machine import Machine
from tukit_sysext.quantities import Share, time_text
from tukit_sysext.requirements.contents import completed
from tukit_sysext.rules.image_names import calls_itself, read_image_name
from tukit_sysext.rules.names import check_component
from tukit_sysext.sources.repository import described_beside
from tukit_sysext.store.digest import hash_of
from tukit_sysext.store.image_store import Condition
from tukit_sysext.store.record import Record
from tukit_sysext.system import label
from tukit_sysext.system.durable import make_directory
from tukit_sysext.system.inspect_image import Inspection, inspect_image
from tukit_sysext.system.label import policy_lookup
from tukit_sysext.system.look_through import look_through_or_say
from tukit_sysext.system.system_release import machine_architecture

SOURCE = "adopted"
"""The source that the record of an imported image names."""

UNKNOWN_VERSION = "0"
"""The version of an image that says none: every published one is newer."""


class Importer:
    """Imports images into the store of a machine.

    ``keep_free`` is what stays free of the store's file system, ``stem`` the name of the entry without .raw. Raises
    TukitSysextError where an image is not good enough, OSError.
    """

    def __init__(self, machine: Machine, keep_free: Share) -> None:
        self._layout = machine.layout
        self._store = machine.store()
        self._keep_free = keep_free

    def of_store(self, file_name: str, stem: str) -> Record:
        """Record a file that is in the store already."""
        stored = self._store.look(file_name)
        if stored.condition is Condition.UNRECORDED:
            with self._store.opened(file_name) as descriptor:
                inspection = inspect_image(descriptor, preferred=stem, scratch=self._layout.cache)
                named = name_and_version(file_name, inspection)
                record = _record(descriptor, file_name, named, inspection)
                record = self._looked_through(record, descriptor, self._layout.store / file_name)
                self._store.take_over(record, descriptor)
        elif stored.condition is not Condition.WHOLE:
            raise StoreError(f"{STORE}/{file_name}: {stored.condition}: {stored.reason}")
        return self._recorded(file_name)

    def of_directory(self, folder: Path, called: str, stem: str) -> tuple[Record, str]:
        """Pack a directory, and copy that. ``called`` as for :meth:`of_file`; with what is to be known of it."""
        with self._packed(folder) as (image, note):
            return self.of_file(image, called, stem), note

    def of_file(self, path: Path, called: str, stem: str) -> Record:
        """Copy an image file into the store; ``called`` is the file name that may tell its name and version."""
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as error:
            raise ImageBroken(f"{path}: cannot be read: {error.strerror}") from error
        try:
            inspection = inspect_image(descriptor, preferred=stem, scratch=self._layout.cache)
            name, version = name_and_version(called, inspection)
            file_name = check_component(f"{name}-{version}.{machine_architecture()}.raw")
            record = _record(descriptor, file_name, (name, version), inspection, url=path.as_uri())
            there = self._store.look(file_name).record
            if there is not None and there.sha256 != record.sha256:
                raise StoreError(
                    f"{path}: {name} {version} is in the store already, with other content",
                    next_step=f"give it a version of its own by its name, {name}-VERSION.{machine_architecture()}.raw",
                )
            with self._store.receive(
                sha256=record.sha256, limit=record.size, where=str(path), keep_free=self._keep_free
            ) as incoming:
                incoming.copy(descriptor, record.size)
                record = self._looked_through(record, incoming.descriptor, path)
                self._store.publish(incoming, record, replaceable=lambda _: False)
        finally:
            os.close(descriptor)
        return self._recorded(file_name)

    def _looked_through(self, record: Record, descriptor: int, image: Path) -> Record:
        contents = look_through_or_say(descriptor, called=record.file_name, scratch=self._layout.cache)
        return replace(record, contents=completed(contents, described_beside(image).contents))

    def _recorded(self, file_name: str) -> Record:
        stored = self._store.look(file_name)
        if stored.record is None:
            raise StoreError(f"{file_name}: {stored.condition}: {stored.reason}")
        return stored.record

    @contextmanager
    def _packed(self, folder: Path) -> Iterator[tuple[Path, str]]:
        """An image of a directory, and what is to be known of it."""
        make_directory(self._layout.state)
        image = self._layout.state / f".adopt-{os.getpid()}.raw"
        try:
            lookup = policy_lookup()
            note = pack(folder, image, lookup)
            if lookup is None and label.ON.exists():
                note = "its files do not have the SELinux labels of /usr, which only python3-selinux tells"
            yield image, note
        finally:
            image.unlink(missing_ok=True)


def name_and_version(called: str, inspection: Inspection) -> tuple[str, str]:
    """The name and version of an image: as its file name says where its content agrees, else as that does."""
    merge_name = inspection.merge_name
    parsed = read_image_name(called, [merge_name])
    if parsed is not None and calls_itself(merge_name, name=parsed.name, version=parsed.version, file_name=called):
        return parsed.name, parsed.version
    # VERSION_ID is that of the system that the image is for
    version = inspection.release.get("SYSEXT_VERSION_ID") or UNKNOWN_VERSION
    return check_component(merge_name), version


def _record(
    descriptor: int, file_name: str, named: tuple[str, str], inspection: Inspection, *, url: str = ""
) -> Record:
    name, version = named
    return Record(
        file_name=file_name,
        name=name,
        version=version,
        sha256=hash_of(descriptor),
        size=os.fstat(descriptor).st_size,
        source=SOURCE,
        url=url,
        signer=None,
        time=time_text(),
        merge_name=inspection.merge_name,
        release=dict(inspection.release),
    )
