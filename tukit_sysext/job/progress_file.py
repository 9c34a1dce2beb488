# SPDX-License-Identifier: LGPL-2.1-or-later
"""``/run/tukit-sysext/progress.json``: how far a job is that runs now, for whoever looks on (``status --follow``).

A notice: nothing is concluded from it but what is shown. What a killed process left is told by the process that wrote
it, which is not there any more (proc_pid_stat(5)). :mod:`tukit_sysext.job.running_job` reads it.
"""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tukit_sysext.system.durable import make_directory, write_file

if TYPE_CHECKING:
    from tukit_sysext.job.progress import Report

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
