# SPDX-License-Identifier: LGPL-2.1-or-later
"""The job that runs now, as its notice tells (:mod:`tukit_sysext.job.progress_file`)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tukit_sysext.job.progress import Download, Report, Stage
from tukit_sysext.job.progress_file import document, start_time


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
