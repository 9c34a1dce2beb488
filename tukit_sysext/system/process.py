# SPDX-License-Identifier: LGPL-2.1-or-later
"""The one gateway to other programs: argument lists, our own environment, a timeout, limits, no shell.

subprocess and selectors are imported where a program is started: it takes 2 ms, and most hooks and commands start none.
"""

from __future__ import annotations

import logging
import os
import shlex
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from tukit_sysext.errors import ToolBroken
from tukit_sysext.rules.printable import printable
from tukit_sysext.system.environment import PATH

if TYPE_CHECKING:
    import subprocess

log = logging.getLogger(__name__)

PRLIMIT = "/usr/bin/prlimit"

ENVIRONMENT = {"PATH": PATH, "LANG": "C.UTF-8", "LC_ALL": "C.UTF-8"}
"""What children see: nothing of the caller's environment reaches them (threat L7)."""


class ProcessResult(NamedTuple):
    """How a program ended: exit status (negative: the signal), output and messages as text."""

    status: int
    output: str
    messages: str

    @property
    def died(self) -> str:
        """Why its output and status say nothing: a signal has ended it, or it was not started; empty where they do."""
        if self.status < 0:
            return f"killed by signal {-self.status}"
        if self.status in _NOT_STARTED:
            return f"status {self.status}: {self.said or 'it cannot be started'}"
        return ""

    @property
    def said(self) -> str:
        """The messages in one line that can be printed."""
        return printable(" ".join(self.messages.split()))


_NOT_STARTED = (126, 127)
"""What prlimit(1), shells and the dynamic loader end with where a program cannot be started."""


LEFT_AFTER = 5.0
"""Seconds after which a program that was killed, and is still there (its disk does not answer), is left to itself."""


class TimedOut(Exception):
    """The program did not end in time and was killed."""


def run(
    argv: Sequence[str],
    *,
    timeout: float,
    descriptors: Sequence[int] = (),
    cpu_seconds: int | None = None,
    file_size: int | None = None,
    memory: int | None = None,
    environment: Mapping[str, str] = ENVIRONMENT,
) -> ProcessResult:
    """Run a program to its end, its output captured, with /dev/null as standard input and "/" as directory.

    ``argv[0]`` is an absolute path. ``timeout`` in seconds, ``file_size`` and ``memory`` (of address space) in bytes.
    Raises ToolBroken when the program cannot be started and TimedOut when it had to be killed.
    """
    process = _start(argv, descriptors, {"cpu": cpu_seconds, "as": memory, "fsize": file_size}, environment)
    try:
        output, messages = process.communicate(timeout=timeout)
    except BaseException as error:
        _kill(process)
        if _is_timeout(error):
            raise _timed_out(argv, timeout) from error
        raise
    return _result(process.returncode, output, messages)


def stream(
    argv: Sequence[str],
    take: Callable[[bytes], None],
    *,
    timeout: float,
    descriptors: Sequence[int] = (),
    cpu_seconds: int | None = None,
    memory: int | None = None,
) -> ProcessResult:
    """The same for a program that writes to no file, and whose output ``take`` gets as it comes.

    What ``take`` raises ends it.
    """
    import selectors

    process = _start(argv, descriptors, {"cpu": cpu_seconds, "as": memory, "fsize": 0}, ENVIRONMENT)
    messages = bytearray()
    ends = time.monotonic() + timeout
    try:
        with selectors.DefaultSelector() as selector:
            for pipe, taker in ((process.stdout, take), (process.stderr, messages.extend)):
                assert pipe is not None  # noqa: S101  # for the type checker: both are pipes
                selector.register(pipe, selectors.EVENT_READ, taker)
            while selector.get_map():
                left = ends - time.monotonic()
                if left <= 0:
                    raise _timed_out(argv, timeout)
                for key, _ in selector.select(left):
                    piece = os.read(key.fd, _PIECE)
                    key.data(piece)
                    del messages[_LONGEST:]
                    if not piece:
                        selector.unregister(key.fileobj)
        process.wait(timeout=LEFT_AFTER)
    except BaseException as error:
        _kill(process)
        if _is_timeout(error):
            raise _timed_out(argv, timeout) from error
        raise
    finally:
        for pipe in (process.stdout, process.stderr):
            if pipe is not None:
                pipe.close()
    return _result(process.returncode, b"", bytes(messages))


_PIECE = 1024 * 1024
_LONGEST = 64 * 1024
"""Bytes of messages that are kept."""


def _is_timeout(error: BaseException) -> bool:
    import subprocess

    return isinstance(error, subprocess.TimeoutExpired)


def _timed_out(argv: Sequence[str], timeout: float) -> TimedOut:
    return TimedOut(f"{shlex.join(argv)}: no end after {timeout:g} s")


def _start(
    argv: Sequence[str], descriptors: Sequence[int], bounds: Mapping[str, int | None], environment: Mapping[str, str]
) -> subprocess.Popen[bytes]:
    import subprocess

    limits = ["--core=0", *(f"--{name}={most}" for name, most in bounds.items() if most is not None)]
    if not os.access(argv[0], os.X_OK):
        raise ToolBroken(f"{argv[0]}: not installed, or cannot be executed", next_step=f"install {argv[0]}")
    log.debug("running: %s", shlex.join(argv))
    try:
        return subprocess.Popen(
            # prlimit(1) instead of a function between fork and exec, which is not safe in a process with threads
            [PRLIMIT, *limits, "--", *argv],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd="/",
            env=environment,
            pass_fds=tuple(descriptors),
            # its own session, so that a timeout ends its children with it and nobody keeps our caller's pipe open
            start_new_session=True,
        )
    except OSError as error:
        message = f"{PRLIMIT}: cannot be started: {error.strerror}"
        raise ToolBroken(message, next_step=f"install {PRLIMIT}") from error


def _result(status: int, output: bytes, messages: bytes) -> ProcessResult:
    return ProcessResult(
        status=status,
        output=output.decode("utf-8", "replace"),
        messages=messages.decode("utf-8", "replace"),
    )


def _kill(process: subprocess.Popen[bytes]) -> None:
    """Kill a program with its children, and wait for it, but not for ever."""
    import subprocess

    os.killpg(process.pid, 9)
    for pipe in (process.stdout, process.stderr):
        if pipe is not None:
            pipe.close()  # not read to the end: a child in a session of its own may hold it open
    try:
        process.wait(LEFT_AFTER)
    except subprocess.TimeoutExpired:
        log.error("process %d was killed and does not end: it is left to itself", process.pid)
        process.returncode = -9  # nobody asks for it again
