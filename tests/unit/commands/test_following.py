# SPDX-License-Identifier: LGPL-2.1-or-later
"""``status`` of a job that runs, ``status --follow`` to its end, and bars on a terminal."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from tests.machine import TOP, PlainMachine
from tests.terminal import plain
from tests.trees import make_tree
from tukit_sysext import cli, entry
from tukit_sysext.progress.job_report import Report, Stage
from tukit_sysext.progress.notice import ProgressFile
from tukit_sysext.progress.progress import Progress
from tukit_sysext.update import refusal
from tukit_sysext.update.refusal import HeldBack, Refusal


@pytest.fixture
def progress(linked_gdb: PlainMachine) -> Progress:
    """An update that runs, in this process."""
    return Progress([ProgressFile(linked_gdb.layout.progress, job="finalize-pre", snapshot=7)], clock=lambda: 0.0)


def test_status_tells_it(linked_gdb: PlainMachine, progress: Progress, capsys: pytest.CaptureFixture[str]) -> None:
    progress.fetch([("gdb-2.x86-64.raw", 40 * 2**20), ("vim-9.x86-64.raw", 2**20)])
    progress.move("gdb-2.x86-64.raw", add=10 * 2**20)
    progress.stage(Stage.FETCHING)
    assert cli.main(["status"], machine=linked_gdb.machine) == 0
    told = capsys.readouterr().out
    assert told.startswith("Fetching images for an update (snapshot 7) since ")
    assert "fetching gdb-2.x86-64.raw (1 of 2), 10.0 MiB of 41.0 MiB" in told
    assert cli.main(["status", "--json"], machine=linked_gdb.machine) == 0
    found = json.loads(capsys.readouterr().out)["running_job"]
    assert (found["job"], found["snapshot"], found["stage"]) == ("finalize-pre", 7, "fetching")
    assert (found["bytes"], found["size"], len(found["files"])) == (10 * 2**20, 41 * 2**20, 2)
    progress.close()
    assert cli.main(["status"], machine=linked_gdb.machine) == 0
    assert "UPDATE" not in capsys.readouterr().out


def test_nothing_to_follow(linked_gdb: PlainMachine, capsys: pytest.CaptureFixture[str]) -> None:
    make_tree(linked_gdb.root, {"run/tukit-sysext/progress.json": '{"pid": 1, "started": "no"}'})
    assert cli.main(["status", "--follow"], machine=linked_gdb.machine) == 0
    assert capsys.readouterr().out == "No command fetches or links images now.\n"


def test_it_is_followed_to_its_end_and_what_came_of_it_is_told(linked_gdb: PlainMachine, progress: Progress) -> None:
    progress.stage(Stage.RESOLVING)
    argv = linked_gdb.argv("status", "--follow")
    with subprocess.Popen(argv, cwd=TOP, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("Fetching images for an update (snapshot 7)")
        assert process.stdout.readline() == "resolving\n"
        progress.fetch([("gdb-2.x86-64.raw", 2048)])
        assert process.stdout.readline() == "fetching (1 of 1), 0 B of 2.0 KiB\n"
        progress.stage(Stage.LINKING)
        assert process.stdout.readline() == "linking\n"
        held = {"gdb": HeldBack(reason="nothing fits", since=1)}
        refusal.write(linked_gdb.layout.refused, Refusal(last=1, times=1, system="opensuse 1", images=held))
        progress.close()
        rest = process.stdout.read()
        assert process.wait() == 0
    assert rest.startswith("Finished.\nAN UPDATE IS REFUSED") and "gdb: nothing fits" in rest


def test_scripts_follow_in_json(linked_gdb: PlainMachine, progress: Progress) -> None:
    progress.stage(Stage.RESOLVING)
    argv = linked_gdb.argv("status", "--follow", "--json")
    with subprocess.Popen(argv, cwd=TOP, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert json.loads(process.stdout.readline())["stage"] == "resolving"
        progress.stage(Stage.LINKING)
        assert json.loads(process.stdout.readline())["stage"] == "linking"
        progress.close()
        assert process.stdout.read() == ""


_BARS = """
import sys
from tukit_sysext.terminal.output import Output
from tukit_sysext.progress.job_report import Stage
from tukit_sysext.machine import Machine
output = Output.of(__import__("argparse").Namespace(quiet=sys.argv[1:] == ["quiet"]))
with output.progress(Machine(), None) as machine:
    progress = machine.progress
    progress.stage(Stage.RESOLVING)
    assert "rich" not in sys.modules
    progress.fetch([("n" * 90 + "-1.2.raw", 4096), ("vim-9.raw", None)])
    progress.move("n" * 90 + "-1.2.raw", add=1024)
    progress.stage(Stage.FETCHING)
    progress.move("vim-9.raw", add=10)
    progress.stage(Stage.LINKING)
print("done", "rich.progress" in sys.modules)
"""


def test_bars_are_on_a_terminal_and_go_at_the_end(linked_gdb: PlainMachine) -> None:
    status, screen = linked_gdb.on_terminal(argv=[sys.executable, "-c", _BARS])
    assert status == 0
    frames = [line for line in plain(screen).replace("\r", "\n").splitlines() if line.strip()]
    assert max(map(len, frames)) <= 80
    assert any("nnn…nn" in line and "-1.2.raw" in line and "1.0 KiB of 4.0 KiB" in line for line in frames)
    assert any("fetching 1 of 2" in line for line in frames)
    assert frames[-1].endswith("done True")
    _, silent = linked_gdb.on_terminal(argv=[sys.executable, "-c", _BARS, "quiet"])
    assert silent == "done False\n"


def test_a_pipe_gets_no_bars(linked_gdb: PlainMachine) -> None:
    done = subprocess.run([sys.executable, "-c", _BARS], cwd=TOP, capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("done False\n", "")


@pytest.mark.usefixtures("hook_process")
def test_the_hook_tells_how_far_it_is_and_takes_the_notice_away(
    linked_gdb: PlainMachine, monkeypatch: pytest.MonkeyPatch
) -> None:
    linked_gdb.snapshot(7)
    told: list[tuple[str, bool]] = []
    show = ProgressFile.show

    def shown(self: ProgressFile, report: Report) -> None:
        show(self, report)
        told.append((report.stage, linked_gdb.layout.progress.exists()))

    monkeypatch.setattr(ProgressFile, "show", shown)
    linked_gdb.want("gdb", Policy="optional")
    make_tree(linked_gdb.tree(7), {"etc/tukit-sysext/images.d/gdb.conf": "[Image]\nPolicy=optional\n"})
    assert entry.main(["tukit", "finalize-pre", str(linked_gdb.tree(7)), "7"], machine=linked_gdb.machine) == 0
    assert told == [("resolving", True), ("linking", True)]
    assert not linked_gdb.layout.progress.exists()


@pytest.mark.usefixtures("hook_process")
@pytest.mark.parametrize("broken", ["show", "close", "__init__"])
def test_a_fault_of_progress_stops_no_update(
    linked_gdb: PlainMachine, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    def fails(*_: object, **__: object) -> None:
        raise RuntimeError("broken")

    linked_gdb.snapshot(7)
    monkeypatch.setattr(ProgressFile, broken, fails)
    assert entry.main(["tukit", "finalize-pre", str(linked_gdb.tree(7)), "7"], machine=linked_gdb.machine) == 0
