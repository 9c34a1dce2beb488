# SPDX-License-Identifier: LGPL-2.1-or-later
"""One attempt to fetch a file from one URL, by libcurl; what came of it, and what to do next."""

from __future__ import annotations

from tukit_sysext.errors import ImageBroken, NotFound, NotServed, SourceUnreachable, TukitSysextError
from tukit_sysext.net.handle import (
    CHALLENGES,
    REDIRECTS,
    TRANSIENT,
    Head,
    failure_text,
    prepare,
    status_text,
    was_asked,
)
from tukit_sysext.net.libcurl import pycurl
from tukit_sysext.net.network import NetworkSettings
from tukit_sysext.net.redirects import MOST, is_same_host, origin, refusal, shown_url
from tukit_sysext.net.request import ByteRange, Next, RequestState, Response

_MOST_DIGITS = 20
_ERROR_BODY = 64 * 1024
_OK, _PARTIAL, _NOT_MODIFIED, _RANGE_NOT_SATISFIABLE = 200, 206, 304, 416
_UNAUTHORIZED = 401
_NOT_FOUND = frozenset((404, 410))
_CLIENT_ERRORS = range(400, 500)
_PERMANENT = frozenset(
    (
        pycurl.E_URL_MALFORMAT,
        pycurl.E_UNSUPPORTED_PROTOCOL,
        pycurl.E_PEER_FAILED_VERIFICATION,
        pycurl.E_SSL_CACERT,
        pycurl.E_SSL_CACERT_BADFILE,
    )
)


class _ErrorBody(Exception):
    """The body of an answer that is no file, and does not end."""


