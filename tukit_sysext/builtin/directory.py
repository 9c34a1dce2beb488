# SPDX-License-Identifier: LGPL-2.1-or-later
"""A source that is a local directory with images, their descriptions and SHA256SUMS."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from tukit_sysext.config.settings import SourceSettings
from tukit_sysext.errors import ImageBroken, SourceUnreachable
from tukit_sysext.formats import checksums, manifest
from tukit_sysext.job.facts import Candidate, Known, Standing
from tukit_sysext.rules.names import parse_image_name
from tukit_sysext.rules.release import ReleaseData
from tukit_sysext.state.store import CHUNK

LIST = "SHA256SUMS"
_DESCRIPTIONS = (".manifest.gz", ".manifest")
_SYSEXTMGR = ".json"


class DirectorySource:
    """One directory. The list is the authority over names and hashes; a description only guides the search."""

    def __init__(self, settings: SourceSettings, folder: Path) -> None:
        self.name = settings.name
        self._priority = settings.priority
        self._folder = folder
        self._hashes: Mapping[str, str] = {}

    def candidates(self) -> Sequence[Candidate]:
        """See Source."""
        where = f"{self._folder}/{LIST}"
        listed = checksums.parse(self._read(LIST, limit=checksums.LIMIT), where=where)
        today = datetime.now(UTC).date()
        if listed.best_before is not None and today > listed.best_before:
            raise ImageBroken(f"{where}: stale since {listed.best_before}", hint="ask the publisher for a new list")
        self._hashes = listed.hashes
        return [candidate for name in sorted(listed.hashes) if (candidate := self._candidate(name)) is not None]

    def _candidate(self, file_name: str) -> Candidate | None:
        hint = parse_image_name(file_name)
        if hint is None:
            return None
        path = self._folder / file_name
        try:
            size = path.stat().st_size
        except OSError:
            size = None  # listed but not there: it is told when it is fetched
        return Candidate(
            name=hint.name,
            version=hint.version,
            architecture=hint.architecture,
            file_name=file_name,
            sha256=self._hashes[file_name],
            size=size,
            source=self.name,
            priority=self._priority,
            description=self._description(file_name),
            locations=(str(path),),
        )

    def _description(self, file_name: str) -> str | None:
        stem = file_name.removesuffix(".raw")
        names = [stem + suffix for suffix in _DESCRIPTIONS] + [file_name + _SYSEXTMGR]
        return next((name for name in names if name in self._hashes or (self._folder / name).is_file()), None)

    def describe(self, candidates: Sequence[Candidate]) -> Mapping[str, Known]:
        """See Source."""
        return {candidate.sha256: self._describe(candidate) for candidate in candidates}

    def _describe(self, candidate: Candidate) -> Known:
        name = candidate.description
        if name is None:
            return Known(reason="it has no description, its content decides")
        where = f"{self._folder}/{name}"
        try:
            content = self._read(name, limit=manifest.LIMIT)
            self._check_hash(name, content)
            if name.endswith(".gz"):
                content = manifest.decompress(content, where=where)
            keys = manifest.parse(content, image=candidate.file_name, where=where)
        except SourceUnreachable as error:
            return Known(failure=Standing.UNREACHABLE, reason=str(error))
        except ImageBroken as error:
            return Known(failure=Standing.BROKEN, reason=str(error))
        return Known(release=ReleaseData(keys))

    def _check_hash(self, name: str, content: bytes) -> None:
        import hashlib

        listed = self._hashes.get(name)
        found = hashlib.sha256(content).hexdigest()
        if listed is not None and listed != found:
            raise ImageBroken(f"{self._folder}/{name}: expected SHA-256 {listed[:16]}..., found {found[:16]}...")

    @contextmanager
    def open(self, candidate: Candidate) -> Iterator[Iterator[bytes]]:
        """See Source."""
        with self._opened(candidate.file_name) as descriptor:
            yield self._pieces(candidate.file_name, descriptor)

    def _pieces(self, name: str, descriptor: int) -> Iterator[bytes]:
        try:
            while piece := os.read(descriptor, CHUNK):
                yield piece
        except OSError as error:
            raise SourceUnreachable(f"{self._folder}/{name}: cannot be read: {error.strerror}") from error

    def _read(self, name: str, *, limit: int) -> bytes:
        content = b""
        with self._opened(name) as descriptor:
            for piece in self._pieces(name, descriptor):
                content += piece
                if len(content) > limit:
                    raise ImageBroken(f"{self._folder}/{name}: larger than {limit} bytes")
        return content

    @contextmanager
    def _opened(self, name: str) -> Iterator[int]:
        try:
            descriptor = os.open(self._folder / name, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as error:
            raise SourceUnreachable(f"{self._folder}/{name}: {error.strerror}") from error
        try:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise ImageBroken(f"{self._folder}/{name}: expected a regular file")
            yield descriptor
        finally:
            os.close(descriptor)
