# SPDX-License-Identifier: LGPL-2.1-or-later
"""How far a job is: who looks on is told, and stops nothing."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from tests.unit.net.samples import Collected
from tukit_sysext.errors import StoreError
from tukit_sysext.progress.job_report import Download, Report, Stage
from tukit_sysext.progress.notice import ProgressFile, read
from tukit_sysext.progress.progress import Progress
from tukit_sysext.sources.progress_sink import ProgressSink
from tukit_sysext.terminal.bars import Bars


class Clock:
    """A clock that is put forward by hand."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class Notes:
    """A watcher that remembers what it was told, and may fail."""

    def __init__(self, *, fails: bool = False) -> None:
        self.reports: list[tuple[str, int, int, int | None]] = []
        self.closed = 0
        self._fails = fails

    def show(self, report: Report) -> None:
        if self._fails:
            raise OSError("no room")
        self.reports.append((report.stage, report.done, report.got, report.size))

    def close(self) -> None:
        self.closed += 1
        if self._fails:
            raise OSError("no room")


def bring(progress: Progress, clock: Clock, *, refuses: bool = False) -> None:
    progress.stage(Stage.RESOLVING)
    progress.fetch([("a.raw", None), ("b.raw", 30)])
    sink = ProgressSink(Collected(StoreError("full") if refuses else None), "a.raw", progress)
    sink.expect(20)
    for _ in range(4):
        clock.now += 0.15
        sink.write(b"12345")
    sink.restart()
    for _ in range(4):
        sink.write(b"12345")
    sink.finish()
    progress.stage(Stage.LINKING)
    progress.close()


def test_what_is_told_and_how_often() -> None:
    clock, notes = Clock(), Notes()
    bring(Progress([notes], clock=clock), clock)
    assert notes.reports == [
        ("resolving", 0, 0, 0),
        ("fetching", 0, 0, None),
        ("fetching", 0, 10, 50),
        ("fetching", 0, 20, 50),
        ("fetching", 1, 20, 50),
        ("linking", 1, 20, 50),
    ]
    assert notes.closed == 1


def test_who_fails_to_look_on_stops_nothing_and_nobody_else() -> None:
    clock, bad, good = Clock(), Notes(fails=True), Notes()
    bring(Progress([bad, good], clock=clock), clock)
    assert good.reports[-1] == ("linking", 1, 20, 50)
    assert (good.closed, bad.closed) == (1, 0)


def test_what_a_sink_refuses_is_not_hidden() -> None:
    with pytest.raises(StoreError):
        bring(Progress([Notes()]), Clock(), refuses=True)


def test_the_notice_tells_a_job_that_runs(tmp_path: Path) -> None:
    path = tmp_path / "run/progress.json"
    progress = Progress([ProgressFile(path, job="finalize-pre", snapshot=7)])
    progress.fetch([("a.raw", 10), ("b.raw", None)])
    progress.move("a.raw", add=10, done=True)
    job = read(path)
    assert job is not None
    assert (job.pid, job.job, job.snapshot) == (os.getpid(), "finalize-pre", 7)
    assert (job.report.stage, job.report.done, job.report.got, job.report.size) == ("fetching", 1, 10, None)
    assert [download.file_name for download in job.report.downloads.values()] == ["a.raw", "b.raw"]
    assert os.stat(path).st_mode & 0o777 == 0o644
    progress.close()
    assert read(path) is None and list(path.parent.iterdir()) == []


def test_what_a_killed_process_left_is_no_running_job(tmp_path: Path) -> None:
    path = tmp_path / "progress.json"
    code = (
        "import os, sys; from pathlib import Path\n"
        "from tukit_sysext.progress.progress import Progress\n"
        "from tukit_sysext.progress.job_report import Stage\n"
        "from tukit_sysext.progress.notice import ProgressFile\n"
        "Progress([ProgressFile(Path(sys.argv[1]), job='install')]).stage(Stage.LINKING)\n"
        "os.kill(os.getpid(), 9)\n"
    )
    assert subprocess.run([sys.executable, "-c", code, str(path)]).returncode == -9
    assert path.exists() and read(path) is None
    document = json.loads(path.read_text())
    path.write_text(json.dumps({**document, "pid": os.getpid()}))
    assert read(path) is None, "another process has the number now"
    Progress([ProgressFile(path, job="update")]).close()


def test_the_notice_of_another_process_is_left(tmp_path: Path) -> None:
    path = tmp_path / "progress.json"
    mine, theirs = ProgressFile(path, job="install"), ProgressFile(path, job="finalize-pre")
    mine.show(Report())
    theirs._head["pid"] = 1
    theirs.show(Report())
    mine.close()
    assert path.exists()


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{",
        "[]",
        "{}",
        '{"pid": "x"}',
        '{"pid": 1, "started": null}',
        '{"pid": 1e999, "started": null, "snapshot": null, "files": []}',
    ],
)
def test_a_notice_that_is_none(tmp_path: Path, content: str) -> None:
    path = tmp_path / "progress.json"
    path.write_text(content)
    assert read(path) is None


def test_every_part_of_a_notice_may_be_missing_or_wrong(tmp_path: Path) -> None:
    path = tmp_path / "progress.json"
    progress = Progress([ProgressFile(path, job="install")])
    progress.fetch([("a.raw", 10)])
    good = json.loads(path.read_text())
    assert read(path) is not None
    for key in good:
        for wrong in ({name: value for name, value in good.items() if name != key}, {**good, key: [None]}):
            path.write_text(json.dumps(wrong))
            job = read(path)
            assert job is None or key == "job" or (key == "root" and key not in wrong), (key, wrong)
    assert replace(Report()) == Report()


@pytest.mark.parametrize(("files", "title"), [(("a.raw",), "a.raw"), (("a.raw", "b.raw"), "sending 1 of 2")])
def test_files_that_are_sent(files: Sequence[str], title: str) -> None:
    stream = io.StringIO()
    bars = Bars(stream, width=80, colours=False)
    progress = Progress([bars])
    progress.send([(name, 10) for name in files])
    progress.move("a.raw", add=5)
    progress.move("a.raw", add=-5)
    progress.close()
    assert title in stream.getvalue()


def test_what_goes_well_is_not_drawn_in_red(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    stream = io.StringIO()
    bars = Bars(stream, width=80, colours=True)
    bars.show(Report(stage=Stage.FETCHING, downloads={"a.raw": Download("a.raw", 10, got=5, begun=True)}))
    bars.close()
    bar = next(line for line in stream.getvalue().splitlines() if "a.raw" in line)
    assert "\x1b[32m\u2501" in bar
    assert "\x1b[31m" not in bar and "38;2;249;38;114" not in bar and "38;5;197" not in bar
