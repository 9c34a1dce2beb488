# SPDX-License-Identifier: LGPL-2.1-or-later
"""Programs: environment, limits, and an end in time."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tukit_sysext.errors import ToolBroken
from tukit_sysext.system.process import ProcessResult, TimedOut, run

SH = "/bin/sh"


def sh(
    script: str,
    *arguments: str,
    cpu_seconds: int | None = None,
    file_size: int | None = None,
) -> ProcessResult:
    return run(
        [SH, "-c", script, "sh", *arguments],
        timeout=60,
        cpu_seconds=cpu_seconds,
        file_size=file_size,
    )


def test_status_output_and_messages() -> None:
    assert sh("echo out; echo err >&2; exit 3") == ProcessResult(status=3, output="out\n", messages="err\n")


def test_a_signal_is_a_negative_status() -> None:
    assert sh("kill -TERM $$").status == -signal.SIGTERM


def test_output_that_is_no_text_is_no_failure() -> None:
    assert sh(r"printf '\377'").output == "\ufffd"


def test_arguments_are_no_shell_words() -> None:
    hostile = "$(exit 9); `id` 'x' \n *"
    assert sh('printf %s "$1"', hostile).output == hostile


def test_the_environment_is_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LD_PRELOAD", "LD_LIBRARY_PATH", "PYTHONPATH", "TMPDIR", "SYSTEMD_LOG_LEVEL"):
        monkeypatch.setenv(name, "/nowhere")
    lines = run(["/usr/bin/env"], timeout=60).output.splitlines()
    assert sorted(lines) == ["LANG=C.UTF-8", "LC_ALL=C.UTF-8", "PATH=/usr/bin:/usr/sbin:/bin:/sbin"]


@pytest.fixture
def own_input(tmp_path: Path) -> Iterator[None]:
    """A standard input that is not the one that pytest gives us."""
    (tmp_path / "input").write_text("for the caller")
    before, own = os.dup(0), os.open(tmp_path / "input", os.O_RDONLY)
    os.dup2(own, 0)
    yield
    os.dup2(before, 0)
    os.close(before)
    os.close(own)


@pytest.mark.usefixtures("own_input")
def test_directory_and_standard_input_are_nobodys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert sh("pwd; readlink /proc/self/fd/0").output == "/\n/dev/null\n"


def test_descriptors_are_passed_by_name_alone(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("passed")
    passed, other = (os.open(tmp_path / "a", os.O_RDONLY) for _ in range(2))
    os.set_inheritable(other, True)
    try:
        script = "cat /proc/self/fd/$1; test -e /proc/self/fd/$2 || echo ' alone'"
        found = run([SH, "-c", script, "sh", str(passed), str(other)], timeout=60, descriptors=[passed])
        assert found.output == "passed alone\n"
    finally:
        os.close(passed)
        os.close(other)


def test_limits() -> None:
    found = sh("ulimit -c; ulimit -t; ulimit -f", cpu_seconds=7, file_size=1 << 20)
    assert found.output.split() == ["0", "7", "2048"]
    assert sh("ulimit -c; ulimit -t").output.split() == ["0", "unlimited"]


def test_a_file_that_grows_too_large_ends_the_program(tmp_path: Path) -> None:
    path = tmp_path / "file"
    found = sh('exec dd if=/dev/zero of="$1" bs=1024 count=100 2>/dev/null', str(path), file_size=10240)
    assert found.status != 0
    assert path.stat().st_size == 10240


@pytest.mark.parametrize("path", ["/nowhere/tool", "/etc/passwd"])
def test_a_tool_that_cannot_be_run(path: str) -> None:
    with pytest.raises(ToolBroken, match=path):
        run([path], timeout=60)


def test_a_timeout_ends_the_whole_group(tmp_path: Path) -> None:
    """The child's child has the write end of a FIFO: when it is gone too, reading comes to its end."""
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    script = 'trap "" TERM INT; (exec 3>"$1"; echo here >&3; exec tail -f /dev/null >/dev/null 2>&1) & wait'
    try:
        with pytest.raises(TimedOut, match="no end after 1 s"):
            run([SH, "-c", script, "sh", str(fifo)], timeout=1)
        os.set_blocking(reader, True)
        with open(reader, "rb", closefd=False) as file:
            assert file.read() == b"here\n"
    finally:
        os.close(reader)


def test_an_interruption_ends_it_too(monkeypatch: pytest.MonkeyPatch) -> None:
    import subprocess

    started: list[subprocess.Popen[bytes]] = []
    real = subprocess.Popen.communicate

    def interrupted(process: subprocess.Popen[bytes], timeout: float | None = None) -> tuple[bytes, bytes]:
        started.append(process)
        if timeout is not None:
            raise KeyboardInterrupt
        return real(process)

    monkeypatch.setattr(subprocess.Popen, "communicate", interrupted)
    with pytest.raises(KeyboardInterrupt):
        sh("exec tail -f /dev/null")
    assert started[0].returncode == -signal.SIGKILL


def test_a_child_that_does_not_end_when_it_is_killed_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    """As one does whose disk does not answer: a stand-in, as nothing here can make a process that cannot be killed."""
    waited: list[float | None] = []

    def wait(process: subprocess.Popen[bytes], timeout: float | None = None) -> int:
        waited.append(timeout)
        if timeout is None:
            pytest.fail("for ever")
        raise subprocess.TimeoutExpired(process.args, timeout)

    monkeypatch.setattr(subprocess.Popen, "wait", wait)
    monkeypatch.setattr(subprocess.Popen, "communicate", lambda process, timeout: wait(process, timeout))
    with pytest.raises(TimedOut):
        run([SH, "-c", "sleep 60"], timeout=1)
    assert waited == [1, 5]
