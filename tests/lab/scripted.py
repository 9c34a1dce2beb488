# SPDX-License-Identifier: LGPL-2.1-or-later
"""A server on loopback whose answers a test writes: for what neither files nor real servers do."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler

from tests.lab.authority import Authority
from tests.lab.running import HandlerServer


@dataclass(frozen=True, kw_only=True, slots=True)
class Asked:
    """A request: its path with the query, and its headers by lower-case names."""

    path: str
    headers: Mapping[str, str]


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """What is answered; with ``stated`` that is said to be the length, and the connection ends behind the body."""

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    stated: int | None = None


class ScriptedServer(HandlerServer):
    """Answers each GET with what ``answer`` gives for it, so much later; ``asked`` has them all."""

    def __init__(
        self,
        answer: Callable[[Asked], Answer],
        *,
        authority: Authority | None = None,
        host: str = "127.0.0.1",
        latency_ms: float = 0,
    ) -> None:
        self.asked: list[Asked] = []
        self._stopping = threading.Event()

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_GET(handler) -> None:  # the server is self
                headers = {name.lower(): value for name, value in handler.headers.items()}
                request = Asked(path=handler.path, headers=headers)
                self.asked.append(request)
                found = answer(request)
                self._stopping.wait(latency_ms / 1000)
                handler.send_response(found.status)
                for name, value in found.headers.items():
                    handler.send_header(name, value)
                handler.send_header("Content-Length", str(len(found.body) if found.stated is None else found.stated))
                handler.end_headers()
                handler.wfile.write(found.body)
                handler.close_connection = found.stated is not None

            def log_message(self, *_: object) -> None:
                pass

        super().__init__(Handler)
        if authority is not None:
            self._server.socket = authority.server_context().wrap_socket(self._server.socket, server_side=True)
        self.url = f"{'http' if authority is None else 'https'}://{host}:{self.port}"

    @property
    def paths(self) -> list[str]:
        """What was asked for."""
        return [request.path for request in self.asked]

    def stop(self) -> None:
        """Answer no more, and what is under way at once."""
        self._stopping.set()
        super().stop()
