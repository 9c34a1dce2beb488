# SPDX-License-Identifier: LGPL-2.1-or-later
"""Requests of any method with a body, one after the other over a kept connection, as publishing to a server needs them.

An answer is given back whatever its status is; who asks knows what it means. Redirects are not followed.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from types import TracebackType
from typing import Self

from tukit_sysext.errors import SourceUnreachable
from tukit_sysext.net.attempt import redacted_message
from tukit_sysext.net.libcurl import pycurl
from tukit_sysext.net.login import Login
from tukit_sysext.net.network import NetworkSettings
from tukit_sysext.net.redirects import origin, shown_url

_LIMIT = 1024 * 1024
"""The most bytes of an answer."""
_STORE_TIMEOUT = 600.0
"""Seconds that a server may take to store a file, before it answers; and for all of a request without a file."""
_SELECT = 1.0
_RESOLVING = 0.01
"""Seconds to wait while libcurl has nothing to wait for: a thread of its own resolves a name."""


@dataclass(frozen=True, kw_only=True, slots=True)
class FileBody:
    """The first ``size`` bytes of an open file; ``sent`` gets how many of them were sent, each time some are."""

    descriptor: int
    size: int
    sent: Callable[[int], None] = lambda _: None


@dataclass(frozen=True, kw_only=True, slots=True)
class SendRequest:
    """What a server is asked, with a header ``authorization`` (empty: none), else as ``login`` where it is for it."""

    method: str
    url: str
    headers: Sequence[str] = ()
    body: bytes | FileBody | None = None
    authorization: str = field(default="", repr=False)
    login: Login | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class SendReply:
    """What it answers; the names of headers in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def good(self) -> bool:
        """Whether it did what it was asked."""
        return HTTPStatus.OK <= self.status < HTTPStatus.MULTIPLE_CHOICES


class NotAsked(SourceUnreachable):
    """No connection came about with a server, or it is not the one that it should be."""


