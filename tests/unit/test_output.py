# SPDX-License-Identifier: LGPL-2.1-or-later
"""What becomes of our output decides nothing: neither whether an update is refused, nor how long that takes (P4)."""

from __future__ import annotations

import logging
import os
import select
import signal
import socket
import sqlite3
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import NoReturn

import pytest

from tests import descriptors
from tests.descriptors import Case
from tests.rpm import TOP
from tukit_sysext import cli, entry, last_check
from tukit_sysext.exit_status import ExitStatus
from tukit_sysext.system import journal

ARGUMENTS = ["tukit", "finalize-pre", "/", "1"]
MUCH = "x" * 300_000


def ended(case: Case, status: ExitStatus, monkeypatch: pytest.MonkeyPatch) -> int:
    """A hook that prints much on both outputs, while it works, and ends with this status."""

    def main(arguments: object) -> ExitStatus:
        print(MUCH)
        print(MUCH, file=sys.stderr, flush=True)
        return status

    def work() -> NoReturn:
        monkeypatch.setattr(last_check, "PATIENCE", 0.1)
        monkeypatch.setattr(entry, "main", main)
        entry.run(ARGUMENTS)

    found, seconds = descriptors.status_of(case, work)
    assert seconds < 10
    return found


@pytest.mark.parametrize("status", [ExitStatus.DONE, ExitStatus.REFUSED, ExitStatus.NOT_DONE])
def test_a_hook_ends_as_it_was_decided_whatever_its_output_leads_to(
    monkeypatch: pytest.MonkeyPatch, status: ExitStatus
) -> None:
    assert len(descriptors.ALL) == 98
    assert {case: ended(case, status, monkeypatch) for case in descriptors.ALL} == dict.fromkeys(
        descriptors.ALL, status
    )


def saying(arguments: object) -> ExitStatus:
    print("said")
    return ExitStatus.REFUSED


def test_what_was_said_comes_out_when_all_is_decided(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "out"
    child = os.fork()
    if child == 0:
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT), 1)
        monkeypatch.setattr(entry, "main", saying)
        entry.run(ARGUMENTS)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 75
    assert path.read_text() == "said\n"


EXPECTED = {"reader gone": ExitStatus.BROKEN_PIPE, "full disk": ExitStatus.FAILED, "dead terminal": ExitStatus.FAILED}
"""How a command ends that did its work, by what became of its standard output."""


@pytest.mark.parametrize("status", [ExitStatus.DONE, ExitStatus.FAILED, ExitStatus.REFUSED])
def test_a_command_does_its_work_and_its_status_is_true(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, status: ExitStatus
) -> None:
    """Done is done only where what it says has come out; its work is done in any case."""
    done = tmp_path / "done"

    def main() -> int:
        print(MUCH, flush=True)
        print("and more", file=sys.stderr)
        done.touch()
        return status

    def work() -> NoReturn:
        monkeypatch.setattr(cli, "main", main)
        cli.run()

    for case in descriptors.ALL:
        if "full pipe" in case[1] or "full pipe" in case[2]:
            continue  # a command waits for its reader, as every filter does
        done.unlink(missing_ok=True)
        found, _ = descriptors.status_of(case, work)
        assert done.exists(), case
        assert found == (EXPECTED.get(case[1], status) if status is ExitStatus.DONE else status), case


def test_no_file_gets_the_number_of_a_descriptor_that_was_closed(tmp_path: Path) -> None:
    """What is printed would be written into a database then."""
    path = tmp_path / "a.db"

    def work() -> int:
        from tukit_sysext.system.descriptors import make_whole

        make_whole()
        connection = sqlite3.connect(path)
        connection.execute("CREATE TABLE a (b)")
        os.write(1, b"printed")
        os.write(2, b"printed")
        connection.execute("INSERT INTO a VALUES (1)")
        connection.commit()
        return 0

    assert descriptors.status_of(("closed", "closed", "closed"), work)[0] == 0
    assert sqlite3.connect(path).execute("SELECT * FROM a").fetchall() == [(1,)]
    assert b"printed" not in path.read_bytes()


class TestJournal:
    """Messages to a journal that is away, or takes nothing."""

    @pytest.fixture
    def address(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        monkeypatch.setattr(journal, "ADDRESS", tmp_path / "log")
        monkeypatch.setattr(journal, "_PATIENCE", 0.2)
        return tmp_path / "log"

    def record(self, level: int = logging.ERROR) -> logging.LogRecord:
        return logging.LogRecord("tukit_sysext", level, "", 1, "a\x1bb", (), None)

    def test_away(self, address: Path) -> None:
        journal.Journal().emit(self.record())

    @pytest.mark.parametrize(
        ("level", "priority"),
        [(logging.ERROR, 27), (journal.REFUSAL, 27), (logging.WARNING, 28), (logging.INFO, 30), (logging.DEBUG, 31)],
    )
    def test_a_message_has_its_priority_and_our_name(self, address: Path, level: int, priority: int) -> None:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as end:
            end.bind(str(address))
            with closing(journal.Journal()) as handler:
                handler.emit(self.record(level))
            message = end.recv(4096).decode()
        assert message.startswith(f"<{priority}>") and message.endswith(" tukit-sysext: a\\x1bb")

    def test_full(self, address: Path) -> None:
        """One wait, not one for each message; then nothing is sent any more."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as end:
            end.bind(str(address))
            handler = journal.Journal()
            started = time.monotonic()
            for _ in range(5000):
                handler.emit(self.record())
            assert time.monotonic() - started < 5
            assert select.select((end,), (), (), 0)[0]

    def test_gone_meanwhile(self, address: Path) -> None:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as end:
            end.bind(str(address))
            handler = journal.Journal()
        with closing(handler):
            handler.emit(self.record())


def test_a_hook_is_not_ended_by_a_reader_that_has_gone(tmp_path: Path) -> None:
    """SIGPIPE is ignored (bit 12 of the mask), also by what a hook starts, and where Python does not do so."""
    program = tmp_path / "python"
    program.write_text(f"#!/bin/sh\ngrep SigIgn /proc/self/status >{tmp_path}/ignored\nexit 75\n")
    program.chmod(0o755)
    hook = tmp_path / "hook"
    hook.write_text((TOP / "hooks/50-tukit-sysext").read_text().replace("/usr/bin/python3\n", f"{program}\n"))

    def work() -> NoReturn:
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
        os.execv("/bin/sh", ["/bin/sh", str(hook), "finalize-pre", "/nowhere", "1"])  # noqa: S606  # as tukit starts it

    assert descriptors.status_of(("null", "null", "reader gone"), work)[0] == 75
    assert int((tmp_path / "ignored").read_text().split()[1], 16) & 0x1000
    assert "\ntrap '' PIPE\n" in (TOP / "snapper-plugins/60-tukit-sysext").read_text()
