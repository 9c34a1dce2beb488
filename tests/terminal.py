# SPDX-License-Identifier: LGPL-2.1-or-later
"""Running tukit-sysext in a lab on a terminal of a given width."""

from __future__ import annotations

import os
import pty
import re
import subprocess
from collections.abc import Mapping, Sequence

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


def _read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 65536)
    except OSError:
        return b""  # Linux says EIO when nobody has the other side of a terminal any more


def plain(text: str) -> str:
    """What a terminal shows, without colours and commands."""
    return re.sub(r"\033\[[0-9;?]*[A-Za-z]", "", text)
