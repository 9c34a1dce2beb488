# SPDX-License-Identifier: LGPL-2.1-or-later
"""One connection to the lab's server: requests are read, and answered well or badly, one after the other (HTTP/1.1)."""

from __future__ import annotations

import gzip
import os
import socket
import ssl
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from http import HTTPStatus
from pathlib import Path
from urllib.parse import unquote

from tests.lab.access import AccessLog, Entry
from tests.lab.answers import http_date
from tests.lab.content import BLOCK, Blocks, endless, file_blocks, gzip_bomb
from tests.lab.faults import (
    Compressed,
    Corrupt,
    Cut,
    Delay,
    Endless,
    FaultBook,
    Garbage,
    Redirect,
    Refuse,
    Status,
    Struck,
    Trickle,
)
from tests.lab.planning import Headers, framing, plan_file, stated_length
from tests.lab.sending import Sender

_HEAD_LIMIT = 64 * 1024


@dataclass(frozen=True, kw_only=True, slots=True)
class Site:
    """What all connections of a server share."""

    folders: Mapping[str, Path]
    """By the first part of the path; the one named "" takes what no other does."""
    latency: float
    """Seconds added to every answer."""
    authorization: str | None = None
    """What a request has to say of itself in its header "Authorization"; None: nothing."""
    faults: FaultBook = field(default_factory=FaultBook)
    log: AccessLog = field(default_factory=AccessLog)
    stopping: threading.Event = field(default_factory=threading.Event)

    def find(self, path: str) -> Path | None:
        """The regular file that a path names."""
        parts = [part for part in unquote(path).split("/") if part]
        folder = self.folders.get("")
        if parts and parts[0] in self.folders:
            folder = self.folders[parts.pop(0)]
        if folder is None or not parts or ".." in parts or "\0" in path or "%00" in path:
            return None
        found = folder.joinpath(*parts)
        return found if found.is_file() else None


