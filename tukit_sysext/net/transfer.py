# SPDX-License-Identifier: LGPL-2.1-or-later
"""Downloads over HTTP and HTTPS: several at once over kept connections, mirrors in turn, retries within a deadline.

libcurl (pycurl) does the work, as it does for zypper: it is imported in a few milliseconds, where urllib3 and requests
take ten times as long, and it brings least rates, kept connections and the system's certificates along. One thread does
it all.

What is tried for one job, in this order: its URLs in turn; after the last one a pause that doubles, and again from the
first, until the deadline. A server that says that it does not have the file is not asked again. A transfer that broke
off after some bytes goes on where it was at the same server, if that can tell that the file is still the same.
"""

from __future__ import annotations

import heapq
import logging
import re
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Protocol
from urllib.parse import urlsplit

import pycurl

from tukit_sysext.errors import ImageBroken, SourceUnreachable, TukitSysextError
from tukit_sysext.net.settings import NetworkSettings

log = logging.getLogger(__name__)

_MOST_REDIRECTS = 5
_FIRST_PAUSE = 0.25
_LONGEST_PAUSE = 8.0
_SELECT = 1.0
_RESOLVING = 0.01
_MUCH = 1024 * 1024
_MOST_DIGITS = 20
_OK, _PARTIAL, _NOT_MODIFIED, _RANGE_NOT_SATISFIABLE = 200, 206, 304, 416
_NOT_THERE = frozenset((404, 410))
_REDIRECTS = frozenset((301, 302, 303, 307, 308))
_ASK_AGAIN = frozenset((408, 425, 429, 500, 502, 503, 504))


