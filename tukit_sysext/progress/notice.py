# SPDX-License-Identifier: LGPL-2.1-or-later
"""``/run/tukit-sysext/progress.json``: how far a job is that runs now, for whoever looks on (``status --follow``).

A notice: nothing is concluded from it but what is shown. What a killed process left is told by the process that wrote
it, which is not there any more (proc_pid_stat(5)). :mod:`tukit_sysext.progress.notice` reads it.
"""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tukit_sysext.system.durable import make_directory, write_file

if TYPE_CHECKING:
    from tukit_sysext.progress.progress import Report
from dataclasses import dataclass

from tukit_sysext.progress.progress import Download, Report, Stage

_LIMIT = 1024 * 1024
_START_TIME = 19
"""Index of the field ``starttime`` behind the command's name, which is in parentheses."""


class ProgressFile:
    """Writes the notice, as a watcher of a job's progress; takes its own away at the end."""

    def __init__(self, path: Path, *, job: str, snapshot: int | None = None) -> None:
        self._path = path
        self._head = {
            "pid": os.getpid(),
            "started": start_time(os.getpid()),
            "job": job,
            "snapshot": snapshot,
            "since": int(time.time()),
        }

    def show(self, report: Report) -> None:
        """See Watcher. Raises OSError."""
        files = [
            {"file": item.file_name, "bytes": item.got, "size": item.size, "begun": item.begun, "done": item.done}
            for item in report.downloads.values()
        ]
        make_directory(self._path.parent)
        content = json.dumps({**self._head, "stage": report.stage, "files": files})
        write_file(self._path, content.encode(), durable=False)

    def close(self) -> None:
        """See Watcher. Another process that writes its own keeps it. Raises OSError."""
        found = document(self._path)
        if found is not None and found.get("pid") == self._head["pid"]:
            self._path.unlink(missing_ok=True)


def document(path: Path) -> dict[str, Any] | None:
    """What stands in the notice; None where there is none, or it cannot be read."""
    try:
        with open(path, "rb") as file:
            found = json.loads(file.read(_LIMIT))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def start_time(pid: int) -> str | None:
    """When a process was started, as the kernel tells it; None where there is no such process."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            fields = file.read().rpartition(b")")[2].split()
    except OSError:
        return None
    return fields[_START_TIME].decode() if len(fields) > _START_TIME else None


@dataclass(frozen=True, kw_only=True, slots=True)
class RunningJob:
    """A job that runs: its process, what it is (a command, or ``finalize-pre``), of which snapshot, since when.

    ``since`` in seconds since the epoch.
    """

    pid: int
    job: str
    snapshot: int | None
    since: int
    report: Report


def read(path: Path) -> RunningJob | None:
    """The job that runs now; None where there is none, or only what a process left that is gone."""
    notice = document(path)
    if notice is None:
        return None
    try:
        pid, started = int(notice["pid"]), notice["started"]
        snapshot = notice["snapshot"]
        files = [_download(item) for item in notice["files"]]
        found = RunningJob(
            pid=pid,
            job=str(notice["job"]),
            snapshot=int(snapshot) if snapshot is not None else None,
            since=int(notice["since"]),
            report=Report(stage=Stage(notice["stage"]), downloads={item.file_name: item for item in files}),
        )
    except (KeyError, TypeError, ValueError):
        return None
    return found if started is not None and start_time(pid) == started else None


def _download(item: dict[str, Any]) -> Download:
    size = item["size"]
    return Download(
        file_name=str(item["file"]),
        got=int(item["bytes"]),
        size=int(size) if size is not None else None,
        begun=bool(item["begun"]),
        done=bool(item["done"]),
    )
