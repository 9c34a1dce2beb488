# SPDX-License-Identifier: LGPL-2.1-or-later
"""The image store: flat, shared by all snapshots, a name never changes its content.

An image is hashed while it is written to a file without a name, or with one that no reader takes for an image's; with
such a one it is synced, then recorded, and only then it is given its own: what stands under that is whole (invariant 2
of the collection).
"""

from __future__ import annotations

import errno
import logging
import os
import stat
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import partial
from typing import TYPE_CHECKING

from tukit_sysext.errors import StoreError
from tukit_sysext.layout import Layout
from tukit_sysext.quantities import Share, counted
from tukit_sysext.rules.names import NameRefused, check_component, published_name, shown_version
from tukit_sysext.store.digest import ROT, hash_of
from tukit_sysext.store.record import Identity, Record, Records, RecordUnreadable, seconds_of
from tukit_sysext.system.disk_space import not_written
from tukit_sysext.system.durable import make_directory
from tukit_sysext.system.lock import alone, former_lock
from tukit_sysext.system.syscalls import rename_new

if TYPE_CHECKING:
    from tukit_sysext.rules.image_names import ImageName
    from tukit_sysext.store.incoming import Incoming
    from tukit_sysext.store.seed import Seed

log = logging.getLogger(__name__)

_MOST_SEEDS = 4
"""Other versions of an image that are looked at for what they have in common with a new one."""


class Condition(StrEnum):
    """What an image is worth: as a file of the store, and as an entry of /etc/extensions that leads to it."""

    WHOLE = "whole"
    DAMAGED = "damaged"
    UNRECORDED = "of unknown origin"
    MISSING = "missing"
    # of a file of the store alone
    IRREGULAR = "not usable"
    UNREADABLE = "not readable"
    # of an entry alone
    BROKEN = "broken"
    WRONGLY_NAMED = "wrongly named"
    DOES_NOT_FIT = "does not fit"
    UNKNOWN = "not known"


@dataclass(frozen=True, kw_only=True, slots=True)
class ImageFile:
    """A file of the store, with its record where that was read, and could be.

    The record says which image it is; without one the name of the file is a hint.
    """

    file_name: str
    record: Record | None = None

    @property
    def name(self) -> str | None:
        """Name of the image; None where nothing tells."""
        hint = self._hint
        return hint.name if hint is not None else None

    @property
    def version(self) -> str:
        """Version of the image (UAPI.10); "?" where nothing tells."""
        hint = self._hint
        return hint.version if hint is not None else "?"

    @property
    def _hint(self) -> Record | ImageName | None:
        if self.record is not None:
            return self.record
        from tukit_sysext.rules.image_names import read_image_name  # 2 ms, of which a boot needs none

        return read_image_name(published_name(self.file_name))

    @property
    def shown(self) -> str:
        """The version for people, two contents of it told apart."""
        return shown_version(self.version, self.file_name)


@dataclass(frozen=True, kw_only=True, slots=True)
class Stored(ImageFile):
    """A file that was looked at; ``reason`` says why it is not whole."""

    condition: Condition
    reason: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class StoreFile(ImageFile):
    """A file as the inventory has it, temporary names too.

    ``size`` in bytes, ``born`` when it came here (seconds since the epoch; without a record by its time of change
    alone), ``irregular`` why it is no file of ours (empty: it is one), ``missing`` for a record whose file is gone.
    """

    size: int
    born: int
    irregular: str = ""
    missing: bool = False