class Sink(Protocol):
    """Where the bytes of a large file go."""

    def expect(self, size: int) -> None:
        """Told how many bytes the whole file has, before the first one, where the server says so."""

    def write(self, data: bytes) -> None:
        """Take the next bytes; whatever it raises ends the job for good."""

    def restart(self) -> None:
        """Forget everything that was written: the file comes again from its beginning."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Job:
    """One file to be had.

    ``urls`` say where, in the order of preference. ``limit`` is the most bytes that are taken. ``sink`` takes the
    bytes; without one they are returned. ``etag`` and ``modified`` (as the server said them) ask for a newer file only.
    ``accept`` is asked about a whole file (its bytes, empty with a sink): ImageBroken from it means that this server
    has a wrong one. ``deadline`` in seconds from the start of the job. With ``same_origin`` a redirect to another
    server is refused.
    """

    urls: Sequence[str]
    limit: int
    deadline: float
    sink: Sink | None = None
    etag: str | None = None
    modified: str | None = None
    same_origin: bool = False
    accept: Callable[[bytes], None] | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """A file that was had: from where, its bytes (empty with a sink), and what the server said to recognise it again.

    ``unchanged``: the server says that the one asked about is still the newest.
    """

    url: str
    body: bytes
    etag: str | None
    modified: str | None
    unchanged: bool = False


class NotThere(SourceUnreachable):
    """Every server says that it does not have the file."""


Result = Answer | TukitSysextError


class _Next(Enum):
    """What to do after a transfer that failed."""

    RESUME = "go on where it was"
    RETRY = "this server may have it later"
    GIVE_UP = "this server will not have it"
    REDIRECT = "it is elsewhere on this server"
    STOP = "nobody can help: we cannot take it"


@dataclass(slots=True)
class _State:
    """How far a job is: which servers are left, and what was received of the file from which one."""

    job: Job
    ends: float
    remaining: list[str]
    turn: int = 0
    pause: float = _FIRST_PAUSE
    failures: dict[str, TukitSysextError] = field(default_factory=dict)
    received: int = 0
    gained: int = 0
    source: str = ""
    recognised_by: str = ""
    resumed: bool = False
    redirects: dict[str, list[str]] = field(default_factory=dict)

    def forget(self) -> None:
        """The next attempt begins at the first byte."""
        if self.received and self.job.sink is not None:
            self.job.sink.restart()
        self.received, self.source, self.recognised_by, self.resumed = 0, "", "", False


class Transfers:
    """Runs jobs. Connections are kept from one run to the next; close it when done (a context manager)."""

    def __init__(self, settings: NetworkSettings, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._settings = settings
        self._clock = clock
        self._multi = pycurl.CurlMulti()
        self._multi.setopt(pycurl.M_MAX_HOST_CONNECTIONS, settings.connections)
        self._idle: list[pycurl.Curl] = []

    def __enter__(self) -> Transfers:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close all connections."""
        for handle in self._idle:
            handle.close()
        self._idle.clear()
        self._multi.close()

    def run(self, jobs: Sequence[Job], *, at_once: int) -> list[Result]:
        """Carry out jobs, ``at_once`` of them at a time; the result of each in their order.

        A result is an Answer, or why there is none: SourceUnreachable, ImageBroken, or what a sink raised (StoreError).
        """
        results: list[Result | None] = [None] * len(jobs)
        now = self._clock()
        queue: list[tuple[float, int]] = [(now, number) for number in range(len(jobs))]
        states = [_State(job=job, ends=now + job.deadline, remaining=list(dict.fromkeys(job.urls))) for job in jobs]
        active: dict[pycurl.Curl, tuple[int, _Transfer]] = {}
        try:
            while queue or active:
                while queue and len(active) < at_once and queue[0][0] <= self._clock():
                    number = heapq.heappop(queue)[1]
                    transfer = self._start(states[number])
                    if isinstance(transfer, _Transfer):
                        active[transfer.handle] = (number, transfer)
                    elif (again := self._after_failure(states[number], *transfer)) is not None:
                        heapq.heappush(queue, (again, number))
                    else:
                        results[number] = _verdict(states[number])
                if not active and not queue:
                    break
                pause = _SELECT if len(active) >= at_once or not queue else queue[0][0] - self._clock()
                for handle, code, message in self._finished(min(_SELECT, max(0.0, pause)), idle=not active):
                    number, transfer = active.pop(handle)
                    self._multi.remove_handle(handle)
                    outcome = transfer.outcome(code, message)
                    if code == pycurl.E_OK:
                        self._idle.append(handle)
                    else:
                        handle.close()  # libcurl may not let it be set up again; its connections are not its own
                    if isinstance(outcome, Answer):
                        results[number] = outcome
                        continue
                    again = self._after_failure(states[number], transfer.url, *outcome)
                    if again is None:
                        results[number] = _verdict(states[number])
                    else:
                        heapq.heappush(queue, (again, number))
        finally:
            for handle in active:
                self._multi.remove_handle(handle)
                handle.close()
        return [result for result in results if result is not None]

    def _start(self, state: _State) -> _Transfer | tuple[str, TukitSysextError, _Next]:
        """Start the next attempt; where libcurl does not take the URL: that URL, the error, and what to do."""
        handle = self._idle.pop() if self._idle else pycurl.Curl()
        handle.reset()
        if state.recognised_by and state.source in state.remaining:
            url = state.source
        else:
            state.forget()
            url = state.remaining[state.turn]
        seconds = state.ends - self._clock()
        if state.job.sink is None:
            # one server that hangs must leave time for the others; of an image the least rate takes care
            seconds /= max(1, len(state.remaining) - state.turn)
        try:
            transfer = _Transfer(handle, state, url, self._settings, max(0.001, seconds))
        except (pycurl.error, UnicodeEncodeError) as error:
            handle.close()
            told = _CREDENTIALS.sub("//", str(error))
            return url, SourceUnreachable(f"{url}: cannot be asked for: {told}"), _Next.GIVE_UP
        self._multi.add_handle(handle)
        return transfer

    def _finished(self, pause: float, *, idle: bool) -> Iterator[tuple[pycurl.Curl, int, str]]:
        """Let transfers go on, for ``pause`` seconds at the most; those that ended, each with libcurl's code."""
        if idle:
            time.sleep(pause)
            return
        while self._multi.perform()[0] == pycurl.E_CALL_MULTI_PERFORM:
            pass
        ended = []
        while True:
            left, good, bad = self._multi.info_read()
            ended += [(handle, pycurl.E_OK, "") for handle in good]
            ended += [(handle, code, message) for handle, code, message in bad]
            if not left:
                break
        # libcurl has nothing to wait for while a thread of its own resolves a name: it says -1 then
        timeout = self._multi.timeout()
        pause = min(pause, timeout / 1000) if timeout >= 0 else pause
        if not ended and self._multi.select(pause) < 0:
            time.sleep(min(pause, _RESOLVING))
        yield from ended

    def _after_failure(self, state: _State, url: str, error: TukitSysextError, what: _Next) -> float | None:
        """Note a failure; when to try again, or None where there is no more to try."""
        now = self._clock()
        if what is _Next.REDIRECT:
            return now
        state.failures.pop(url, None)  # the order is that of the last failures
        state.failures[url] = error
        log.info("%s", error)
        if what is _Next.STOP:
            return None
        if what is _Next.RESUME:
            return self._pause(state, now, free=state.gained >= _MUCH)
        state.forget()
        if what is _Next.GIVE_UP:
            state.remaining.remove(url)
        else:
            state.turn += 1
        if not state.remaining:
            return None
        if state.turn < len(state.remaining):
            return now
        state.turn = 0
        return self._pause(state, now)

    def _pause(self, state: _State, now: float, *, free: bool = False) -> float | None:
        """When to try again; None where that would be after the deadline."""
        again = now if free else now + state.pause
        state.pause = state.pause if free else min(_LONGEST_PAUSE, state.pause * 2)
        return again if again < state.ends else None


