# SPDX-License-Identifier: LGPL-2.1-or-later
"""Who runs files that a merge replaces."""

from __future__ import annotations

import io
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tukit_sysext.system.old_files import mapped, service_of, still_there, users_of


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(["/usr/bin/sleep", "60"])
    yield process
    process.kill()
    process.wait()


def test_a_program_that_runs_until_it_ends(sleeper: subprocess.Popen[bytes]) -> None:
    (user,) = [user for user in users_of({"usr/bin/sleep"}) if user.pid == sleeper.pid]
    assert (user.command, user.service) == ("sleep", None) or user.service is not None
    assert still_there([user]) == [user]
    sleeper.kill()
    sleeper.wait()
    assert still_there([user]) == []


def test_a_library_counts_too(sleeper: subprocess.Popen[bytes]) -> None:
    # a program that was started just now may be about to load it
    while "libc.so" not in (read := Path(f"/proc/{sleeper.pid}/maps").read_text(encoding="utf-8")):
        os.sched_yield()
    with io.StringIO(read) as maps:
        (library,) = {path for path in mapped(maps.read()) if os.path.basename(path).startswith("libc.so")}
    users = users_of({library.lstrip("/")})
    assert sleeper.pid in [user.pid for user in users]
    assert os.getpid() not in [user.pid for user in users], "this very process ends soon"


def test_files_that_nobody_runs(sleeper: subprocess.Popen[bytes]) -> None:
    assert users_of({"usr/bin/no-such-program", "bin/sleep.old"}) == []
    assert users_of(()) == []


def test_another_process_with_the_same_number(sleeper: subprocess.Popen[bytes]) -> None:
    (user,) = [user for user in users_of({"usr/bin/sleep"}) if user.pid == sleeper.pid]
    assert still_there([type(user)(pid=user.pid, started="1", command="sleep", service=None)]) == []


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
