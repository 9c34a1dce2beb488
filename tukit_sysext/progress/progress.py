# SPDX-License-Identifier: LGPL-2.1-or-later
"""How far a running job is, shown to its watchers. A watcher that fails never stops the job."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

log = logging.getLogger(__name__)

_PAUSE = 0.2
"""Seconds between two reports of the same stage."""


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


class Watcher(Protocol):
    """Shows how far a job is."""

    def show(self, report: Report) -> None:
        """Show it; the report changes afterwards."""

    def close(self) -> None:
        """The job is over."""


class Progress:
    """Reports to watchers; costs nothing without any. Nothing in here raises Exception."""

    def __init__(self, watchers: Iterable[Watcher] = (), *, clock: Callable[[], float] = time.monotonic) -> None:
        self._watchers = tuple(watchers)
        self._clock = clock
        self._report = Report()
        self._shown = float("-inf")

    def stage(self, stage: Stage) -> None:
        """Begin a stage."""
        if self._watchers:
            self._report.stage = stage
            self._show()

    def fetch(self, files: Sequence[tuple[str, int | None]]) -> None:
        """Begin to fetch files: their names, and their sizes in bytes (None: not known)."""
        self._begin(files, Stage.FETCHING)

    def send(self, files: Sequence[tuple[str, int]]) -> None:
        """Begin to send files: their names, and their sizes in bytes."""
        self._begin(files, Stage.SENDING)

    def _begin(self, files: Sequence[tuple[str, int | None]], stage: Stage) -> None:
        if self._watchers:
            for name, size in files:
                self._report.downloads[name] = Download(file_name=name, size=size)
            self.stage(stage)

    def move(
        self, file_name: str, *, add: int = 0, size: int | None = None, restart: bool = False, done: bool = False
    ) -> None:
        """Move a file on: ``add`` bytes more, its size once known, begun anew (``restart``), or complete (``done``)."""
        if not self._watchers:
            return
        download = self._report.downloads.setdefault(file_name, Download(file_name=file_name, size=size))
        download.begun = True
        download.got = 0 if restart else download.got + add
        download.size = size if size is not None else download.size
        if done:
            download.done = True
            download.size = download.got = download.got if download.size is None else download.size
        if done or self._clock() - self._shown >= _PAUSE:
            self._show()

    def close(self) -> None:
        """Close the watchers, however the job ended."""
        self._each(lambda watcher: watcher.close())
        self._watchers = ()

    def _show(self) -> None:
        self._shown = self._clock()
        self._each(lambda watcher: watcher.show(self._report))

    def _each(self, action: Callable[[Watcher], None]) -> None:
        for watcher in self._watchers:
            try:
                action(watcher)
            except Exception as error:
                # who only looks on must not stop the job; a fault of ours is loud all the same
                level = logging.INFO if isinstance(error, OSError) else logging.ERROR
                log.log(level, "progress cannot be shown: %s: %s", type(error).__name__, error)
                self._watchers = tuple(other for other in self._watchers if other is not watcher)