class Connection:
    """Answers what comes over a socket, until either side closes it. One thread serves, another may abort."""

    def __init__(self, connected: socket.socket, number: int, site: Site) -> None:
        connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket = connected
        self._number = number
        self._site = site
        self._sender = Sender(connected, site.stopping)
        self._buffer = bytearray()

    def serve(self) -> None:
        """Serve until the end. What a client does wrong, or its going away, ends the connection and no more."""
        try:
            if isinstance(self._socket, ssl.SSLSocket):
                self._socket.do_handshake()
            while (entry := self._read_request()) is not None:
                self._site.log.add(entry)
                if not self._answer(entry) or not _may_be_kept(entry):
                    break
        except OSError:
            pass
        finally:
            self._socket.close()

    def abort(self) -> None:
        """End it from another thread: what blocks there on the socket returns."""
        with suppress(OSError):
            # SSLSocket's own shutdown would take the TLS layer away under the other thread.
            socket.socket.shutdown(self._socket, socket.SHUT_RDWR)

    def _read_request(self) -> Entry | None:
        """The next request; None at the end, and for what is no request."""
        while (end := self._buffer.find(b"\r\n\r\n")) < 0:
            if len(self._buffer) > _HEAD_LIMIT or not (block := self._socket.recv(BLOCK)):
                return None
            self._buffer += block
        request_line, *lines = self._buffer[:end].decode("latin-1").split("\r\n")
        del self._buffer[: end + 4]
        if request_line.count(" ") != 2:
            return None
        method, target, version = request_line.split(" ")
        headers: dict[str, str] = {}
        for line in lines:
            name, _, value = line.partition(":")
            name, value = name.strip().lower(), value.strip()
            headers[name] = f"{headers[name]}, {value}" if name in headers else value
        if "://" in target:  # as to a proxy
            target = "/" + target.partition("://")[2].partition("/")[2]
        path, _, query = target.partition("?")
        return Entry(method=method, path=path, query=query, headers=headers, version=version, connection=self._number)

    def _answer(self, entry: Entry) -> bool:
        """Answer one request; whether the connection may be kept."""
        struck = self._site.faults.take(unquote(entry.path))
        delay = struck.get(Delay)
        wait = self._site.latency + (delay.seconds if delay else 0)
        if wait and self._site.stopping.wait(wait):
            return False
        if refuse := struck.get(Refuse):
            if refuse.reset:
                self._sender.reset()
            return False
        if garbage := struck.get(Garbage):
            self._socket.sendall(garbage.content)
            return False
        if entry.method not in {"GET", "HEAD"}:
            return self._send_text(entry, 405, ("Allow", "GET, HEAD"))
        if self._site.authorization not in (None, entry.headers.get("authorization")):
            return self._send_text(entry, 401, ("WWW-Authenticate", 'Basic realm="lab"'))
        if status := struck.get(Status):
            later = () if status.retry_after is None else (("Retry-After", str(status.retry_after)),)
            return self._send_text(entry, status.code, *later)
        if redirect := struck.get(Redirect):
            target = redirect.url.replace("{path}", entry.path.lstrip("/"))
            return self._send_text(entry, redirect.code, ("Location", target))
        path = self._site.find(entry.path)
        if path is None:
            return self._send_text(entry, 404)
        with open(path, "rb", buffering=0) as file:
            return self._send_file(entry, file.fileno(), struck)

    def _send_text(self, entry: Entry, status: int, *headers: tuple[str, str]) -> bool:
        text = b"" if status in {204, 304} else f"{status} {_reason(status)}\n".encode()
        if text:
            headers += (("Content-Type", "text/plain"), ("Content-Length", str(len(text))))
        entry.status = status
        text = b"" if entry.method == "HEAD" else text
        entry.sent = len(text)
        self._socket.sendall(_head(status, headers) + text)
        return True

    def _send_file(self, entry: Entry, descriptor: int, struck: Struck) -> bool:
        plan = plan_file(entry.method, entry.headers, os.fstat(descriptor), struck)
        if plan.status in {304, 416}:
            return self._send_text(entry, plan.status, *plan.headers)

        def plain() -> Blocks:
            return file_blocks(descriptor, plan.start, plan.length, plan.flipped)

        packed = None
        if compressed := struck.get(Compressed):
            bomb = compressed.bomb_mib
            packed = gzip_bomb(bomb) if bomb else gzip.compress(b"".join(plain()), 1, mtime=0)
        length = plan.length if packed is None else len(packed)
        entry.status = plan.status
        head = _head(plan.status, plan.headers + framing(length, struck))
        if entry.method == "HEAD":
            self._socket.sendall(head)
            return True

        if packed is None and not any(map(struck.get, (Corrupt, Cut, Trickle, Endless))):
            sent = self._sender.part(entry, head, descriptor, plan.start, length)
        else:
            self._socket.sendall(head)
            content = plain if packed is None else partial(iter, (packed,))
            if never := struck.get(Endless):
                self._sender.blocks(entry, endless(content), struck, chunked=never.framing == "chunked")
                return False
            sent = self._sender.blocks(entry, content(), struck)
        if cut := struck.get(Cut):
            if cut.reset:
                self._sender.reset()
            return False
        # What the client waits for and does not get, it learns from the end of the connection.
        return sent == stated_length(length, struck)


def _may_be_kept(entry: Entry) -> bool:
    """Not where the client wants its end, nor where a body would be taken for the next request."""
    body = "transfer-encoding" in entry.headers or entry.headers.get("content-length", "0") != "0"
    wanted = entry.headers.get("connection", "").lower() != "close"
    return entry.version == "HTTP/1.1" and wanted and not body


def _head(status: int, headers: Headers) -> bytes:
    lines = [f"HTTP/1.1 {status} {_reason(status)}", f"Date: {http_date(datetime.now(UTC))}"]
    lines += [f"{name}: {value}" for name, value in headers]
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


def _reason(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Unknown"
