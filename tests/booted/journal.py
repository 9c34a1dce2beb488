# SPDX-License-Identifier: LGPL-2.1-or-later
"""The journal of a booted machine, by its fields (systemd.journal-fields(7))."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from tests.lab import Lab


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """One entry."""

    message: str
    priority: int
    """As in syslog(3): 3 is an error, 4 a warning, 6 information."""
    fields: Mapping[str, object]


def entries(machine: Lab, *matches: str, boot: int = 0) -> list[Entry]:
    """What was logged in a boot, oldest first.

    :param matches: arguments of journalctl(1), as "--unit=NAME"
    :param boot: 0 is the running one, -1 the one before
    """
    command = ["journalctl", "--output=json", "--no-pager", "--quiet", f"--boot={boot}", *matches]
    return [_parsed(line) for line in machine.run(command).stdout.splitlines()]


def text(machine: Lab, *matches: str, boot: int = 0) -> str:
    """The messages alone, a line each."""
    return "".join(f"{entry.message}\n" for entry in entries(machine, *matches, boot=boot))


def _parsed(line: str) -> Entry:
    fields = json.loads(line)
    message = fields.get("MESSAGE")
    if isinstance(message, list):  # bytes that are no text
        message = bytes(message).decode(errors="replace")
    return Entry(message=message or "", priority=int(fields.get("PRIORITY", 6)), fields=fields)
