# SPDX-License-Identifier: LGPL-2.1-or-later
"""A source that is a local directory: a disk, a USB stick, a network file system."""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from tukit_sysext.config.settings import SourceSettings
from tukit_sysext.errors import ImageBroken, NotFound, SourceUnreachable, TukitSysextError
from tukit_sysext.formats import checksums, manifest
from tukit_sysext.net.network import NetworkSettings
from tukit_sysext.sources import repository
from tukit_sysext.sources.candidate import Candidate, Description, Standing
from tukit_sysext.sources.protocol import Sink
from tukit_sysext.sources.trust import Trust
from tukit_sysext.system.time_limit import NoAnswer, answered

Result = TypeVar("Result")

_CHUNK = 1024 * 1024


class DirectorySource:
    """One directory."""

    def __init__(self, settings: SourceSettings, folder: Path, trust: Trust, *, limits: NetworkSettings) -> None:
        self.name = settings.name
        self._settings = settings
        self._folder = folder
        self._trust = trust
        self._hashes: Mapping[str, str] = {}
        self._unread: Sequence[Candidate] = ()
        self._limits = limits
        self._away = ""
        self._left: float = limits.finding_out  # of its own time: another source that is slow takes none of it
        self._fetching = False

    def _ask(self, call: Callable[[], Result]) -> Result:
        """What the file system says; one that hangs (a dead server) is waited for once. Raises SourceUnreachable."""
        begun = time.monotonic()
        try:
            if self._away or self._left <= 0:
                raise NoAnswer(self._away or "the time is over")
            return answered(call, min(self._limits.silence, self._left))
        except NoAnswer as error:
            self._away = str(error)
            raise SourceUnreachable(f"{self._folder}: {error}") from error
        finally:
            self._left -= time.monotonic() - begun

    def candidates(self) -> Sequence[Candidate]:
        """See Source."""
        where = f"{self._folder}/{repository.LIST}"
        content = self._read(repository.LIST, limit=checksums.LIMIT)
        verified = self._trust.check(content, self._signature, where=where)
        checksum_list = checksums.parse(content, where=where)
        repository.check_freshness(checksum_list, where)
        self._trust.remember(verified)
        self._hashes = checksum_list.hashes
        signer = verified.fingerprint if verified is not None else None
        files = repository.candidates(
            checksum_list,
            self._settings,
            signer=signer,
            locations=lambda name: (str(self._folder / name),),
            size=self._size,
        )
        candidates, self._unread = repository.parted(files)
        return candidates

    def unread(self) -> Sequence[Candidate]:
        """See FileSource."""
        return self._unread

    def _signature(self) -> bytes | None:
        for name in repository.SIGNATURES:
            if self._ask(lambda path=self._folder / name: os.path.lexists(path)):  # type: ignore[misc]  # bound now
                return self._read(name, limit=repository.SIGNATURE_LIMIT)
        return None

    def _size(self, name: str) -> int | None:
        try:
            return self._ask(lambda: os.stat(self._folder / name).st_size)
        except OSError:
            return None  # listed but not there: fetching it fails, and says so

    def describe(self, candidates: Sequence[Candidate]) -> Mapping[str, Description]:
        """See Source."""
        return {candidate.sha256: self._describe(candidate) for candidate in candidates}

    def _describe(self, candidate: Candidate) -> Description:
        """What the first of its descriptions says that can be used."""
        names = repository.description_names(candidate.file_name)
        description = repository.NOT_DESCRIBED
        for name in dict.fromkeys((candidate.description,) if candidate.description else names):
            where = f"{self._folder}/{name}"
            try:
                if not self._ask((self._folder / name).is_file):
                    continue
                content = self._read(name, limit=manifest.LIMIT)
                repository.check_hash(self._hashes, name, content, where=where)
            except OSError as error:
                return Description(failure=Standing.UNREACHABLE, reason=f"{where}: {error.strerror}")
            except SourceUnreachable as error:
                return Description(failure=Standing.UNREACHABLE, reason=str(error))
            except ImageBroken as error:
                description = repository.undescribed(error)
                continue
            description = repository.known_from(content, image=candidate.file_name, where=where)
            if description.release is not None:
                return replace(description, vouched=name in self._hashes)
        return description

    def fetch(self, wanted: Sequence[tuple[Candidate, Sink]]) -> Mapping[str, TukitSysextError]:
        """See Source."""
        failures: dict[str, TukitSysextError] = {}
        if not self._fetching:  # of all images, however often some are asked for
            self._fetching, self._left = True, self._limits.image_deadline
        for candidate, sink in wanted:
            try:
                with self._opened(candidate.file_name) as (descriptor, size):
                    sink.expect(size)
                    for piece in self._pieces(candidate.file_name, descriptor):
                        sink.write(piece)
                sink.finish()
            except TukitSysextError as error:
                failures[candidate.sha256] = error
        return failures

    def _pieces(self, name: str, descriptor: int) -> Iterator[bytes]:
        try:
            while piece := self._ask(lambda: os.read(descriptor, _CHUNK)):
                yield piece
        except OSError as error:
            raise SourceUnreachable(f"{self._folder}/{name}: cannot be read: {error.strerror}") from error

    def _read(self, name: str, *, limit: int) -> bytes:
        content = b""
        with self._opened(name) as (descriptor, _):
            for piece in self._pieces(name, descriptor):
                content += piece
                if len(content) > limit:
                    raise ImageBroken(f"{self._folder}/{name}: larger than {limit} bytes")
        return content

    @contextmanager
    def _opened(self, name: str) -> Iterator[tuple[int, int]]:
        """A descriptor of a regular file, and its size in bytes."""
        with ExitStack() as stack:
            try:
                flags = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC
                descriptor = self._ask(lambda: os.open(self._folder / name, flags))
                stack.callback(os.close, descriptor)
                status = self._ask(lambda: os.fstat(descriptor))
            except OSError as error:
                # a folder that is not mounted says nothing of its files
                gone = isinstance(error, FileNotFoundError) and self._ask(self._folder.is_dir)
                kind = NotFound if gone else SourceUnreachable
                raise kind(f"{self._folder}/{name}: {error.strerror}") from error
            if not stat.S_ISREG(status.st_mode):
                raise ImageBroken(f"{self._folder}/{name}: expected a regular file")
            yield descriptor, status.st_size
