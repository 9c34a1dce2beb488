# SPDX-License-Identifier: LGPL-2.1-or-later
"""Progress bars on a terminal, drawn by rich; imported where a terminal gets them, and nowhere else."""

from __future__ import annotations

from typing import TextIO

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TaskID, TextColumn, TimeRemainingColumn
from rich.table import Column
from rich.text import Text

from tukit_sysext.progress.job_report import Report, Stage
from tukit_sysext.quantities import size_text
from tukit_sysext.rules.printable import printable

_MOST = 5
"""So many files have a bar of their own; beside them there is one for all."""

_REST = 52
"""Columns that a bar needs beside the name."""

_LEAST_NAME = 20


class Bars:
    """A watcher of a job's progress: one bar for each file on its way, one for all; they vanish at the end."""

    def __init__(self, stream: TextIO, *, width: int, colours: bool) -> None:
        console = Console(
            file=stream,
            width=width,
            force_terminal=True,
            no_color=not colours,
            markup=False,
            highlight=False,
            emoji=False,
        )
        self._longest = max(_LEAST_NAME, width - _REST)
        self._progress = Progress(
            TextColumn("{task.description}", markup=False, table_column=Column(no_wrap=True)),
            BarColumn(bar_width=None, complete_style="green", finished_style="green", pulse_style="green"),
            _Bytes(table_column=Column(no_wrap=True)),
            _Rate(table_column=Column(no_wrap=True)),
            TimeRemainingColumn(compact=True, table_column=Column(no_wrap=True)),
            console=console,
            auto_refresh=False,
            transient=True,
            expand=True,
        )
        self._tasks: dict[str, TaskID] = {}
        self._progress.start()

    def show(self, report: Report) -> None:
        """See Watcher."""
        many = len(report.downloads)
        of_files = report.stage in (Stage.FETCHING, Stage.SENDING)
        alone = many == 1 and of_files
        moving = [download for download in report.downloads.values() if alone or (download.begun and not download.done)]
        shown = {download.file_name: download for download in moving[:_MOST]}
        for name in [name for name in self._tasks if (name or alone) and name not in shown]:
            self._progress.remove_task(self._tasks.pop(name))
        if not alone:
            title = str(report.stage)
            if of_files:
                title = f"{title} {min(report.done + 1, many)} of {many}"
            self._update("", title, report.got, report.size if many else None)
        for name, download in shown.items():
            self._update(name, _shortened(printable(download.file_name), self._longest), download.got, download.size)
        self._progress.refresh()

    def _update(self, key: str, title: str, got: int, size: int | None) -> None:
        if key not in self._tasks:
            self._tasks[key] = self._progress.add_task(title, total=None)
        self._progress.update(self._tasks[key], description=title, completed=got, total=size)

    def close(self) -> None:
        """See Watcher."""
        self._progress.stop()


def _shortened(name: str, longest: int) -> str:
    """A name for a bar: its beginning and its end, where the version is, of one that is too long."""
    if len(name) <= longest:
        return name
    tail = longest // 2
    return f"{name[: longest - tail - 1]}…{name[-tail:]}"


class _Bytes(ProgressColumn):
    """Bytes that are there, of how many."""

    def render(self, task: Task) -> Text:
        """See ProgressColumn."""
        if not task.completed and task.total is None:
            return Text("")
        whole = f" of {size_text(int(task.total))}" if task.total is not None else ""
        return Text(f"{size_text(int(task.completed))}{whole}", justify="right")


class _Rate(ProgressColumn):
    """Bytes in a second."""

    def render(self, task: Task) -> Text:
        """See ProgressColumn."""
        return Text(f"{size_text(int(task.speed))}/s" if task.speed else "", justify="right")