class Store:
    """The store of a machine."""

    def __init__(self, layout: Layout, *, writable: bool = True) -> None:
        self._folder = layout.store
        self._publish_lock = layout.locks / "publish"
        self.records = Records(layout.records)
        self._writable = writable
        self._incoming: list[Incoming] = []

    def names(self) -> list[str]:
        """Names of the images in the store, sorted; what is no name of an image is left out."""
        try:
            entries = os.listdir(self._folder)
        except (FileNotFoundError, NotADirectoryError):
            return []
        except OSError as error:
            raise StoreError(f"{self._folder}: cannot be read: {error.strerror}") from error
        return sorted(name for name in entries if not name.startswith("."))

    def inventory(self) -> Sequence[StoreFile]:
        """Everything in the store with its record, and records whose file is gone, by name. Raises OSError."""
        return [self.recorded(file) for file in self.files()]

    def files(self) -> Sequence[StoreFile]:
        """The same by names alone: of a file that is there the record is not read. Raises OSError.

        Who decides on a file, or asks which version it is, has recorded() read it first.
        """
        with os.scandir(self._folder) as entries:
            files = {entry.name: _store_file(entry.name, entry.stat(follow_symlinks=False)) for entry in entries}
        for name in self.records.names():
            if name not in files and (record := self._record(name)) is not None:
                files[name] = StoreFile(
                    file_name=name, size=0, born=seconds_of(record.time) or 0, record=record, missing=True
                )
        return [files[name] for name in sorted(files)]

    def recorded(self, file: StoreFile) -> StoreFile:
        """A file with its record, which is without the contents of the image: it must not be written back."""
        record = file.record or self._record(file.file_name)
        if record is None:
            return file
        return replace(file, record=record, born=max(seconds_of(record.time) or 0, file.born))

    def _record(self, name: str) -> Record | None:
        try:
            return self.records.read(name, contents=False)
        except (RecordUnreadable, NameRefused):
            return None

    def remove(self, file_name: str) -> None:
        """Take a file that nothing needs out of the store, then its record.

        A file without record would be of unknown origin, and stay. Raises OSError, StoreError where something else than
        a regular file stands there.
        """
        directory = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            with suppress(FileNotFoundError):
                if not stat.S_ISREG(os.stat(file_name, dir_fd=directory, follow_symlinks=False).st_mode):
                    raise StoreError(f"{self._folder}/{file_name}: expected a regular file; it is left as it is")
                os.unlink(file_name, dir_fd=directory)
                os.fsync(directory)
        finally:
            os.close(directory)
        with suppress(NameRefused):  # a temporary name has none
            self.records.remove(file_name)

    def look(self, file_name: str) -> Stored:
        """The cheap check: regular file, size, inode and change time as recorded; where they differ, the full hash."""
        try:
            check_component(file_name)
        except NameRefused as error:
            return Stored(file_name=file_name, condition=Condition.IRREGULAR, reason=str(error))
        try:
            record = self.records.read(file_name)
        except RecordUnreadable as error:
            log.warning("%s", error)
            record = None
        path = self._folder / file_name
        try:
            status = os.lstat(path)
        except FileNotFoundError:
            return Stored(file_name=file_name, condition=Condition.MISSING, reason="not in the store", record=record)
        except OSError as error:
            return Stored(file_name=file_name, condition=_unread(error), reason=str(error.strerror), record=record)
        irregular = _irregular(status)
        if irregular:
            return Stored(file_name=file_name, condition=Condition.IRREGULAR, reason=irregular, record=record)
        if record is None:
            reason = "there is no record of it"
            return Stored(file_name=file_name, condition=Condition.UNRECORDED, reason=reason)
        if record.identity == Identity.of(status):
            return Stored(file_name=file_name, condition=Condition.WHOLE, record=record)
        return self._hash_again(record)

    def _hash_again(self, record: Record) -> Stored:
        name = record.file_name
        try:
            with self.opened(name) as descriptor:
                sha256 = hash_of(descriptor)
                status = os.fstat(descriptor)
        except OSError as error:
            return Stored(file_name=name, condition=_unread(error), reason=str(error.strerror), record=record)
        if sha256 != record.sha256:
            reason = f"its SHA-256 is {sha256[:16]}..., recorded is {record.sha256[:16]}..."
            return Stored(file_name=name, condition=Condition.DAMAGED, reason=reason, record=record)
        if self._writable:
            try:
                self.records.write(record.sealed(status))
            except OSError as error:
                # the next run hashes again: slower, not wrong
                log.info("record of %s: cannot be written: %s", name, error.strerror)
        return Stored(file_name=name, condition=Condition.WHOLE, record=record.sealed(status))

    @contextmanager
    def opened(self, file_name: str) -> Iterator[int]:
        """A read-only descriptor of an image, not following a link. Raises OSError."""
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        descriptor = os.open(self._folder / check_component(file_name), flags)
        try:
            yield descriptor
        finally:
            os.close(descriptor)

    def seeds(self, name: str, sha256: str = "") -> Sequence[Seed]:
        """The newest images of this name, of which a version may be made in part.

        First of all the very one that is listed with this hash. It is here to be repaired, whatever stat(2) says of it.
        """
        from tukit_sysext.store.seed import Seed

        records = [self._record(file) for file in self.records.names() if file.startswith(name)]
        versions = [record for record in records if record is not None and record.name == name]
        versions.sort(key=lambda record: (record.listed_sha256 == sha256, record.time), reverse=True)
        seeds = [
            Seed(
                sha256=record.listed_sha256,
                index=self.records.read_index(record.file_name),
                opened=partial(self.opened, record.file_name),
                whole=record.listed_sha256 != sha256 and self._is_as_recorded(record),
            )
            for record in versions
            if record.packed is None
        ]
        return [seed for seed in seeds if seed.whole or seed.index is not None][:_MOST_SEEDS]

    def _is_as_recorded(self, record: Record) -> bool:
        try:
            return record.identity == Identity.of(os.lstat(self._folder / record.file_name))
        except OSError:
            return False

    @contextmanager
    def receive(
        self, *, sha256: str, limit: int, where: str, keep_free: Share, name: str | None = None
    ) -> Iterator[Incoming]:
        """A file without a name in the store, to be written to; it is gone if it is not published.

        ``sha256`` is what its content must have (empty: any), ``limit`` the most bytes that are taken, ``where`` names
        it in errors, ``keep_free`` is what stays free of the file system ([Store] KeepFree=), ``name`` which image it
        is (None: nothing is taken of other versions).
        Raises StoreError where the store cannot be written to.
        """
        from tukit_sysext.store.incoming import Incoming
        from tukit_sysext.store.partial import Partial

        try:
            make_directory(self._folder)
            kept = Partial(self._folder, sha256, limit=limit)
            seeds = partial(self.seeds, name, sha256) if name is not None else tuple
            incoming = Incoming(kept, self._incoming, where=where, keep_free=keep_free, seeds=seeds)
        except OSError as error:
            raise not_written(self._folder, "cannot be written to", error) from error
        self._incoming.append(incoming)
        try:
            yield incoming
        finally:
            self._incoming.remove(incoming)
            incoming.close()

    def publish(self, incoming: Incoming, record: Record, *, replaceable: Callable[[str], bool]) -> Record:
        """Give an image that is finished its name: record first, then the name.

        A name never changes its content: only content that does not match its record is replaced by content that does,
        and content of unknown origin only where ``replaceable`` says of the name that it is good for nothing. Returns
        the record with the file's identity. Raises StoreError, and Busy where another process is at it for too long.
        """
        name = check_component(record.file_name)
        sealed = False
        try:
            # no other transaction looks at a name and then gives it away meanwhile
            with alone(self._publish_lock), former_lock(self._folder):
                while True:
                    there = self.look(name)
                    if there.condition is Condition.WHOLE and there.record and there.record.sha256 == record.sha256:
                        return there.record
                    if there.condition is Condition.UNRECORDED and self._has_content(record):
                        with self.opened(name) as descriptor:
                            os.fsync(descriptor)  # whoever wrote it may not have
                            return self._record_as_it_is(record, descriptor)
                    # also of a file that is gone: other snapshots have links to what is recorded under its name
                    if there.condition is not Condition.MISSING or there.record is not None:
                        self._may_replace(there, record, replaceable)
                    if not sealed:
                        seal(incoming.descriptor, record)
                        sealed = True
                    if incoming.index is not None:
                        with suppress(OSError):  # without it the next version comes whole
                            self.records.write_index(name, incoming.index)
                    self.records.write(record)
                    try:
                        self._name(incoming, name, replace=there.condition is not Condition.MISSING)
                    except FileExistsError:
                        # another tool was quicker: what it put there is not what our record says
                        if self.records.read(name) == record:
                            self.records.remove(name)
                        continue
                    return self._identify(record, incoming.descriptor)
        except OSError as error:
            raise not_written(self._folder / name, "cannot be published", error) from error

    def take_over(self, record: Record, descriptor: int) -> Record:
        """Record a file of unknown origin in the store; its content was read through ``descriptor``.

        Raises StoreError, Busy.
        """
        try:
            os.fsync(descriptor)  # whoever wrote it may not have
            with alone(self._publish_lock), former_lock(self._folder):
                return self._record_as_it_is(record, descriptor)
        except OSError as error:
            raise not_written(self._folder / record.file_name, "cannot be recorded", error) from error

    def _record_as_it_is(self, record: Record, descriptor: int) -> Record:
        """Make a file that stands under its name already ours."""
        seal(descriptor, record)
        self.records.write(record)
        return self._identify(record, descriptor)

    def _has_content(self, record: Record) -> bool:
        with self.opened(record.file_name) as descriptor:
            return hash_of(descriptor) == record.sha256

    def _identify(self, record: Record, descriptor: int) -> Record:
        """Record the identity of the file whose hash is known, and which stands under the record's name.

        Raises StoreError where another file stands there by now (threat L2), OSError.
        """
        status = os.fstat(descriptor)
        there = os.lstat(self._folder / record.file_name)
        if (there.st_dev, there.st_ino) != (status.st_dev, status.st_ino):
            raise StoreError(f"{self._folder}/{record.file_name}: replaced by another process meanwhile")
        sealed = record.sealed(status)
        self.records.write(sealed)
        return sealed

    def _name(self, incoming: Incoming, name: str, *, replace: bool) -> None:
        directory = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            synced = incoming.name
            if synced is None:
                raise FileNotFoundError(errno.ENOENT, "its temporary name is gone")
            if replace:
                os.rename(synced, name, src_dir_fd=directory, dst_dir_fd=directory)
            else:
                rename_new(directory, synced, directory, name)  # at no time it has two names (threat L1)
            os.fsync(directory)
        finally:
            os.close(directory)

    def _may_replace(self, there: Stored, record: Record, replaceable: Callable[[str], bool]) -> None:
        """Raise StoreError unless what stands under the name may give way to the content of ``record``."""
        path = f"{self._folder}/{there.file_name}"
        recorded = there.record.sha256 if there.record is not None else None
        if there.condition in (Condition.IRREGULAR, Condition.UNREADABLE):
            raise StoreError(f"{path}: {there.reason}, and in the way", next_step=f"move {path} away")
        if recorded is not None and recorded != record.sha256:
            raise StoreError(
                f"{path}: the source now has other content under this name: its SHA-256 is {record.sha256[:16]}..., "
                f"recorded is {recorded[:16]}...; a published name never changes its content",
                next_step="ask the publisher for a new version",
            )
        if recorded is None and not replaceable(there.file_name):
            raise StoreError(
                f"{path}: an image of unknown origin with other content than the source has is in the way",
                next_step=f"move {path} away, or take it over:\ntukit-sysext adopt",
            )


def _unread(error: OSError) -> Condition:
    """What a file is worth that could not be read: rotten blocks are damage, else not known."""
    return Condition.DAMAGED if error.errno in ROT else Condition.UNREADABLE


def _store_file(name: str, status: os.stat_result) -> StoreFile:
    return StoreFile(
        file_name=name, size=status.st_blocks * 512, born=int(status.st_mtime), irregular=_irregular(status)
    )


def _irregular(status: os.stat_result) -> str:
    """Why a file is not used, whatever is in it; empty for a regular file of root with one name (threat L1)."""
    if stat.S_ISLNK(status.st_mode):
        return "a symbolic link"
    if not stat.S_ISREG(status.st_mode):
        return "not a regular file"
    if status.st_nlink != 1:
        return f"a file with {counted(status.st_nlink, 'name')} (hard links)"
    if status.st_uid not in (0, os.geteuid()):
        return f"owned by user {status.st_uid}, not by root"
    if status.st_mode & 0o022:
        return "writable for others than root"
    return ""


def seal(descriptor: int, record: Record) -> None:
    """Seal the content behind an open ``descriptor``, which becomes that of ``record``. Raises StoreError, OSError."""
