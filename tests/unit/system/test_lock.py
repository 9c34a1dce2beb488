# SPDX-License-Identifier: LGPL-2.1-or-later
"""Locks end: each wait has a deadline, and who holds the lock is named (threat P1)."""

from __future__ import annotations

import fcntl
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from tests.rpm import TOP
from tukit_sysext.errors import Busy
from tukit_sysext.system.holders import holders
from tukit_sysext.system.lock import alone, exclusive, queued, shared

_HOLD = (
    "import fcntl, sys\nfile = open(sys.argv[1])\nfcntl.flock(file, fcntl.LOCK_EX)\nprint(flush=True)\nsys.stdin.read()"
)


@contextmanager
def held(path: Path, script: str = _HOLD) -> Iterator[int]:
    """A process that holds the lock meanwhile; its number."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(0o600)
    with subprocess.Popen(
        [sys.executable, "-c", script, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None and process.stdout.readline() == b"\n"
        try:
            yield process.pid
        finally:
            process.kill()


Take = Callable[[Path], AbstractContextManager[object]]
WAYS: tuple[Take, ...] = (shared, alone, exclusive, lambda path: queued(path, lambda holder: None))


@pytest.mark.parametrize("take", WAYS, ids=["shared", "alone", "exclusive", "queued"])
def test_every_wait_ends_and_names_who_holds_the_lock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, take: Take
) -> None:
    monkeypatch.setattr("tukit_sysext.system.lock._PATIENCE", 0.2)
    monkeypatch.setattr("tukit_sysext.system.lock._QUEUE_PATIENCE", 0.2)
    path = tmp_path / "lock"
    with held(path) as pid:
        os.kill(pid, signal.SIGSTOP)
        os.waitid(os.P_PID, pid, os.WSTOPPED)
        started = time.monotonic()
        with pytest.raises(Busy, match=rf"process {pid} \(.*python.*, stopped\)"), take(path):
            pass
        assert time.monotonic() - started < 10
    with take(path):
        pass


def test_who_waits_in_a_queue_is_told_for_whom(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tukit_sysext.system.lock._QUEUE_PATIENCE", 0.0)
    path, told = tmp_path / "lock", list[str]()
    with held(path) as pid, pytest.raises(Busy), queued(path, told.append):
        pass
    assert len(told) == 1 and f"process {pid} (" in told[0]


@contextmanager
def child_that_has_the_lock(path: Path, user: int | None = None) -> Iterator[int]:
    """A cat that has a lock which we took; its process. It runs: one that is only being started has no command yet."""
    path.touch()
    descriptor, pipe = os.open(path, os.O_RDWR), subprocess.PIPE
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    with subprocess.Popen(["/bin/cat", "-u"], pass_fds=(descriptor,), stdin=pipe, stdout=pipe, user=user) as child:
        os.close(descriptor)
        assert child.stdin is not None and child.stdout is not None
        try:
            child.stdin.write(b"\n")
            child.stdin.flush()
            child.stdout.read(1)
            yield child.pid
        finally:
            child.kill()


def test_a_child_that_has_the_lock_of_a_process_that_is_gone_is_named(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with child_that_has_the_lock(path) as pid:
        assert holders(path) == f"process {pid} (/bin/cat -u)"
    assert "cannot be seen" in holders(path)
    path.unlink()
    assert "gone" in holders(path)


@pytest.mark.root
def test_the_memory_of_another_users_process_is_not_read(tmp_path: Path) -> None:
    """He can have the page with his command line come from a file system of his own, which never answers."""
    path = tmp_path / "lock"
    with child_that_has_the_lock(path, user=65534) as pid:
        assert holders(path) == f"process {pid} (cat)"


@pytest.mark.root
@pytest.mark.parametrize("lock", [fcntl.flock, fcntl.lockf])
def test_one_that_has_more_capabilities_is_named_too(tmp_path: Path, lock: Callable[[int, int], object]) -> None:
    """Our units have few: they may not read what files another process of root has open."""
    path = tmp_path / "lock"
    ask = "import sys; from pathlib import Path; from tukit_sysext.system.holders import holders"
    confined = [
        "setpriv",
        "--bounding-set=-sys_ptrace",
        sys.executable,
        "-c",
        f"{ask}; print(holders(Path(sys.argv[1])))",
    ]
    with open(path, "w") as file:
        lock(file.fileno(), fcntl.LOCK_EX)
        said = subprocess.run([*confined, str(path)], stdout=subprocess.PIPE, text=True, check=True, cwd=TOP).stdout
    assert f"process {os.getpid()} (" in said


def test_who_holds_a_database_is_named(tmp_path: Path) -> None:
    """SQLite's locks are of another kind (fcntl(2))."""
    path = tmp_path / "a.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE a (b)")
    connection.close()
    script = (
        "import sqlite3, sys\nc = sqlite3.connect(sys.argv[1], isolation_level=None)\n"
        "c.execute('BEGIN IMMEDIATE')\nprint(flush=True)\nsys.stdin.read()"
    )
    with held(path, script) as pid:
        assert f"process {pid} (" in holders(path)


@pytest.mark.parametrize("take", WAYS, ids=["shared", "alone", "exclusive", "queued"])
def test_a_lock_is_a_file_that_nobody_else_can_open(tmp_path: Path, take: Take) -> None:
    path = tmp_path / "locks/lock"
    with take(path):
        assert path.stat().st_mode & 0o777 == 0o600
    path.chmod(0o644)
    with take(path):
        assert path.stat().st_mode & 0o777 == 0o600


def test_the_folder_of_locks_is_for_root_alone(tmp_path: Path) -> None:
    with alone(tmp_path / "locks/publish"):
        assert (tmp_path / "locks").stat().st_mode & 0o777 == 0o700
