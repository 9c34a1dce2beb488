# SPDX-License-Identifier: LGPL-2.1-or-later
"""Messages of the hooks: to the journal, and the errors among them to one loud line at the end."""

from __future__ import annotations

import logging
import select
import struct
import syslog
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from tukit_sysext.errors import WithNextStep
from tukit_sysext.rules.printable import printable

if TYPE_CHECKING:
    import socket

ADDRESS = Path("/dev/log")
NATIVE = Path("/run/systemd/journal/socket")
"""Takes fields beside the text: https://systemd.io/JOURNAL_NATIVE_PROTOCOL/"""
REFUSAL = logging.ERROR - 1
"""The level of why an update is refused: as loud as an error, but no fault of ours."""
_PATIENCE = 2.0
"""Seconds for which a journal that takes nothing is waited for, in all."""


class Journal(logging.Handler):
    """Messages to syslog(3)'s socket, which is the journal where systemd runs.

    libc's own function waits for ever where nobody takes messages out of the socket, and so would an update.
    """

    _PRIORITIES = (
        (REFUSAL, syslog.LOG_ERR),
        (logging.WARNING, syslog.LOG_WARNING),
        (logging.INFO, syslog.LOG_INFO),
    )

    def __init__(self) -> None:
        super().__init__()
        self._left = _PATIENCE
        self._connected = False
        self._socket: socket.socket | None = None

    def _connect(self) -> None:
        """With the first message: most runs have none, and are spared the module."""
        import socket

        self._connected = True
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        try:
            self._socket.connect(str(ADDRESS))
        except OSError:
            self.close()

    def close(self) -> None:
        """See logging.Handler."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None
        super().close()

    def emit(self, record: logging.LogRecord) -> None:
        """See logging.Handler. Never raises OSError: what the journal does not take is lost."""
        priority = next((value for level, value in self._PRIORITIES if record.levelno >= level), syslog.LOG_DEBUG)
        text = "\n".join(map(printable, self.format(record).split("\n")))
        fields = getattr(record, "fields", None)
        if fields and self._send_native({"MESSAGE": text, "PRIORITY": str(priority), **fields}):
            return
        stamp = time.strftime("%b %e %H:%M:%S")
        self._send(f"<{syslog.LOG_DAEMON | priority}>{stamp} tukit-sysext: {text}".encode(errors="backslashreplace"))

    def _send_native(self, fields: Mapping[str, str]) -> bool:
        """Send one entry with fields; False where the journal does not take it, so that its text alone is sent."""
        import socket

        entry = b"SYSLOG_IDENTIFIER=tukit-sysext\nSYSLOG_FACILITY=3\n"
        for name, value in fields.items():
            content = value.encode(errors="backslashreplace")
            entry += name.encode() + b"\n" + struct.pack("<Q", len(content)) + content + b"\n"
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as journal:
                journal.setblocking(False)
                journal.sendto(entry, str(NATIVE))
        except OSError:
            return False
        return True

    def _send(self, message: bytes) -> None:
        if not self._connected:
            self._connect()
        while self._socket is not None:
            try:
                self._socket.send(message)
                return
            except BlockingIOError:
                started = time.monotonic()
                select.select((), (self._socket,), (), max(0.0, self._left))
                self._left -= time.monotonic() - started
                if self._left <= 0:
                    self.close()
            except OSError:
                return  # it is away, or the message is too long


class Faults(logging.Handler):
    """Collects what was logged as an error: one loud line at the end has all of it."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.messages: list[str] = []
        self.next_steps: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        message = record.msg if isinstance(record.msg, WithNextStep) else WithNextStep(record.getMessage(), None)
        text = " ".join(message.text.split())
        if text not in self.messages:
            self.messages.append(text)
        if message.step and message.step not in self.next_steps:
            self.next_steps.append(message.step)
