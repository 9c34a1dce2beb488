# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the lab's server was asked for."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True, slots=True)
class Request:
    """One request and what it got."""

    method: str
    path: str
    """As it was sent, with its first slash, without the query."""
    query: str
    headers: Mapping[str, str]
    """By lower-case names."""
    status: int | None
    """None: no answer yet, or none at all."""
    sent: int
    """Bytes of the body so far, without framing."""
    connection: int
    """Which connection brought it, counted from 1 since the server was started."""
    at: float
    """When its head had been read, by time.monotonic()."""


@dataclass(kw_only=True, slots=True)
class Entry:
    """A request that is being answered; the thread that does so changes it."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    version: str
    connection: int
    status: int | None = None
    sent: int = 0
    at: float = field(default_factory=time.monotonic)

    def row(self) -> Request:
        """How it stands now."""
        return Request(
            method=self.method,
            path=self.path,
            query=self.query,
            headers=self.headers,
            status=self.status,
            sent=self.sent,
            connection=self.connection,
            at=self.at,
        )


class AccessLog:
    """Requests in the order in which they were read. May be used from all threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._entries: list[Entry] = []

    def add(self, entry: Entry) -> None:
        """Log a request, before anything is answered: so a client that has its answer finds the row."""
        with self._lock:
            self._entries.append(entry)

    def rows(self) -> list[Request]:
        """All requests since the start, or since `clear`."""
        with self._lock:
            return [entry.row() for entry in self._entries]

    def clear(self) -> None:
        """Forget them."""
        with self._lock:
            self._entries.clear()
