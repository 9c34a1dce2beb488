# SPDX-License-Identifier: LGPL-2.1-or-later
"""Who runs files that a merge replaces."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tukit_sysext.system.old_files import mapped, service_of, still_there, users_of


@pytest.fixture
def runner() -> Iterator[subprocess.Popen[bytes]]:
    """A program that has its libraries: it has answered."""
    with subprocess.Popen(["/usr/bin/cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0) as process:
        assert process.stdin is not None and process.stdout is not None
        process.stdin.write(b"?")
        assert process.stdout.read(1) == b"?"
        yield process
        process.kill()


def test_a_program_that_runs_until_it_ends(runner: subprocess.Popen[bytes]) -> None:
    (user,) = [user for user in users_of({"usr/bin/cat"}) if user.pid == runner.pid]
    assert user.command == "cat"
    assert user.service == service_of(Path(f"/proc/{runner.pid}/cgroup").read_text(encoding="utf-8"))
    assert still_there([user]) == [user]
    runner.kill()
    runner.wait()
    assert still_there([user]) == []


def test_a_library_counts_too(runner: subprocess.Popen[bytes]) -> None:
    maps = Path(f"/proc/{runner.pid}/maps").read_text(encoding="utf-8")
    (library,) = {path for path in mapped(maps) if os.path.basename(path).startswith("libc.so")}
    users = users_of({library.lstrip("/")})
    assert runner.pid in [user.pid for user in users]
    assert os.getpid() not in [user.pid for user in users], "this very process ends soon"


def test_files_that_nobody_runs(runner: subprocess.Popen[bytes]) -> None:
    assert users_of({"usr/bin/no-such-program", "bin/cat.old"}) == []
    assert users_of(()) == []


def test_another_process_with_the_same_number(runner: subprocess.Popen[bytes]) -> None:
    (user,) = [user for user in users_of({"usr/bin/cat"}) if user.pid == runner.pid]
    assert still_there([type(user)(pid=user.pid, started="1", command="cat", service=None)]) == []


@pytest.mark.parametrize(
    ("cgroup", "service"),
    [
        ("0::/system.slice/sshd.service\n", "sshd.service"),
        ("0::/system.slice/system-getty.slice/getty@tty1.service\n", "getty@tty1.service"),
        ("9:name=systemd:/\n0::/system.slice/a.service\n", "a.service"),
        ("0::/user.slice/user-1000.slice/user@1000.service/app.slice/a.service\n", None),
        ("0::/user.slice/user-1000.slice/session-3.scope\n", None),
        ("0::/init.scope\n", None),
        ("1:name=systemd:/system.slice/a.service\n", None),
        ("", None),
    ],
)
def test_the_service_of_a_process(cgroup: str, service: str | None) -> None:
    assert service_of(cgroup) == service
