# SPDX-License-Identifier: LGPL-2.1-or-later
"""``/run/tukit-sysext/progress.json``: how far a running command or hook is, for ``status --follow``.

Nothing is decided by it. One that a killed process left is ignored: it names the process that wrote it, with the time
of its start (proc_pid_stat(5)).
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tukit_sysext.progress.job_report import Download, Report, Stage
from tukit_sysext.system.mark import read_mark, write_mark

_LIMIT = 1024 * 1024
"""Bytes that are read of the notice."""
_START_TIME = 19
"""Index of the field ``starttime`` behind the command's name, which is in parentheses."""


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


class ProgressFile:
    """A watcher that writes the notice, and takes its own away at the end."""

    def __init__(self, path: Path, *, job: str, snapshot: int | None = None) -> None:
        self._path = path
        self._head = {
            "pid": os.getpid(),
            "started": _start_time(os.getpid()),
            "job": job,
            "snapshot": snapshot,
            "since": int(time.time()),
        }

    def show(self, report: Report) -> None:
        """See Watcher. Raises OSError."""
        files = [
            {"file": each.file_name, "bytes": each.got, "size": each.size, "begun": each.begun, "done": each.done}
            for each in report.downloads.values()
        ]
        write_mark(self._path, {**self._head, "stage": report.stage, "files": files})

    def close(self) -> None:
        """See Watcher. The notice of another process stays. Raises OSError."""
        if _document(self._path).get("pid") == self._head["pid"]:
            self._path.unlink(missing_ok=True)


def read(path: Path) -> RunningJob | None:
    """The job that runs now; None where there is none, or only the notice of a process that is gone."""
    document = _document(path)
    try:
        pid, started, snapshot = int(document["pid"]), document["started"], document["snapshot"]
        downloads = [_download(file) for file in document["files"]]
        job = RunningJob(
            pid=pid,
            job=str(document["job"]),
            snapshot=int(snapshot) if snapshot is not None else None,
            since=int(document["since"]),
            report=Report(stage=Stage(document["stage"]), downloads={each.file_name: each for each in downloads}),
        )
    except (KeyError, TypeError, ValueError, OverflowError):
        return None
    return job if started is not None and _start_time(pid) == started else None


def _document(path: Path) -> dict[str, Any]:
    """The content of the notice; empty where there is none, or it cannot be read."""
    try:
        return read_mark(path, limit=_LIMIT)
    except (OSError, ValueError, RecursionError):
        return {}


def _download(file: dict[str, Any]) -> Download:
    size = file["size"]
    return Download(
        file_name=str(file["file"]),
        got=int(file["bytes"]),
        size=int(size) if size is not None else None,
        begun=bool(file["begun"]),
        done=bool(file["done"]),
    )


def _start_time(pid: int) -> str | None:
    """When a process was started, as the kernel tells it; None where there is no such process."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            fields = file.read().rpartition(b")")[2].split()
    except OSError:
        return None
    return fields[_START_TIME].decode() if len(fields) > _START_TIME else None
