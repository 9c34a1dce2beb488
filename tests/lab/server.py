# SPDX-License-Identifier: LGPL-2.1-or-later
"""A server of folders on loopback, HTTP/1.1 with or without TLS, that logs requests and does wrong on demand.

    with Server(folder, latency_ms=20) as server:
        server.fail("*.raw", Cut(after=1000), times=1)
        ...  # a client fetches f"{server.url}/SHA256SUMS"
        assert [request.path for request in server.requests] == ["/SHA256SUMS"]

As a command: python -m tests.lab.server FOLDER [--tls] [--name NAME] [--latency-ms N] [--port N] [--log]
"""

from __future__ import annotations

import argparse
import signal
import socket
import ssl
import sys
import tempfile
import threading
from base64 import b64encode
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

from tests.lab.access import AccessLog, Request
from tests.lab.authority import LOOPBACK, Authority
from tests.lab.connection import Connection, Site
from tests.lab.faults import Fault, FaultBook, FaultSetting
from tests.lab.running import Running

_JOIN_SECONDS = 30


class Server(Running):
    """Serves a folder, or several by the first part of the path, from `start` to `stop` (or as a context).

    The latency is added to every answer. `port` 0 takes one that is free; it is kept when the server is started
    again, so that a server can go away and come back. `host` is only what `url` says. `login` is "user:password",
    which every request has to bring.
    """

    def __init__(
        self,
        folders: Path | Mapping[str, Path],
        *,
        authority: Authority | None = None,
        latency_ms: float = 0,
        port: int = 0,
        host: str = "127.0.0.1",
        login: str | None = None,
    ) -> None:
        self._folders = {"": folders} if isinstance(folders, Path) else dict(folders)
        self._context: ssl.SSLContext | None = authority.server_context() if authority else None
        self._latency = latency_ms / 1000
        self._host = host
        self._authorization = None if login is None else f"Basic {b64encode(login.encode()).decode()}"
        self.port = port
        self._faults = FaultBook()
        self._log = AccessLog()
        self._lock = threading.Lock()
        self._open: dict[Connection, threading.Thread] = {}
        self._accepted = 0
        self._listener: socket.socket | None = None
        self._stopping = threading.Event()

    @property
    def url(self) -> str:
        """Without a slash at its end."""
        return f"{'https' if self._context else 'http'}://{self._host}:{self.port}"

    @property
    def requests(self) -> list[Request]:
        """What was asked for since the start, or since `clear`; the rows of a finished answer are complete."""
        return self._log.rows()

    @property
    def connections(self) -> int:
        """How many connections these requests came over."""
        return len({request.connection for request in self.requests})

    def clear(self) -> None:
        """Forget the requests. Faults stay."""
        self._log.clear()

    def fail(self, pattern: str, fault: Fault, *, times: int | None = None) -> FaultSetting:
        """Do wrong in the next `times` answers (in all) to paths that match the fnmatch pattern.

        "*" matches "/" too, and the first slash does not count. Faults of different kinds add up; of one kind, and
        of those that replace the file, the one set first strikes until it is used up.
        """
        return self._faults.set(pattern, fault, times)

    def heal(self) -> None:
        """Take all faults off."""
        self._faults.clear()

    def start(self) -> Self:
        """Listen; connections are taken from now on."""
        self._stopping = threading.Event()
        site = Site(
            folders=self._folders,
            latency=self._latency,
            authorization=self._authorization,
            faults=self._faults,
            log=self._log,
            stopping=self._stopping,
        )
        self._listener = socket.create_server(("127.0.0.1", self.port), backlog=256)
        self.port = self._listener.getsockname()[1]
        self._acceptor = threading.Thread(target=self._accept, args=(self._listener, site), daemon=True)
        self._acceptor.start()
        return self

    def stop(self) -> None:
        """Stop listening, and end all connections at once, whatever they wait for. Harmless when it is stopped."""
        if self._listener is None:
            return
        self._stopping.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._acceptor.join(_JOIN_SECONDS)
        self._listener.close()
        self._listener = None
        with self._lock:
            left = dict(self._open)
        for connection, thread in left.items():
            connection.abort()
            thread.join(_JOIN_SECONDS)

    def _accept(self, listener: socket.socket, site: Site) -> None:
        while not site.stopping.is_set():
            try:
                connected, _ = listener.accept()
            except OSError:  # shut down by stop()
                return
            if self._context:
                try:
                    # The handshake is left to the connection's thread: a slow client must not hold up others.
                    connected = self._context.wrap_socket(connected, server_side=True, do_handshake_on_connect=False)
                except OSError:  # it has gone away already
                    connected.close()
                    continue
            self._accepted += 1
            try:
                connection = Connection(connected, self._accepted, site)
            except OSError:
                connected.close()
                continue
            thread = threading.Thread(target=self._serve, args=(connection,), daemon=True)
            with self._lock:
                self._open[connection] = thread
            thread.start()

    def _serve(self, connection: Connection) -> None:
        try:
            connection.serve()
        finally:
            with self._lock:
                del self._open[connection]


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve a folder until SIGINT or SIGTERM. The first line printed is the URL, the second the CA with --tls."""
    parser = argparse.ArgumentParser(prog="python -m tests.lab.server", description="Serve a folder on loopback.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--tls", action="store_true", help="HTTPS; the certificate of its CA is printed after the URL")
    parser.add_argument("--name", metavar="NAME", help="of the certificate; default: those of loopback")
    parser.add_argument("--latency-ms", type=float, default=0, metavar="N", help="added to every answer")
    parser.add_argument("--port", type=int, default=0, metavar="N", help="default: one that is free")
    parser.add_argument("--log", action="store_true", help="print the requests at the end")
    options = parser.parse_args(arguments)
    if not options.folder.is_dir():
        parser.error(f"{options.folder}: no such folder")
    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())
    with tempfile.TemporaryDirectory(prefix="lab-server-") as scratch:
        names = (options.name,) if options.name else LOOPBACK
        authority = Authority.make(Path(scratch), names=names) if options.tls else None
        with Server(options.folder, authority=authority, latency_ms=options.latency_ms, port=options.port) as server:
            print(server.url, flush=True)
            if authority:
                print(authority.certificate_path, flush=True)
            ended.wait()
        if options.log:
            for request in server.requests:
                print(request.status, request.sent, request.connection, request.method, request.path)
    return 0


if __name__ == "__main__":
    sys.exit(main())
