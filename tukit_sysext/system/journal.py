# SPDX-License-Identifier: LGPL-2.1-or-later
"""Messages of the hooks: to the journal, and the errors among them to one loud line at the end."""

from __future__ import annotations

import logging
import os
import syslog
from typing import TextIO

from tukit_sysext.rules.printable import printable


class Journal(logging.Handler):
    """Messages to syslog(3), which is the journal where systemd runs."""

    _PRIORITIES = (
        (logging.ERROR, syslog.LOG_ERR),
        (logging.WARNING, syslog.LOG_WARNING),
        (logging.INFO, syslog.LOG_INFO),
    )

    def emit(self, record: logging.LogRecord) -> None:
        priority = next((value for level, value in self._PRIORITIES if record.levelno >= level), syslog.LOG_DEBUG)
        syslog.syslog(priority, "\n".join(map(printable, self.format(record).split("\n"))))


class Faults(logging.Handler):
    """Collects what was logged as an error: all of it goes into one loud line at the end."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.messages: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        text = " ".join(record.getMessage().split())
        if text not in self.messages:
            self.messages.append(text)


def kept_from_children(stream: TextIO) -> TextIO:
    """The same stream by another descriptor, which no child inherits; in its place children find /dev/null."""
    number = stream.fileno()
    own = open(os.dup(number), "w", buffering=1, errors="backslashreplace")  # noqa: SIM115  # open to the end
    with open(os.devnull, "w") as nothing:
        os.dup2(nothing.fileno(), number)
    return own
