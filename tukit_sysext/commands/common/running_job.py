# SPDX-License-Identifier: LGPL-2.1-or-later
"""A job that runs now, told to who looks on: in ``status``, and followed to its end by ``status --follow``."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

from tukit_sysext.machine import Machine
from tukit_sysext.progress.job_report import Report, Stage
from tukit_sysext.progress.notice import RunningJob, read
from tukit_sysext.quantities import local_time, size_text, time_text
from tukit_sysext.terminal.output import Output
from tukit_sysext.terminal.text import Tone, Toned

_PAUSE = 0.2


def running_job(machine: Machine) -> RunningJob | None:
    """The job that runs now."""
    return read(machine.layout.progress)


def lines(machine: Machine) -> Iterator[str]:
    """What ``status`` says of it; nothing where there is none."""
    running = running_job(machine)
    if running is None:
        return
    yield Toned(f"{_called(running)} since {local_time(running.since)}: {progress_text(running.report)}", Tone.STRONG)
    yield "  to watch it:"
    yield "    tukit-sysext status --follow"
    yield ""


def _called(running: RunningJob) -> str:
    if running.job != "finalize-pre":
        return f"tukit-sysext {running.job} runs"
    number = f" (snapshot {running.snapshot})" if running.snapshot is not None else ""
    return f"Fetching images for an update{number}"


def progress_text(report: Report) -> str:
    """How far it is, in one line."""
    if report.stage is not Stage.FETCHING or not report.downloads:
        return str(report.stage)
    names = [download.file_name for download in report.downloads.values() if download.begun and not download.done]
    size = report.size
    of_size = f" of {size_text(size)}" if size is not None else ""
    number = min(report.done + 1, len(report.downloads))
    which = f" {', '.join(names[:3])}" if names else ""
    return f"fetching{which} ({number} of {len(report.downloads)}), {size_text(report.got)}{of_size}"


def document(running: RunningJob) -> dict[str, Any]:
    """A job that runs for ``--json``."""
    report = running.report
    return {
        "pid": running.pid,
        "job": running.job,
        "snapshot": running.snapshot,
        "since": time_text(running.since),
        "stage": report.stage,
        "bytes": report.got,
        "size": report.size,
        "files": [
            {"file": download.file_name, "bytes": download.got, "size": download.size, "done": download.done}
            for download in report.downloads.values()
        ],
    }


def follow(machine: Machine, output: Output) -> None:
    """Watch the job that runs until it is over; says so where there is none.

    A terminal gets bars, a pipe a line for each stage and file, ``--json`` a document in one line for each change.
    """
    running = running_job(machine)
    if running is None:
        output.say("No command fetches or links images now.")
        return
    output.say(f"{_called(running)} since {local_time(running.since)}")
    watched = running.pid, running.since
    before = ""
    with output.progress_bars(output.stream) as bars:
        while running is not None and (running.pid, running.since) == watched:
            if output.wants_json:
                line = json.dumps(document(running), ensure_ascii=False)
            else:
                line = f"{running.report.stage} {running.report.done}/{len(running.report.downloads)}"
            if line != before:
                if output.wants_json:
                    print(line, file=output.stream, flush=True)
                elif bars is None:
                    output.tell(progress_text(running.report))
                    output.stream.flush()
            before = line
            if bars is not None:
                bars.show(running.report)
            time.sleep(_PAUSE)
            running = running_job(machine)
    output.say("Finished.")
