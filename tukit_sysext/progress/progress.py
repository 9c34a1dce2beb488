# SPDX-License-Identifier: LGPL-2.1-or-later
"""How far a running job is, shown to its watchers. A watcher that fails never stops the job."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from tukit_sysext.progress.job_report import Report, Stage

log = logging.getLogger(__name__)

_PAUSE = 0.2
"""Seconds between two reports of the same stage."""


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
        self._shown = float("-inf")

    @cached_property
    def _report(self) -> Report:
        from tukit_sysext.progress.job_report import Report  # 1 ms, of which a job that nobody watches needs none

        return Report()

    def stage(self, stage: Stage) -> None:
        """Begin a stage."""
        if self._watchers:
            self._report.stage = stage
            self._show()

    def fetch(self, files: Sequence[tuple[str, int | None]]) -> None:
        """Begin to fetch files: their names, and their sizes in bytes (None: not known)."""
        if self._watchers:
            from tukit_sysext.progress.job_report import Stage

            self._report.begin(files)
            self.stage(Stage.FETCHING)

    def send(self, files: Sequence[tuple[str, int]]) -> None:
        """Begin to send files: their names, and their sizes in bytes."""
        if self._watchers:
            from tukit_sysext.progress.job_report import Stage

            self._report.begin(files)
            self.stage(Stage.SENDING)

    def move(
        self, file_name: str, *, add: int = 0, size: int | None = None, restart: bool = False, done: bool = False
    ) -> None:
        """Move a file on: ``add`` bytes more, its size once known, begun anew (``restart``), or complete (``done``)."""
        if not self._watchers:
            return
        download = self._report.download(file_name, size)
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