def _verdict(state: _State) -> TukitSysextError:
    """Why a job failed, from what each server did: one that had the file, but a wrong one, says more than one away."""
    failures = list(state.failures.values())
    told = "; ".join(dict.fromkeys(str(failure) for failure in failures))
    kinds = [type(failure) for failure in failures]
    if kinds[-1] not in (ImageBroken, SourceUnreachable, NotThere):
        return failures[-1]  # ours: the store cannot take it
    if ImageBroken in kinds:
        return ImageBroken(told)
    return SourceUnreachable(told) if SourceUnreachable in kinds else NotThere(told)


class _Transfer:
    """One attempt at one URL."""

    def __init__(self, handle: pycurl.Curl, state: _State, url: str, settings: NetworkSettings, seconds: float) -> None:
        self.handle = handle
        self.url = url
        self._state = state
        self._headers: dict[str, str] = {}
        self._status_code = 0  # libcurl's getinfo may not be asked from a callback
        self._body = bytearray()
        self._begun = False
        self._refusal: Exception | None = None
        self._resume_from = state.received
        self._set_up(settings, seconds)

    def _set_up(self, settings: NetworkSettings, seconds: float) -> None:
        handle, job = self.handle, self._state.job
        secure = self.url.startswith("https:")
        handle.setopt(pycurl.URL, self._state.redirects.get(self.url, [self.url])[-1])
        handle.setopt(pycurl.PROTOCOLS, pycurl.PROTO_HTTP | pycurl.PROTO_HTTPS)
        handle.setopt(pycurl.FOLLOWLOCATION, not job.same_origin)
        handle.setopt(pycurl.MAXREDIRS, _MOST_REDIRECTS)
        handle.setopt(pycurl.REDIR_PROTOCOLS, pycurl.PROTO_HTTPS if secure else pycurl.PROTO_HTTP | pycurl.PROTO_HTTPS)
        handle.setopt(pycurl.NOSIGNAL, True)
        handle.setopt(pycurl.USERAGENT, settings.user_agent)
        handle.setopt(pycurl.CONNECTTIMEOUT_MS, round(settings.connect_timeout * 1000))
        handle.setopt(pycurl.LOW_SPEED_LIMIT, settings.least_rate)
        handle.setopt(pycurl.LOW_SPEED_TIME, settings.least_rate_window)
        handle.setopt(pycurl.TIMEOUT_MS, max(1, round(seconds * 1000)))
        handle.setopt(pycurl.BUFFERSIZE, 512 * 1024)
        # an empty proxy keeps libcurl from looking at the environment: the configuration alone counts
        handle.setopt(pycurl.PROXY, settings.proxy_for(self.url))
        handle.setopt(pycurl.NOPROXY, settings.no_proxy)
        if settings.ca_file is not None:
            handle.setopt(pycurl.CAINFO, settings.ca_file)
        headers = ["Accept-Encoding: identity", "Accept:"]
        if self._resume_from:
            headers.append(f"If-Range: {self._state.recognised_by}")
            handle.setopt(pycurl.RANGE, f"{self._resume_from}-")
        if job.etag is not None:
            headers.append(f"If-None-Match: {job.etag}")
        elif job.modified is not None:
            headers.append(f"If-Modified-Since: {job.modified}")
        # what a server said is given back to it byte by byte
        handle.setopt(pycurl.HTTPHEADER, [header.encode("iso-8859-1") for header in headers])
        handle.setopt(pycurl.HEADERFUNCTION, self._header)
        handle.setopt(pycurl.WRITEFUNCTION, self._write)

    def _header(self, line: bytes) -> None:
        text = line.decode("iso-8859-1").strip()
        if text.startswith("HTTP/"):
            self._headers.clear()  # of a redirect before
            words = text.split()
            self._status_code = int(words[1]) if len(words) > 1 and words[1].isdigit() else 0
        name, colon, value = text.partition(":")
        if colon and value.strip().isprintable():
            self._headers[name.strip().lower()] = value.strip()

    def _write(self, data: bytes) -> int | None:
        """libcurl's callback for bytes of the body; anything but None ends the transfer."""
        try:
            self._take(data)
        except Exception as error:
            # told by outcome(): an exception cannot pass through libcurl
            self._refusal = error
            return -1
        return None

    def _take(self, data: bytes) -> None:
        status = self._status_code
        if status not in (_OK, _PARTIAL):
            return  # the body of an error is nobody's business
        state = self._state
        if not self._begun:
            self._begin(status)
        if state.received + len(data) > state.job.limit:
            raise ImageBroken(f"{self.url}: larger than the limit of {state.job.limit} bytes")
        if state.job.sink is not None:
            state.job.sink.write(data)
        else:
            self._body += data
        state.received += len(data)

    def _begin(self, status: int) -> None:
        self._begun = True
        state = self._state
        encoding = self._headers.get("content-encoding", "identity")
        if encoding != "identity":
            raise SourceUnreachable(f"{self.url}: asked for the plain file, found Content-Encoding {encoding[:40]!r}")
        if status == _PARTIAL:
            start = self._headers.get("content-range", "").removeprefix("bytes ").partition("-")[0]
            if not self._resume_from or start != str(self._resume_from):
                raise SourceUnreachable(f"{self.url}: asked for bytes from {self._resume_from}, found {start[:40]!r}")
            state.resumed = True
        else:
            state.forget()  # the whole file again, whatever was there before
        etag = self._headers.get("etag", "")
        if state.job.sink is not None:
            size = self._size(status)
            if size is not None:
                state.job.sink.expect(size)
            state.source = self.url
            state.recognised_by = etag if etag.startswith('"') else self._headers.get("last-modified", "")

    def _size(self, status: int) -> int | None:
        """How many bytes the whole file has, as the server says."""
        text = self._headers.get("content-length", "")
        if status == _PARTIAL:
            text = self._headers.get("content-range", "").rpartition("/")[2]
        return int(text) if text.isascii() and text.isdigit() and len(text) <= _MOST_DIGITS else None

    def outcome(self, code: int, message: str) -> Answer | tuple[TukitSysextError, _Next]:
        """What came of it: the file, or why there is none and what to do next."""
        state = self._state
        if self._refusal is not None:
            return self._refused(self._refusal)
        if code != pycurl.E_OK:
            return self._broken_off(code, message)
        status = self._status_code
        if status == _NOT_MODIFIED and (state.job.etag is not None or state.job.modified is not None):
            return Answer(url=self.url, body=b"", etag=state.job.etag, modified=state.job.modified, unchanged=True)
        if status not in (_OK, _PARTIAL):
            return self._status(status)
        if not self._begun:
            try:
                self._begin(status)  # a file of no bytes
            except SourceUnreachable as error:
                return error, _Next.GIVE_UP
        body = bytes(self._body)
        if state.job.accept is not None:
            try:
                state.job.accept(body)
            except ImageBroken as error:
                # put together of two files perhaps: once more, from the beginning
                return error, _Next.RETRY if state.resumed else _Next.GIVE_UP
            except TukitSysextError as error:
                return error, _Next.STOP
        etag, modified = self._headers.get("etag"), self._headers.get("last-modified")
        return Answer(url=self.url, body=body, etag=etag, modified=modified)

    def _refused(self, error: Exception) -> tuple[TukitSysextError, _Next]:
        if isinstance(error, ImageBroken | SourceUnreachable):
            return error, _Next.GIVE_UP
        if isinstance(error, TukitSysextError):
            return error, _Next.STOP
        raise error

    def _broken_off(self, code: int, message: str) -> tuple[TukitSysextError, _Next]:
        error = SourceUnreachable(f"{self.url}: {self._words(code, message)}")
        if code in _NEVER:
            return error, _Next.GIVE_UP
        state = self._state
        state.gained = state.received - self._resume_from
        # a server that is too slow is asked again only where there is no other
        slow = code == pycurl.E_OPERATION_TIMEDOUT and len(state.remaining) > 1
        if state.gained > 0 and state.recognised_by and not slow:
            return error, _Next.RESUME
        return error, _Next.RETRY

    def _words(self, code: int, message: str) -> str:
        """What went wrong, in words; libcurl's own behind it, which may have the proxy with its password in it."""
        if code == pycurl.E_UNSUPPORTED_PROTOCOL and self.handle.getinfo(pycurl.REDIRECT_COUNT):
            told = "redirects to something else than HTTP or HTTPS"
        else:
            told = _WORDS.get(code, f"libcurl's error {code}")
        message = _CREDENTIALS.sub("//", message)
        return f"{told} ({message})" if message else told

    def _status(self, status: int) -> tuple[TukitSysextError, _Next]:
        told = f"{self.url}: the server answers with status {status}"
        if status in _REDIRECTS:
            return self._redirected(told)
        if status in _ASK_AGAIN:
            return SourceUnreachable(told), _Next.RETRY
        if status == _RANGE_NOT_SATISFIABLE and self._resume_from:
            return SourceUnreachable(told), _Next.RETRY
        kind = NotThere if status in _NOT_THERE else SourceUnreachable
        return kind(told), _Next.GIVE_UP

    def _redirected(self, told: str) -> tuple[TukitSysextError, _Next]:
        """A redirect of a file that has to come from the server itself: followed where it stays there."""
        raw = self.handle.getinfo_raw(pycurl.REDIRECT_URL) or b""
        target = raw.decode("iso-8859-1")
        if _origin(target) != _origin(self.url):
            return SourceUnreachable(f"{self.url}: redirects to another server, which is not followed"), _Next.GIVE_UP
        hops = self._state.redirects.setdefault(self.url, [])
        hops.append(target)
        if len(hops) > _MOST_REDIRECTS:
            return SourceUnreachable(f"{self.url}: {_WORDS[pycurl.E_TOO_MANY_REDIRECTS]}"), _Next.GIVE_UP
        return SourceUnreachable(told), _Next.REDIRECT


