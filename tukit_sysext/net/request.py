# SPDX-License-Identifier: LGPL-2.1-or-later
"""Requests for files of servers, their responses, and the state in between. Values, and no libcurl."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Protocol

from tukit_sysext.errors import TukitSysextError
from tukit_sysext.net.redirects import Evidence, Redirects

if TYPE_CHECKING:
    from tukit_sysext.formats.challenge import Challenge
    from tukit_sysext.net.login import Login
    from tukit_sysext.net.tokens import Tokens

FIRST_PAUSE = 0.25
"""Seconds before a server is asked again the first time."""


class ByteSink(Protocol):
    """Where the bytes of a large file go. What it raises is final for this file."""

    def expect(self, size: int) -> None:
        """Called before the first byte with the size of the whole file, where it is known: there may be no room."""

    def write(self, data: bytes) -> None:
        """Take the next bytes."""

    def resume(self) -> int:
        """Called before anything else, where the source can go on in the middle of a file: take what came in an earlier
        run as written, and say how many bytes that is."""

    def restart(self) -> None:
        """Forget everything that was written: the file comes again from its beginning."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ByteRange:
    """The bytes of a file from offset ``begin`` to that before offset ``end``."""

    begin: int
    end: int

    def __len__(self) -> int:
        return self.end - self.begin


@dataclass(frozen=True, kw_only=True, slots=True)
class Request:
    """One file to be fetched, or a part of one.

    ``urls`` say where, in the order of preference. ``limit`` is the most bytes that are taken. ``sink`` takes the
    bytes; without one they are returned. ``etag`` and ``modified`` (as the server said them) ask for a newer file only,
    at the URL ``asked_at`` that said so. ``accept`` is asked about a whole file (its bytes, empty with a sink):
    ImageBroken from it means that this server has a wrong one. ``deadline`` in seconds from the start of the request.
    ``redirects`` says which are followed; what another host gives is doubted, but where ``doubts`` is False: who asks
    judges it himself. At the URLs ``past_caches`` no cache may answer. With ``discard`` the bytes
    are for ``accept`` alone, and not in the response: of many files one after the other is in memory then. ``login`` is
    for the servers that ask who one is, ``tokens`` for registries. ``media_types`` are asked for, as the Accept header
    has them (empty: any).

    With ``part`` these bytes alone are asked for, and returned. A server that sends the whole file instead is left at
    its first byte, or carries out ``instead`` (a request for the whole file, with a sink) by what it sends.
    """

    urls: Sequence[str]
    limit: int
    deadline: float
    sink: ByteSink | None = None
    etag: str | None = None
    modified: str | None = None
    asked_at: str | None = None
    redirects: Redirects = Redirects.SECURE
    doubts: bool = True
    past_caches: Collection[str] = ()
    accept: Callable[[bytes], None] | None = None
    discard: bool = False
    login: Login | None = None
    tokens: Tokens | None = None
    media_types: str = ""
    part: ByteRange | None = None
    instead: Request | None = None

    @property
    def is_download(self) -> bool:
        """Whether it is about an image, which may take long, and not about something small."""
        return self.sink is not None or self.part is not None


@dataclass(frozen=True, kw_only=True, slots=True)
class Response:
    """A file that was fetched: its bytes (empty with a sink), and what the server said to recognise it by.

    ``url`` was asked for, ``given_at`` is where that led to; not to be shown as it is. ``unchanged``: the server says
    that the one asked about is still the newest. ``link`` is the Link header, of a list in pages.
    """

    url: str
    given_at: str
    body: bytes
    etag: str | None
    modified: str | None
    unchanged: bool = False
    link: str = ""


FetchResult = Response | TukitSysextError


class Next(Enum):
    """What to do after a transfer that failed."""

    RESUME = "go on where it was"
    RETRY = "this server may have it later"
    GIVE_UP = "this server will not have it"
    REDIRECT = "it is elsewhere"
    CHALLENGE = "a registry wants a token"
    DOUBT = "a host to which this one redirects says so alone"
    STOP = "nobody can help: we cannot take it"


@dataclass(slots=True)
class RequestState:
    """How far a request is: which servers are left, and what was received of the file from which one."""

    request: Request
    remaining: list[str]
    turn: int = 0
    pause: float = FIRST_PAUSE
    failures: dict[str, TukitSysextError] = field(default_factory=dict)
    received: int = 0
    gained: int = 0
    source: str = ""
    recognised_by: str = ""
    resumed: bool = False
    kept: bool = False
    """What was received came in an earlier run: any server may go on behind it."""
    ends: float = 0.0
    progress: float = 0.0
    redirects: dict[str, list[str]] = field(default_factory=dict)
    evidence: Evidence = field(default_factory=Evidence)
    doubts: Counter[str] = field(default_factory=Counter)
    """How often what came by each URL was doubted."""
    challenge: Challenge | None = None
    challenged: dict[str, int] = field(default_factory=dict)
    """How much had come when a token was wanted at each URL."""

    def take_whole(self, whole: Request) -> None:
        """The whole file comes, and not the part that was asked for: from its beginning, into the sink of ``whole``."""
        if whole.sink is not None:
            whole.sink.restart()
        self.request = whole
        self.received, self.source, self.recognised_by, self.resumed, self.kept = 0, "", "", False, False

    def forget(self) -> None:
        """The next attempt begins at the first byte."""
        if self.received and self.request.sink is not None:
            self.request.sink.restart()
        self.received, self.source, self.recognised_by, self.resumed, self.kept = 0, "", "", False, False