class Attempt:
    """One attempt at one URL."""

    def __init__(
        self, handle: pycurl.Curl, state: RequestState, url: str, settings: NetworkSettings, seconds: float
    ) -> None:
        self.handle = handle
        self.url = url
        self._place = state.redirects.get(url, [url])[-1]
        self._where = url if self._place == url else f"{url} (redirected to {shown_url(self._place)})"
        self._state = state
        self._patient = settings.patient
        self._head = Head()
        self._body = bytearray()
        self._begun = False
        self._expecting = False
        self._discarded = 0
        self._refusal: Exception | None = None
        self._logged_in = False
        self.authorization: str | None = None
        self._resume_from = state.received
        self._set_up(settings, seconds)

    def _set_up(self, settings: NetworkSettings, seconds: float) -> None:
        handle, request = self.handle, self._state.request
        place = self._place
        if request.tokens is not None:
            self.authorization = request.tokens.authorization(place)
        headers = ["Accept-Encoding: identity", f"Accept: {request.media_types}".rstrip()]
        if self._resume_from:
            if self._state.recognised_by:
                headers.append(f"If-Range: {self._state.recognised_by}")
            handle.setopt(pycurl.RANGE, f"{self._resume_from}-")
        elif request.part is not None:
            handle.setopt(pycurl.RANGE, f"{request.part.begin}-{request.part.end - 1}")
        if request.asked_at not in (None, self.url):
            pass  # what another server said means nothing here
        elif request.etag is not None:
            headers.append(f"If-None-Match: {request.etag}")
        elif request.modified is not None:
            headers.append(f"If-Modified-Since: {request.modified}")
        if self.url in request.past_caches or self._state.doubts[self.url]:
            headers += ["Cache-Control: no-cache", "Pragma: no-cache"]
        self._logged_in = prepare(
            handle,
            place,
            settings,
            headers=headers,
            authorization=self.authorization,
            login=request.login,
            head=self._head,
            silence=min(settings.least_rate_window, settings.silence),
            seconds=seconds,
        )
        handle.setopt(pycurl.BUFFERSIZE, 512 * 1024)
        handle.setopt(pycurl.WRITEFUNCTION, self._write)

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
        status = self._head.status
        if status not in (_OK, _PARTIAL):
            self._discarded += len(data)
            if self._discarded > _ERROR_BODY:
                raise _ErrorBody
            return  # nobody's business
        state = self._state
        if not self._begun:
            self._begin(status)
        room = state.request.limit - state.received
        if state.request.sink is not None:
            # one byte too many, by which a sink that has this limit too learns that what it has is of no use
            state.request.sink.write(data[: room + 1])
        if len(data) > room:
            raise ImageBroken(f"{self.url}: larger than the limit of {state.request.limit} bytes")
        if state.request.sink is None:
            self._body += data
        state.received += len(data)

    def _begin(self, status: int) -> None:
        self._begun = True
        state = self._state
        encoding = self._head.headers.get("content-encoding", "identity")
        if encoding != "identity":
            raise SourceUnreachable(f"{self.url}: asked for the plain file, found Content-Encoding {encoding[:40]!r}")
        if state.request.part is not None:
            self._begin_part(state.request.part, status)
        elif status == _PARTIAL:
            start = self._head.headers.get("content-range", "").removeprefix("bytes ").partition("-")[0]
            if not self._resume_from or start != str(self._resume_from):
                raise SourceUnreachable(f"{self.url}: asked for bytes from {self._resume_from}, found {start[:40]!r}")
            state.resumed, state.kept = True, False
        else:
            state.forget()  # the whole file again, whatever was there before
        etag = self._head.headers.get("etag", "")
        if state.request.sink is not None:
            size = self._size(status)
            if size is not None:
                self._expecting = True
                state.request.sink.expect(size)
                self._expecting = False
            state.source = self.url
            state.recognised_by = etag if etag.startswith('"') else self._head.headers.get("last-modified", "")

    def _begin_part(self, part: ByteRange, status: int) -> None:
        """Begin with the answer to a request for a part of a file. Raises SourceUnreachable where it is another one."""
        if status == _PARTIAL:
            given = self._head.headers.get("content-range", "")
            if given.partition("/")[0] != f"bytes {part.begin}-{part.end - 1}":
                raise SourceUnreachable(
                    f"{self.url}: asked for {len(part)} bytes from {part.begin}, found {given[:60]!r}"
                )
        elif self._state.request.instead is not None:
            self._state.take_whole(self._state.request.instead)
        else:
            raise SourceUnreachable(f"{self.url}: the server gives no parts of files")

    def _size(self, status: int) -> int | None:
        """How many bytes the whole file has, as the server says."""
        text = self._head.headers.get("content-length", "")
        if status == _PARTIAL:
            text = self._head.headers.get("content-range", "").rpartition("/")[2]
        return int(text) if text.isascii() and text.isdigit() and len(text) <= _MOST_DIGITS else None

    def outcome(self, code: int, message: str) -> Response | tuple[TukitSysextError, Next]:
        """What came of it: the file, or why there is none and what to do next."""
        state = self._state
        if isinstance(self._refusal, _ErrorBody):
            return self._status(self._head.status)
        if self._refusal is not None:
            return self._refused(self._refusal)
        if code != pycurl.E_OK:
            return self._broken_off(code, message)
        status = self._head.status
        if status == _NOT_MODIFIED and (state.request.etag is not None or state.request.modified is not None):
            return Response(
                url=self.url,
                given_at=self._place,
                body=b"",
                etag=state.request.etag,
                modified=state.request.modified,
                unchanged=True,
            )
        if status == _RANGE_NOT_SATISFIABLE and state.kept and state.request.accept is not None:
            state.kept, state.resumed = False, True  # nothing is behind what was kept: it is whole, or no part of it
        elif status not in (_OK, _PARTIAL):
            return self._status(status)
        elif not self._begun:
            try:
                self._begin(status)  # a file of no bytes
            except TukitSysextError as error:
                return self._refused(error)
        body = bytes(self._body)
        self._body.clear()
        if state.request.part is not None and len(body) != len(state.request.part):
            asked = f"{len(state.request.part)} bytes from {state.request.part.begin}"
            return SourceUnreachable(f"{self.url}: asked for {asked}, {len(body)} came"), Next.RETRY
        if state.request.accept is not None:
            try:
                state.request.accept(body)
            except ImageBroken as error:
                # put together of two files perhaps: once more, from the beginning
                return (error, Next.RETRY) if state.resumed else self._judged(error)
            except TukitSysextError as error:
                return error, Next.STOP
        etag, modified = self._head.headers.get("etag"), self._head.headers.get("last-modified")
        body = b"" if state.request.discard else body
        link = self._head.headers.get("link", "")
        return Response(url=self.url, given_at=self._place, body=body, etag=etag, modified=modified, link=link)

    def _judged(self, error: TukitSysextError) -> tuple[TukitSysextError, Next]:
        """What follows of a wrong file, or of none: another host alone says nothing of what others have."""
        state = self._state
        if not state.request.doubts or state.evidence.convicts(self.url, self._place, str(error)):
            return error, Next.GIVE_UP
        return self._given_up(NotServed(f"{error} ({shown_url(self._place)} alone says so)"))

    def _given_up(self, error: TukitSysextError) -> tuple[TukitSysextError, Next]:
        """It makes no sense to ask this server again, but for a redirect to another one."""
        return error, Next.GIVE_UP if is_same_host(self.url, self._place) else Next.DOUBT

    def _refused(self, error: Exception) -> tuple[TukitSysextError, Next]:
        if isinstance(error, ImageBroken):
            return self._judged(error)
        if isinstance(error, SourceUnreachable):
            return self._given_up(error)
        if isinstance(error, TukitSysextError):
            # a size that nobody has room for may be this server's lie
            return error, Next.GIVE_UP if self._expecting else Next.STOP
        raise error

    def _broken_off(self, code: int, message: str) -> tuple[TukitSysextError, Next]:
        error = SourceUnreachable(f"cannot fetch {self._where}: {failure_text(self.handle, code, message)}")
        if code in _PERMANENT or not (self._patient or was_asked(self.handle)):
            return self._given_up(error)
        state = self._state
        state.gained = state.received - self._resume_from
        # a server that is too slow is asked again only where there is no other
        slow = code == pycurl.E_OPERATION_TIMEDOUT and len(state.remaining) > 1
        if state.gained > 0 and state.recognised_by and not slow:
            return error, Next.RESUME
        return error, Next.RETRY

    def _status(self, status: int) -> tuple[TukitSysextError, Next]:
        if status in REDIRECTS:
            return self._redirected()
        answer = f"the server answers with status {status_text(status)}"
        message = f"{self._where}: {answer}"
        if status == _UNAUTHORIZED and self._is_challenged():
            return SourceUnreachable(f"{message}: it wants a token"), Next.CHALLENGE
        if status == _UNAUTHORIZED:
            message += ": it does not take the credentials" if self._logged_in else ": it asks for credentials"
            return self._given_up(NotServed(f"{message} (Credentials= of the source)"))
        if status in TRANSIENT:
            return SourceUnreachable(message), Next.RETRY
        if status == _RANGE_NOT_SATISFIABLE and self._resume_from:
            self._state.kept = False
            return SourceUnreachable(message), Next.RETRY
        if status in _NOT_FOUND:
            return self._judged(NotFound(f"{self.url}: {answer}"))
        return self._given_up(NotServed(message) if status in _CLIENT_ERRORS else SourceUnreachable(message))

    def _is_challenged(self) -> bool:
        """Whether the server that was asked wants a token, and did not refuse a new one just now."""
        state = self._state
        tokens = state.request.tokens
        challenge = tokens.challenge(self._head.headers.get(CHALLENGES, "")) if tokens is not None else None
        if challenge is None or origin(self._place) != origin(self.url):
            return False
        if state.received <= state.challenged.get(self.url, -1):
            return False
        state.challenge, state.challenged[self.url] = challenge, state.received
        return True

    def _redirected(self) -> tuple[TukitSysextError, Next]:
        raw = self.handle.getinfo_raw(pycurl.REDIRECT_URL) or b""
        target = raw.decode("iso-8859-1")
        hops = self._state.redirects.setdefault(self.url, [])
        why = refusal(self.url, target, self._state.request.redirects)
        why = why or (f"more than {MOST} redirects" if len(hops) >= MOST else "")
        if why:
            return self._given_up(NotServed(f"{self._where}: {why}"))
        hops.append(target)
        return SourceUnreachable(f"{self.url}: redirects to {shown_url(target)}"), Next.REDIRECT
