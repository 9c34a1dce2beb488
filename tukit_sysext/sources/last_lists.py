# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the lists of sources had when they were fetched last; that of a directory is read now. No server is asked.

Nothing here is verified: it is for people and monitoring, and no job decides by it.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from tukit_sysext.config.settings import Configuration, SourceSettings
from tukit_sysext.errors import SourceUnreachable, TukitSysextError
from tukit_sysext.formats import checksums
from tukit_sysext.formats.checksums import Checksums
from tukit_sysext.machine import Machine
from tukit_sysext.quantities import counted
from tukit_sysext.sources import repository
from tukit_sysext.sources.cache import LISTS, Cache
from tukit_sysext.sources.candidate import Candidate, Description, Standing
from tukit_sysext.sources.described import Described
from tukit_sysext.sources.directory import DirectorySource
from tukit_sysext.sources.naming import Naming, NotUnderstood
from tukit_sysext.sources.protocol import Sink, Source
from tukit_sysext.sources.seen import Seen
from tukit_sysext.sources.trust import Trust
from tukit_sysext.system.small_file import read_small

_DIRECTORY_SECONDS = 5
"""For how long a directory that hangs is waited for."""
_MANY = 5
"""How many files of a source are named that are no images for the same reason."""


def last_list(machine: Machine, source: SourceSettings) -> Checksums | None:
    """The list of a source; None where there is none that can be read."""
    cache = Cache(machine.layout.cache, writable=False)
    try:
        if source.path is not None:
            content: bytes | None = read_small(os.path.join(source.path, repository.LIST), limit=checksums.LIMIT)
        else:
            content = cache.content(str((cache.note(LISTS, source.name) or {}).get("list")))
        return checksums.parse(content, where=source.name) if content is not None else None
    except (OSError, TukitSysextError):
        return None


def remembered_sources(machine: Machine, configuration: Configuration) -> Sequence[Source]:
    """The sources of a configuration as they are remembered. Of those that plugins bring nothing is known."""
    cache, seen = Cache(machine.layout.cache, writable=False), Seen.of(replace(machine, read_only=True))
    limits = replace(configuration.settings.network, finding_out=_DIRECTORY_SECONDS)
    return [
        _LastAnswer(machine, settings, cache)
        if settings.path is None
        else DirectorySource(
            replace(settings, verify=False),
            Path(settings.path),
            Trust(replace(settings, verify=False), cache, seen=seen),
            limits=limits,
        )
        for settings in configuration.sources.values()
        if settings.path is not None or settings.urls
    ]


class _LastAnswer:
    """A source on servers as it answered last; what it was not asked then is as if it was out of reach."""

    def __init__(self, machine: Machine, settings: SourceSettings, cache: Cache) -> None:
        self.name = settings.name
        self._machine = machine
        self._settings = settings
        self._described = Described(cache, self.name)
        self._hashes: Mapping[str, str] = {}
        self._unread: Sequence[Candidate] = ()

    def candidates(self) -> Sequence[Candidate]:
        """See Source."""
        listed = last_list(self._machine, self._settings)
        if listed is None:
            raise SourceUnreachable("no list of it is remembered")
        repository.check_freshness(listed, self.name)
        self._hashes = listed.hashes
        files = repository.candidates(listed, self._settings, signer=None, locations=lambda _: ())
        candidates, self._unread = repository.parted(files)
        return candidates

    def unread(self) -> Sequence[Candidate]:
        """See FileSource."""
        return self._unread

    def describe(self, candidates: Sequence[Candidate]) -> Mapping[str, Description]:
        """See Source."""
        remembered = {
            each.sha256: self._described.recall(each, self._hashes.get(each.description or "", ""))
            for each in candidates
        }
        return {sha256: said if said is not None else _NOT_REMEMBERED for sha256, said in remembered.items()}

    def fetch(self, wanted: Sequence[tuple[Candidate, Sink]]) -> Mapping[str, TukitSysextError]:
        """See Source."""
        return {candidate.sha256: SourceUnreachable("only remembered") for candidate, _ in wanted}


_NOT_REMEMBERED = Description(failure=Standing.UNREACHABLE, reason="what it says is not remembered")


@dataclass(frozen=True, kw_only=True, slots=True)
class NotTaken:
    """What of a list is not taken: files that look like images, and the number of lines that name nothing of ours."""

    files: tuple[NotUnderstood, ...] = ()
    lines: int = 0

    def __iter__(self) -> Iterator[str]:
        """It in words."""
        yield from in_words(self.files)
        if self.lines:
            yield f"{counted(self.lines, 'line')} of its list name nothing that could be ours"


def not_taken(machine: Machine, source: SourceSettings, naming: Naming) -> NotTaken:
    """What of the last list of a source is not taken."""
    listed = last_list(machine, source)
    if listed is None:
        return NotTaken()
    files = repository.candidates(listed, source, signer=None, locations=lambda _: ())
    read = (naming.read(file) for file in files)
    return NotTaken(files=tuple(file for file in read if isinstance(file, NotUnderstood)), lines=listed.skipped)


def in_words(files: Iterable[NotUnderstood]) -> Iterator[str]:
    """Files that look like images, and why they are taken for none: one line for each source and reason."""
    reasons: dict[tuple[str, str], list[str]] = {}
    for file in files:
        reasons.setdefault((file.source, file.reason), []).append(file.file_name)
    for (source, reason), names in reasons.items():
        more = f" and {len(names) - _MANY} more" if len(names) > _MANY else ""
        yield f"not taken of {source}: {', '.join(names[:_MANY])}{more}: {reason}"
