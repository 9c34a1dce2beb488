# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the lists of sources had when they were fetched last; that of a directory is read now. No server is asked.

Nothing here is verified: it is for who looks, and decides nothing.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from tukit_sysext.config.settings import SourceSettings
from tukit_sysext.errors import TukitSysextError
from tukit_sysext.formats import checksums
from tukit_sysext.formats.checksums import Checksums
from tukit_sysext.machine import Machine
from tukit_sysext.sources import repository
from tukit_sysext.sources.cache import LISTS, Cache
from tukit_sysext.sources.naming import Naming, NotUnderstood
from tukit_sysext.system.small_file import read_small

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


@dataclass(frozen=True, kw_only=True, slots=True)
class NotTaken:
    """What of a list is not taken: files that look like images, and the number of lines that name nothing of ours."""

    files: tuple[NotUnderstood, ...] = ()
    lines: int = 0

    def __iter__(self) -> Iterator[str]:
        """It in words."""
        yield from in_words(self.files)
        if self.lines:
            yield f"{self.lines} line{'' if self.lines == 1 else 's'} of its list name nothing that could be ours"


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
