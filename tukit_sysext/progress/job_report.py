# SPDX-License-Identifier: LGPL-2.1-or-later
"""How far a job is."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum


class Stage(StrEnum):
    """What a job is doing."""

    RESOLVING = "resolving"
    FETCHING = "fetching"
    SENDING = "sending"
    LINKING = "linking"


@dataclass(slots=True)
class Download:
    """One file: the bytes that are there, and its size (None: not known yet). ``begun``: its first bytes have come."""

    file_name: str
    size: int | None
    got: int = 0
    begun: bool = False
    done: bool = False


@dataclass(slots=True)
class Report:
    """How far a job is; ``downloads`` are all files of it by name, in the order in which they were asked for."""

    stage: Stage = Stage.RESOLVING
    downloads: dict[str, Download] = field(default_factory=dict)

    def begin(self, files: Iterable[tuple[str, int | None]]) -> None:
        """Files, and their sizes, are asked for."""
        self.downloads |= {name: Download(file_name=name, size=size) for name, size in files}

    def download(self, file_name: str, size: int | None) -> Download:
        """The file, which nobody has to have asked for."""
        return self.downloads.setdefault(file_name, Download(file_name=file_name, size=size))

    @property
    def done(self) -> int:
        """Number of files that are complete."""
        return sum(download.done for download in self.downloads.values())

    @property
    def got(self) -> int:
        """Bytes that are there."""
        return sum(download.got for download in self.downloads.values())

    @property
    def size(self) -> int | None:
        """Bytes of all files; None while one is not known."""
        sizes = [download.size for download in self.downloads.values()]
        return None if None in sizes else sum(size for size in sizes if size is not None)