_CREDENTIALS = re.compile(r"//[^/@\s]*@")
_NEVER = frozenset(
    (
        pycurl.E_URL_MALFORMAT,
        pycurl.E_UNSUPPORTED_PROTOCOL,
        pycurl.E_TOO_MANY_REDIRECTS,
        pycurl.E_PEER_FAILED_VERIFICATION,
        pycurl.E_SSL_CACERT,
        pycurl.E_SSL_CACERT_BADFILE,
    )
)
_WORDS = {
    pycurl.E_COULDNT_RESOLVE_HOST: "its name cannot be resolved",
    pycurl.E_COULDNT_RESOLVE_PROXY: "the proxy's name cannot be resolved",
    pycurl.E_COULDNT_CONNECT: "no connection",
    pycurl.E_OPERATION_TIMEDOUT: "too slow, or no answer",
    pycurl.E_PARTIAL_FILE: "the connection broke off",
    pycurl.E_RECV_ERROR: "the connection broke off",
    pycurl.E_GOT_NOTHING: "no answer",
    pycurl.E_PEER_FAILED_VERIFICATION: "its certificate is not trusted",
    pycurl.E_SSL_CACERT: "its certificate is not trusted",
    pycurl.E_SSL_CACERT_BADFILE: "the file of trusted certificates cannot be read (CAFile=)",
    pycurl.E_TOO_MANY_REDIRECTS: f"more than {_MOST_REDIRECTS} redirects",
    pycurl.E_UNSUPPORTED_PROTOCOL: "speaks no HTTP",
}


def _origin(url: str) -> tuple[str, str, int | None]:
    """Scheme, host and port of a URL (RFC 6454); three of nothing for what is no URL."""
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018  # is checked when it is asked for
    except ValueError:
        return "", "", None
    return parts.scheme, parts.hostname or "", parts.port or {"http": 80, "https": 443}.get(parts.scheme)
