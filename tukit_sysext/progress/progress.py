# SPDX-License-Identifier: LGPL-2.1-or-later
"""How far a job is: told to whoever watches. What fails in telling it never stops the job."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    pass

log = logging.getLogger(__name__)

_PAUSE = 0.2
"""Seconds between two reports of the same stage."""


class Stage(StrEnum):
    """What a job is doing."""

    RESOLVING = "resolving"
    FETCHING = "fetching"
    LINKING = "linking"


@dataclass(slots=True)
class Download:
    """One file on its way: bytes that are there, and its size (None: not known yet). ``begun``: it has moved."""

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

    @property
    def done(self) -> int:
        """Files that are there."""
        return sum(item.done for item in self.downloads.values())

    @property
    def got(self) -> int:
        """Bytes that are there."""
        return sum(item.got for item in self.downloads.values())

    @property
    def size(self) -> int | None:
        """Bytes of all files; None while one is not known."""
        sizes = [item.size for item in self.downloads.values()]
        return None if None in sizes else sum(size for size in sizes if size is not None)


class Watcher(Protocol):
    """Who is told."""

    def show(self, report: Report) -> None:
        """Take in how far it is; the report is changed afterwards."""

    def close(self) -> None:
        """It is over."""


class Progress:
    """Tells its watchers; without any it costs nothing. Nothing in here raises Exception."""

    def __init__(self, watchers: Iterable[Watcher] = (), *, clock: Callable[[], float] = time.monotonic) -> None:
        self._watchers = tuple(watchers)
        self._clock = clock
        self._report = Report()
        self._told = float("-inf")

    def stage(self, stage: Stage) -> None:
        """The job begins with this."""
        if self._watchers:
            self._report.stage = stage
            self._tell()

    def fetch(self, files: Sequence[tuple[str, int | None]]) -> None:
        """These files will be fetched: their names, and their sizes in bytes as far as they are known."""
        if self._watchers:
            for name, size in files:
                self._report.downloads[name] = Download(file_name=name, size=size)
            self.stage(Stage.FETCHING)

    def move(
        self, file_name: str, *, add: int = 0, size: int | None = None, restart: bool = False, done: bool = False
    ) -> None:
        """A file comes: ``add`` bytes more, its whole size is known now, it comes from its beginning, or is there."""
        if not self._watchers:
            return
        item = self._report.downloads.setdefault(file_name, Download(file_name=file_name, size=size))
        item.begun = True
        item.got = 0 if restart else item.got + add
        item.size = size if size is not None else item.size
        if done:
            item.done = True
            item.size = item.got = item.got if item.size is None else item.size
        if done or self._clock() - self._told >= _PAUSE:
            self._tell()

    def close(self) -> None:
        """It is over, however it ended."""
        self._each(lambda watcher: watcher.close())
        self._watchers = ()

    def _tell(self) -> None:
        self._told = self._clock()
        self._each(lambda watcher: watcher.show(self._report))

    def _each(self, tell: Callable[[Watcher], None]) -> None:
        for watcher in self._watchers:
            try:
                tell(watcher)
            except Exception as error:
                # who only looks on must not stop the job; a fault of ours is loud all the same
                level = logging.INFO if isinstance(error, OSError) else logging.ERROR
                log.log(level, "progress cannot be told: %s: %s", type(error).__name__, error)
                self._watchers = tuple(other for other in self._watchers if other is not watcher)
