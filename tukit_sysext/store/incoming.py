# SPDX-License-Identifier: LGPL-2.1-or-later
"""An image on its way into the store."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from tukit_sysext.errors import ImageBroken, NoSpace, SourceUnreachable, StoreError, TukitSysextError
from tukit_sysext.quantities import Share
from tukit_sysext.store.digest import CHUNK, ROT, Digest
from tukit_sysext.store.partial import LEAST, Partial, give_name, is_name_of
from tukit_sysext.system.cloning import CANNOT_CLONE, clone_range
from tukit_sysext.system.disk_space import not_written, remedy_when_full
from tukit_sysext.system.durable import TEMPORARY_PREFIX
from tukit_sysext.system.label import labelled

if TYPE_CHECKING:
    from tukit_sysext.store.seed import Seed

log = logging.getLogger(__name__)

BLOCK = 4096
"""Bytes by which files have something in common on a disk."""
_WORTH_SHARING = 4 * BLOCK


class TooLarge(ImageBroken):
    """More bytes came than are taken ([Fetch] ImageMax=)."""


class Incoming:
    """An image on its way into the store: hashed while it is written to the very file that is published (threat L2)."""

    def __init__(
        self,
        partial: Partial,
        others: list[Incoming],
        *,
        where: str,
        keep_free: Share,
        seeds: Callable[[], Sequence[Seed]] = tuple,
    ) -> None:
        """Open a file without a name in the store's folder; ``others`` come at the same time. Raises OSError."""
        folder = partial.folder
        self.descriptor = _without_name(folder)
        self._whole: Path | None = None
        self.size = 0
        self._partial = partial
        self._resumable = self._worth_keeping = False
        self._others = others
        self._keep_free = keep_free
        # what is written shows late in what the file system says is free: it is counted, from where the first began
        self._free_before: int = others[0]._free_before if others else _free(os.statvfs(folder))
        self._folder = folder
        self.sha256 = partial.sha256
        self._limit = partial.limit
        self._where = where
        self._digest = Digest()
        self._pending = bytearray()
        self._seeds = seeds
        self._can_share = True
        self._shared = 0
        self.reused = 0
        """Bytes of it that were taken of seeds."""
        self.fetched = 0
        """Bytes that came in all, also those that were of no use."""
        self.index: bytes | None = None

    def seeds(self) -> Sequence[Seed]:
        """See Sink."""
        return self._seeds()

    def keep_index(self, content: bytes) -> None:
        """See Sink."""
        self.index = content

    def expect(self, size: int) -> None:
        """Somebody claims that so many bytes will come, which may be a lie: it can end a fetch early, and no more.

        Raises SourceUnreachable where no such image can come from there, and NoSpace where there is no room for any.
        """
        if size > self._limit:
            raise SourceUnreachable(f"{self._where}: {size} bytes are announced, more than the limit of {self._limit}")
        disk = self._disk()
        if size > disk.f_blocks * disk.f_frsize:
            raise SourceUnreachable(f"{self._where}: {size} bytes are announced, more than the file system can have")
        self._check_room(0)

    def reserve(self, size: int) -> None:
        """See Sink. Raises NoSpace."""
        self._check_room(size)

    def _disk(self) -> os.statvfs_result:
        try:
            return os.statvfs(self._folder)
        except OSError as error:
            raise StoreError(f"{self._folder}: {error.strerror}") from error

    def _check_room(self, size: int) -> None:
        """Raise NoSpace where so many bytes more would take what has to stay free (KeepFree=)."""
        disk = self._disk()
        keep = self._keep_free.of(disk.f_blocks * disk.f_frsize)
        coming = sum(other.size - other._shared for other in self._others) - len(self._pending)
        free = min(_free(disk), self._free_before - coming)
        if free - size <= keep:
            raise NoSpace(
                f"{self._folder}: {self.size} bytes of {self._where} came, {max(0, free)} are free, "
                f"and KeepFree= keeps {keep} of them",
                next_step=remedy_when_full(self._folder),
            )

    def write(self, data: bytes) -> None:
        """Take the next bytes. Raises StoreError, ImageBroken where they are too many."""
        self.fetched += len(data)
        self._take(data)

    def _take(self, data: bytes) -> None:
        self.size += len(data)
        if self.size > self._limit:
            self._worth_keeping = False
            raise TooLarge(f"{self._where}: larger than the limit of {self._limit} bytes")
        # libcurl hands out small pieces: a system call and a hash for each would cost more than copying them once
        self._pending += data
        if len(self._pending) >= CHUNK:
            self._flush()

    def reuse(self, data: bytes, descriptor: int, offset: int) -> None:
        """Take the next bytes, which were read at an offset of another file. Raises as :meth:`write`.

        Blocks that stand alike in both files are shared, where the file system can do that, and hashed as they are then
        in this one.
        """
        self.reused += len(data)
        before = -self.size % BLOCK
        blocks = (len(data) - before) // BLOCK * BLOCK
        if not self._can_share or (self.size - offset) % BLOCK or blocks < _WORTH_SHARING:
            self._take(data)
            return
        self._take(data[:before])
        self._flush()
        if self.size + blocks <= self._limit and self._share(descriptor, offset + before, blocks):
            self._take(data[before + blocks :])
        else:
            self._take(data[before:])

    def _share(self, descriptor: int, offset: int, size: int) -> bool:
        """Have the next blocks in common with another file; whether that is done."""
        try:
            clone_range(descriptor, offset, size, self.descriptor, self.size)
            data = os.pread(self.descriptor, size, self.size)
            os.lseek(self.descriptor, size, os.SEEK_CUR)
        except OSError as error:
            if error.errno not in (*CANNOT_CLONE, *ROT):
                raise not_written(self._folder, "cannot be written to", error) from error
            self._can_share = False
            os.ftruncate(self.descriptor, self.size)  # rotten blocks are not kept: the bytes are written
            return False
        self._digest.update(data)
        self.size += size
        self._shared += size
        return True

    def _flush(self) -> None:
        data = self._pending
        try:
            self._check_room(len(data))
        except StoreError:
            self._worth_keeping = False
            raise
        self._pending = bytearray()  # the other is hashed in its time, and not copied for that
        self._digest.update(data)
        try:
            view = memoryview(data)
            while view:
                view = view[os.write(self.descriptor, view) :]
        except OSError as error:
            raise not_written(self._folder, "cannot be written to", error) from error
        if self._worth_keeping and self.name is None:
            with suppress(OSError):  # where this process is killed, it comes again from its beginning then
                self._partial.keep(self.descriptor)

    @property
    def name(self) -> str | None:
        """The name in the store's folder that it has until it is published; None where it has none yet."""
        for path in (self._partial.path, self._whole):
            if path is not None and is_name_of(path, self.descriptor):
                return path.name
        return None

    def resume(self) -> int:
        """Begin with what came of this image in an earlier run; how many bytes that is.

        Who calls it goes on behind them, and what came is kept once more where the image is not whole in the end.
        """
        self._resumable = self._worth_keeping = True
        kept = self._partial.open()
        if kept is None:
            return 0
        try:
            with open(kept, "rb") as file:
                while piece := file.read(CHUNK):
                    self._take(piece)
            self._flush()
        except (OSError, TukitSysextError) as error:
            log.info("%s: what came before is of no use: %s", self._where, error)
            with suppress(OSError):
                self._partial.drop(self.descriptor)
            self.restart()
        return self.size

    def restart(self) -> None:
        """Forget everything that was written; what can be of use later is kept. Raises StoreError."""
        try:
            self._leave()
            fresh = _without_name(self._folder)
            os.dup2(fresh, self.descriptor, inheritable=False)
            os.close(fresh)
        except OSError as error:
            raise not_written(self._folder, "cannot be written to", error) from error
        self.size = self._shared = self.reused = 0
        self._worth_keeping = self._resumable
        self._pending.clear()
        self._digest.close()
        self._digest = Digest()

    def _leave(self) -> None:
        """Keep what came, or take the name away that it has: a file without one is gone with its descriptor."""
        with suppress(OSError, StoreError):  # it comes again from its beginning then
            if self._worth_keeping and self.size >= LEAST:
                self._flush()
                self._partial.thin_out()
            elif self.name is not None:
                (self._folder / self.name).unlink()

    def close(self) -> None:
        """Give up what was not published."""
        self._leave()
        self._digest.close()
        os.close(self.descriptor)

    def copy(self, descriptor: int, size: int) -> None:
        """Take the whole of an open file of so many bytes, and finish. Raises StoreError, ImageBroken, OSError."""
        self._check_room(size)  # the file is here: nobody only claims it
        position = 0
        while piece := os.pread(descriptor, CHUNK, position):
            self.write(piece)
            position += len(piece)
        self.finish()

    def finish(self) -> None:
        """Everything was written: sync it, under a name that no reader takes for an image's.

        What fsync(2) makes of a file without a name need not last: btrfs of Linux 6.12 passes over it, and after a
        power cut the file that got a name behind it has 0 bytes. Raises ImageBroken where the content is another one
        than was expected, StoreError. From then on ``sha256`` is known, whatever was expected.
        """
        self._flush()
        sha256 = self._digest.hexdigest()
        self._worth_keeping = False
        self.sha256 = self.sha256 or sha256
        if sha256 != self.sha256 or self.name is None:
            with suppress(OSError):
                self._partial.drop(self.descriptor)
        if sha256 != self.sha256:
            contents = f"expected SHA-256 {self.sha256[:16]}..., found {sha256[:16]}... in {self.size} bytes"
            raise ImageBroken(f"{self._where}: {contents}")
        try:
            os.fchmod(self.descriptor, 0o644)
            if self.name is None:
                self._whole = self._folder / f"{TEMPORARY_PREFIX}whole.{os.fstat(self.descriptor).st_ino}"
                self._whole.unlink(missing_ok=True)  # no other file has this number: it came from another disk
                give_name(self.descriptor, self._whole)
            os.fsync(self.descriptor)
        except OSError as error:
            raise not_written(self._folder, "cannot be written to", error) from error


def _without_name(folder: Path) -> int:
    with labelled(folder / "image.raw"):  # it has no name yet
        return os.open(folder, os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, 0o600)


def _free(disk: os.statvfs_result) -> int:
    return disk.f_bavail * disk.f_frsize
