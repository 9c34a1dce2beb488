# SPDX-License-Identifier: LGPL-2.1-or-later
"""Requests of any method with a body, one after the other over a kept connection, as publishing to a server needs them.

An answer is given back whatever its status is; who asks knows what it means. Redirects are not followed.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from types import TracebackType
from typing import Self

from tukit_sysext.errors import SourceUnreachable
from tukit_sysext.net.handle import Head, advance, failure_text, prepare, redacted_message, was_asked
from tukit_sysext.net.libcurl import pycurl
from tukit_sysext.net.login import Login
from tukit_sysext.net.network import NetworkSettings
from tukit_sysext.net.redirects import shown_url

_LIMIT = 1024 * 1024
"""The most bytes of an answer."""
_STORE_TIMEOUT = 600.0
"""Seconds that a server may take to store a file, before it answers; and for all of a request without a file."""
_SELECT = 1.0


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
        handle, head, body = self._handle, Head(), bytearray()

        def write(data: bytes) -> int | None:
            body.extend(data)
            return None if len(body) <= _LIMIT else -1  # it may have no end

        handle.reset()
        where = f"{request.method} {shown_url(request.url)}"
        try:
            self._set_up(request, head)
        except (pycurl.error, UnicodeEncodeError) as error:
            raise NotAsked(f"{where}: cannot be asked for: {redacted_message(str(error))}") from error
        handle.setopt(pycurl.WRITEFUNCTION, write)
        code, message = self._perform()
        if code != pycurl.E_OK:
            words = failure_text(handle, code, message)
            words = f"an answer of more than {_LIMIT} bytes" if len(body) > _LIMIT else words
            kind = SourceUnreachable if was_asked(handle) else NotAsked
            # libcurl may not let a handle be set up again that failed
            handle.close()
            self._handle = pycurl.Curl()
            raise kind(f"{where}: {words}")
        return SendReply(status=head.status, headers=head.headers, body=bytes(body))

    def _set_up(self, request: SendRequest, head: Head) -> None:
        handle = self._handle
        sends_file = isinstance(request.body, FileBody)
        prepare(
            handle,
            request.url,
            self._settings,
            headers=request.headers,
            authorization=request.authorization,
            login=request.login,
            head=head,
            silence=_STORE_TIMEOUT if sends_file else self._settings.silence,
            seconds=None if sends_file else _STORE_TIMEOUT,
        )
        if request.method == "HEAD":
            handle.setopt(pycurl.NOBODY, True)
        elif request.body is not None:
            self._set_body(request.body)
        handle.setopt(pycurl.CUSTOMREQUEST, request.method)

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
        self._multi.add_handle(self._handle)
        try:
            while True:
                for _, code, message in advance(self._multi, _SELECT):
                    return code, message
        finally:
            with suppress(pycurl.error):
                self._multi.remove_handle(self._handle)
