# SPDX-License-Identifier: LGPL-2.1-or-later
"""What runs beside a test, from `start` to `stop` or as a context."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self


class Running(ABC):
    """What is started and stopped."""

    @abstractmethod
    def start(self) -> Self:
        """Start it."""

    @abstractmethod
    def stop(self) -> None:
        """End it. Harmless when it does not run."""

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()


class _HttpServer(ThreadingHTTPServer):
    request_queue_size = 256
    """Connections that may wait: a client whose connection is dropped tries again after a second."""


class HandlerServer(Running):
    """Answers requests by a handler of http.server, on a free port of loopback; each in a thread of its own."""

    def __init__(self, handler: type[BaseHTTPRequestHandler]) -> None:
        self._server = _HttpServer(("127.0.0.1", 0), handler)
        self.port = self._server.server_port

    def start(self) -> Self:
        """Answer from now on."""
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()
        return self

    def stop(self) -> None:
        """Answer no more, once what is under way is answered."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
