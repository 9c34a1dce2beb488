# SPDX-License-Identifier: LGPL-2.1-or-later
"""A fixed choice of the crash matrix, with every kind of step; all of it by ``python -m tests.crash`` (threat L12)."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.crash import calls, leaving
from tests.unit.support import needs_root


def run(*options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tests.crash", *options]
    return subprocess.run(command, cwd=Path(__file__).parents[2], check=False, capture_output=True, text=True)


@needs_root
def test_every_kind_of_step() -> None:
    done = run("--subset")
    assert done.returncode == 0, done.stdout + done.stderr


@needs_root
def test_a_power_cut_misses_what_does_not_wait_for_the_disk() -> None:
    done = run("--leave-out", "--scenario", "collect")
    assert done.returncode == 0, done.stdout + done.stderr


@needs_root
@pytest.mark.long
@pytest.mark.timeout(3 * 3600)
def test_every_step() -> None:
    done = run()
    assert done.returncode == 0, done.stdout + done.stderr


@needs_root
@pytest.mark.long
@pytest.mark.timeout(3600)
def test_a_power_cut_misses_whatever_does_not_wait_for_the_disk() -> None:
    done = run("--leave-out")
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_wait_for_the_disk_is_known() -> None:
    assert leaving.places() == leaving.known()


def test_calls_are_counted_as_strace_counts_them() -> None:
    found = calls.parse(
        'openat(AT_FDCWD</>, "/a", O_RDONLY) = 3</a>\n'
        'openat(AT_FDCWD</>, "/b.1234", O_WRONLY|O_CREAT, 0666) = 4</b.1234>\n'
        'write(4</b.1234>, "x", 1) = -1 ENOSPC (No space left on device) (INJECTED)\n'
        "--- SIGKILL {si_signo=SIGKILL} ---\n"
        "+++ killed by SIGKILL +++\n"
    )
    assert [(call.name, call.number, call.injected) for call in found] == [("openat", 2, False), ("write", 1, True)]
    assert [call.about for call in found] == ['AT_FDCWD</>, "/b.PID", O_WRONLY|O_CREAT, 0666)', "4</b.PID>"]


def test_what_is_no_call_is_told() -> None:
    with pytest.raises(ValueError, match="no call"):
        calls.parse("no call\n")