class Sender:
    """Sends requests; close it when done (a context manager)."""

    def __init__(self, settings: NetworkSettings) -> None:
        self._settings = settings
        self._handle = pycurl.Curl()
        self._multi = pycurl.CurlMulti()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._handle.close()
        self._multi.close()

    def send(self, request: SendRequest) -> SendReply:
        """Ask once. Raises SourceUnreachable where there is no answer, NotAsked where nothing was asked."""
        handle, headers, body = self._handle, dict[str, str](), bytearray()

        def header(line: bytes) -> None:
            text = line.decode("iso-8859-1").strip()
            if text.startswith("HTTP/"):
                headers.clear()  # of an interim answer before
            name, colon, value = text.partition(":")
            name, value = name.strip().lower(), value.strip()
            if colon and value.isprintable():
                # who wants one of several things says so in several lines
                headers[name] = f"{headers[name]}, {value}" if name in headers else value

        def write(data: bytes) -> int | None:
            body.extend(data)
            return None if len(body) <= _LIMIT else -1  # it may have no end

        handle.reset()
        self._set_up(request)
        handle.setopt(pycurl.HEADERFUNCTION, header)
        handle.setopt(pycurl.WRITEFUNCTION, write)
        code, message = self._perform()
        if code != pycurl.E_OK:
            asked = handle.getinfo(pycurl.PRETRANSFER_TIME) and handle.getinfo(pycurl.REQUEST_SIZE)
            # libcurl may not let a handle be set up again that failed
            handle.close()
            self._handle = pycurl.Curl()
            words = redacted_message(message) or f"libcurl's error {code}"
            words = f"an answer of more than {_LIMIT} bytes" if len(body) > _LIMIT else words
            kind = SourceUnreachable if asked else NotAsked
            raise kind(f"{request.method} {shown_url(request.url)}: {words}")
        return SendReply(status=handle.getinfo(pycurl.RESPONSE_CODE), headers=headers, body=bytes(body))

    def _set_up(self, request: SendRequest) -> None:
        handle, settings = self._handle, self._settings
        handle.setopt(pycurl.URL, request.url)
        handle.setopt(pycurl.PROTOCOLS, pycurl.PROTO_HTTP | pycurl.PROTO_HTTPS)
        handle.setopt(pycurl.FOLLOWLOCATION, False)
        handle.setopt(pycurl.NOSIGNAL, True)
        handle.setopt(pycurl.USERAGENT, settings.user_agent)
        handle.setopt(pycurl.CONNECTTIMEOUT_MS, round(settings.connect_timeout * 1000))
        handle.setopt(pycurl.LOW_SPEED_LIMIT, settings.least_rate)
        window = _STORE_TIMEOUT if isinstance(request.body, FileBody) else settings.silence
        handle.setopt(pycurl.LOW_SPEED_TIME, round(window))
        if not isinstance(request.body, FileBody):
            handle.setopt(pycurl.TIMEOUT_MS, round(_STORE_TIMEOUT * 1000))
        # an empty proxy keeps libcurl from looking at the environment: the configuration alone counts
        handle.setopt(pycurl.PROXY, settings.proxy_for(request.url))
        handle.setopt(pycurl.NOPROXY, settings.no_proxy)
        if settings.ca_file is not None:
            handle.setopt(pycurl.CAINFO, os.fsencode(settings.ca_file))
        headers = list(request.headers)
        if request.authorization:
            headers.append(f"Authorization: {request.authorization}")
        elif request.login is not None and origin(request.url) in request.login.origins:
            handle.setopt(pycurl.HTTPAUTH, pycurl.HTTPAUTH_BASIC)
            handle.setopt(pycurl.USERNAME, request.login.user.encode())
            handle.setopt(pycurl.PASSWORD, request.login.password.encode())
        if request.method == "HEAD":
            handle.setopt(pycurl.NOBODY, True)
        elif request.body is not None:
            self._set_body(request.body)
        handle.setopt(pycurl.CUSTOMREQUEST, request.method)
        handle.setopt(pycurl.HTTPHEADER, [header.encode("iso-8859-1") for header in headers])

    def _set_body(self, body: bytes | FileBody) -> None:
        """libcurl asks for the bytes as they go, and may begin anew on another connection."""
        size = body.size if isinstance(body, FileBody) else len(body)
        position = 0

        def read(most: int) -> bytes | int:
            nonlocal position
            try:
                if isinstance(body, FileBody):
                    data = os.pread(body.descriptor, min(most, size - position), position)
                else:
                    data = body[position : position + most]
            except OSError:
                return pycurl.READFUNC_ABORT
            if not data and position < size:
                return pycurl.READFUNC_ABORT  # it became shorter: libcurl would wait for the rest
            position += len(data)
            if isinstance(body, FileBody):
                body.sent(position)
            return data

        def seek(offset: int, _origin: int) -> int:
            nonlocal position
            position = offset
            return 0

        self._handle.setopt(pycurl.UPLOAD, True)
        self._handle.setopt(pycurl.INFILESIZE_LARGE, size)
        self._handle.setopt(pycurl.READFUNCTION, read)
        self._handle.setopt(pycurl.SEEKFUNCTION, seek)

    def _perform(self) -> tuple[int, str]:
        """Carry it out; libcurl's code and words."""
        multi = self._multi
        multi.add_handle(self._handle)
        try:
            while True:
                # an interruption that came while libcurl calls us back would be printed, and forgotten
                before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
                try:
                    while multi.perform()[0] == pycurl.E_CALL_MULTI_PERFORM:
                        pass
                finally:
                    signal.pthread_sigmask(signal.SIG_SETMASK, before)
                _, good, bad = multi.info_read()
                if good:
                    return pycurl.E_OK, ""
                if bad:
                    return bad[0][1], bad[0][2]
                timeout = multi.timeout()
                pause = min(_SELECT, timeout / 1000) if timeout >= 0 else _SELECT
                if multi.select(pause) < 0:
                    time.sleep(min(pause, _RESOLVING))
        finally:
            with suppress(pycurl.error):
                multi.remove_handle(self._handle)
