# SPDX-License-Identifier: LGPL-2.1-or-later
"""Running tukit-sysext in a lab on a terminal of a given width."""

from __future__ import annotations

import os
import pty
import re
import select
import subprocess
import termios
from collections.abc import Callable, Mapping, Sequence

from tests.lab import Lab
from tests.lab.machine import ENVIRONMENT


def on_terminal(
    lab: Lab, arguments: Sequence[str], *, columns: int, environment: Mapping[str, str] | None = None
) -> tuple[int, str]:
    """Exit status, and all that the terminal gets, colours too."""
    own, theirs = pty.openpty()
    variables = {**ENVIRONMENT, "TERM": "xterm-256color", "COLUMNS": str(columns), "TZ": "UTC", **(environment or {})}
    with subprocess.Popen(
        lab.enter_command(["tukit-sysext", *arguments]), env=variables, stdin=theirs, stdout=theirs, stderr=theirs
    ) as process:
        os.close(theirs)
        content = b""
        while piece := _read(own):
            content += piece
        os.close(own)
    return process.returncode, content.decode().replace("\r\n", "\n")


_QUESTION = re.compile(r"\] \(\w+\): $")
"""As zypper asks, with the choices and what it takes by default."""
_POLL = 0.1
"""Seconds: zypper throws away what was typed before it reads, and does not say when it reads."""


def answered(lab: Lab, command: str, answer: Callable[[str], str]) -> str:
    """Run a shell command in which zypper asks on the terminal; returns what that shows. It has to end with 0.

    :param answer: is given what is shown, up to the question; where it says nothing the input ends
    """
    own, theirs = pty.openpty()
    settings = termios.tcgetattr(theirs)
    settings[3] &= ~termios.ECHO  # so that a question stays the last that is shown until its answer was read
    termios.tcsetattr(theirs, termios.TCSANOW, settings)
    words = lab.enter_command(["setsid", "--ctty", "--wait", "sh", "-c", command])
    with subprocess.Popen(words, env=ENVIRONMENT, stdin=theirs, stdout=theirs, stderr=theirs) as process:
        os.close(theirs)
        shown = ""
        while True:
            if select.select([own], [], [], _POLL)[0]:
                if not (piece := _read(own)):
                    break
                shown += piece.decode(errors="replace").replace("\r", "")
            elif _QUESTION.search(shown):
                given = answer(shown)
                os.write(own, f"{given}\n".encode() if given else b"\x04")
        os.close(own)
    assert process.returncode == 0, f"{command}\n{shown}"
    return shown


def _read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 65536)
    except OSError:
        return b""  # Linux says EIO when nobody has the other side of a terminal any more


def plain(text: str) -> str:
    """What a terminal shows, without colours and commands."""
    return re.sub(r"\033\[[0-9;?]*[A-Za-z]", "", text)
