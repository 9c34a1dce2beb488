# SPDX-License-Identifier: LGPL-2.1-or-later
"""Parsers of what servers answer and of what is kept of it: headers, redirects, notes of the cache, credentials."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Sequence
from random import Random
from typing import Any, cast
from unittest import mock

import pycurl

from tests.fuzz import scratch
from tests.fuzz.mutation import odd_text, word
from tests.fuzz.target import Target, told
from tukit_sysext.config.credentials import load
from tukit_sysext.config.keyring import Keyring
from tukit_sysext.config.settings import SourceSettings
from tukit_sysext.errors import ImageBroken, SourceUnreachable, UnknownState
from tukit_sysext.formats.gpgv_status import SignatureCheck
from tukit_sysext.net.attempt import Attempt
from tukit_sysext.net.handle import redacted_message
from tukit_sysext.net.network import NetworkSettings
from tukit_sysext.net.redirects import Redirects, origin, shown_url
from tukit_sysext.net.request import Next, Request, RequestState, Response
from tukit_sysext.net.transfer import Transfers
from tukit_sysext.sources import trust
from tukit_sysext.sources.cache import Cache
from tukit_sysext.sources.seen import Seen
from tukit_sysext.sources.web import WebSource
from tukit_sysext.system.tree import Tree

_URL = "http://publisher.example/"
_LIMIT = 100
_BETWEEN = b"\n\n"
"""Between an answer's head and its body."""


# --- answers --------------------------------------------------------------------------------------------------------


class _Handle:
    """What an attempt needs of libcurl, without a network: its callbacks, and where a redirect leads."""

    def __init__(self, location: bytes) -> None:
        self.location = location
        self.options: dict[int, Any] = {}

    def setopt(self, option: int, value: object) -> None:
        self.options[option] = value

    def getinfo(self, _: int) -> int:
        return 0

    def getinfo_raw(self, _: int) -> bytes:
        return self.location


class _Sink:
    """Takes bytes, and knows how many there were."""

    def __init__(self) -> None:
        self.size = 0
        self.begun = False

    def expect(self, size: int) -> None:
        assert not self.begun and 0 <= size < 10**20

    def write(self, data: bytes) -> None:
        self.begun = True
        self.size += len(data)

    def resume(self) -> int:
        return self.size

    def restart(self) -> None:
        self.size, self.begun = 0, False


def check_answer(data: bytes) -> None:
    """The lines of an answer's head, and its body, of a file that is asked for from its beginning or in the middle."""
    head, _, body = data.partition(_BETWEEN)
    lines = head.split(b"\n")
    location = next((line.partition(b":")[2].strip() for line in lines if line.lower().startswith(b"location:")), b"")
    for before, redirects in ((0, Redirects.ANY), (0, Redirects.ORIGIN), (7, Redirects.SECURE)):
        sink = _Sink()
        request = Request(urls=[_URL], limit=_LIMIT, deadline=1.0, sink=sink, redirects=redirects)
        state = RequestState(request=request, remaining=[_URL])
        if before:
            sink.size, state.received, state.recognised_by, state.source = before, before, '"x"', _URL
        handle = _Handle(location)
        attempt = Attempt(cast(pycurl.Curl, handle), state, _URL, NetworkSettings(), 1.0)
        for line in lines:
            handle.options[pycurl.HEADERFUNCTION](line + b"\r\n")
        write = handle.options[pycurl.WRITEFUNCTION]
        ended = body and write(body) is not None
        outcome = attempt.outcome(pycurl.E_WRITE_ERROR if ended else pycurl.E_OK, "")
        assert state.received <= _LIMIT, "no more than the limit"
        assert sink.size in (state.received, _LIMIT + 1), "each byte is counted, but the one too many"
        assert sink.size <= _LIMIT or ended, "and then it has an end"
        _outcome(outcome, state)
    text = head.decode("utf-8", "replace")
    port = origin(text)[2]
    assert port is None or 0 <= port < 2**16
    redacted_message(text)


def _outcome(outcome: Response | tuple[Exception, Next], state: RequestState) -> None:
    if isinstance(outcome, Response):
        assert all(text is None or text.isprintable() for text in (outcome.etag, outcome.modified))
        assert state.recognised_by.isprintable()
        return
    error, following = outcome
    told(str(error))
    if following is Next.REDIRECT:
        (place,) = state.redirects[_URL]
        assert origin(place)[0] in ("http", "https")
        assert state.request.redirects is not Redirects.ORIGIN or origin(place) == origin(_URL)
        assert not set("?#@") & set(shown_url(place).partition("//")[2].partition("/")[0])


def make_answer(random: Random) -> bytes:
    lines = [f"HTTP/{random.choice(('1.1', '2', 'x'))} {random.choice(_STATUSES)} {odd_text(random)}".encode()]
    for _ in range(random.randrange(6)):
        name = random.choice(_HEADERS)
        value = random.choice((b"", word(random).encode(), odd_text(random).encode(), *_HEADER_VALUES))
        lines.append(name + random.choice((b":", b": ", b" : ")) + value)
    return b"\n".join(lines) + _BETWEEN + bytes(random.choice((0, 1, 50, _LIMIT, _LIMIT + 1)))


_STATUSES = ("200", "206", "301", "302", "304", "401", "404", "416", "500", "503", "99", "2000", "\xb2", "")
_HEADERS = (
    b"Content-Length", b"Content-Range", b"Content-Encoding", b"ETag", b"Last-Modified", b"Location", b"X",
)  # fmt: skip
_HEADER_VALUES = (
    b"7", b"-1", b"9" * 30, b"bytes 7-9/10", b"bytes 0-9/10", b"bytes 7-9/*", b"identity", b"gzip", b'"x"', b'W/"x"',
    b"http://publisher.example/y", b"http://elsewhere.example/", b"file:///etc/passwd", b"//[::1", b"http://a:b@c/",
    b"Sun, 01 Nov 2026 10:00:00 GMT", b"\xb2",
)  # fmt: skip
_ANSWER = b'HTTP/1.1 200 OK\nContent-Length: 5\nETag: "x"\nLast-Modified: Sun, 01 Nov 2026 10:00:00 GMT\n\nhello'
_PART = b"HTTP/1.1 206 Partial Content\nContent-Range: bytes 7-11/12\n\nhello"
_MOVED = b"HTTP/1.1 302 Found\nLocation: http://publisher.example/y\n\nsee there"


# --- notes of the cache ---------------------------------------------------------------------------------------------

_KEY = "A1" * 20
_NAME = "main"
_LIST = f"{'0a' * 32}  gdb-1.x86-64.raw\n".encode()


class _Transfers:
    """Answers each request with the same: that nothing changed, or that nobody is there."""

    settings = NetworkSettings()

    def run(self, requests: Sequence[Request], *, at_once: int) -> Sequence[Response | SourceUnreachable]:
        return [self._answer(request) for request in requests]

    def _answer(self, request: Request) -> Response | SourceUnreachable:
        for text in (request.etag, request.modified, request.asked_at):
            assert text is None or isinstance(text, str)
        if request.etag is None and request.modified is None:
            return SourceUnreachable(f"{request.urls[0]}: no answer")
        url = request.urls[0]
        return Response(url=url, given_at=url, body=b"", etag=request.etag, modified=request.modified, unchanged=True)


def check_list_note(data: bytes) -> None:
    """What was kept of a list: it is used only where its content has the hash that the note says."""
    cache = Cache(scratch.folder() / "cache", writable=True)
    kept = cache.put_content(_LIST)
    (scratch.folder() / "cache/lists").mkdir(exist_ok=True)
    (scratch.folder() / "cache/lists" / _NAME).write_bytes(data)
    settings = SourceSettings(name=_NAME, origin="/etc/main.conf", urls=(_URL,), verify=False)
    seen = Seen(scratch.folder() / "notes-seen", writable=False)
    source = WebSource(
        settings,
        cast(Transfers, _Transfers()),
        cache,
        trust.Trust(settings, cache, seen=seen),
        image_max=_LIMIT,
    )
    try:
        found = source.candidates()
    except (SourceUnreachable, ImageBroken) as error:
        told(str(error))
        return
    assert [candidate.sha256 for candidate in found] == ["0a" * 32]
    assert kept in data.decode("utf-8", "replace")


def check_signature_note(data: bytes) -> None:
    """What was kept of a signature's check; where the note is none, gpgv is asked, which here finds nothing good."""
    cache = Cache(scratch.folder() / "cache", writable=False)
    keyring = Keyring(path="/etc/keys.gpg", content=b"x")
    settings = SourceSettings(name=_NAME, origin="/etc/main.conf", keyrings=(keyring,), max_age=86400)
    seen = Seen(scratch.folder() / "notes-seen", writable=False)
    document = _object(data)
    nothing_good = SignatureCheck(good=(), reasons=("nothing",), bad=False)
    with (
        mock.patch.object(trust, "check_signature", return_value=nothing_good),
        mock.patch.object(cache, "note", lambda *_: document),
    ):
        try:
            found = trust.Trust(settings, cache, seen=seen).check(_LIST, lambda: b"signature", where="list")
        except ImageBroken as error:
            told(str(error).replace("\n", " "))
            return
    assert found is not None and document is not None
    assert all(isinstance(when, int) for when in found.times.values())
    assert [found.fingerprint, max(found.times.values())] in document["good"]


def _object(data: bytes) -> dict[str, Any] | None:
    """As the cache gives a note."""
    path = scratch.folder() / "cache/any"
    path.mkdir(parents=True, exist_ok=True)
    (path / "note").write_bytes(data)
    return Cache(path.parent, writable=False).note("any", "note")


def make_list_note(random: Random) -> bytes:
    note: dict[str, object] = {"url": _URL, "list": _LIST_HASH, "etag": '"x"', "modified": "y", "signature": "z"}
    note[random.choice(list(note))] = random.choice((None, 1, [], {}, "", odd_text(random), "\ud800", _LIST_HASH))
    return json.dumps(note).encode()


def make_signature_note(random: Random) -> bytes:
    """The clock is the machine's: a note that counts was made just now."""
    now = int(time.time())
    when: tuple[object, ...] = (now, now - 90_000, now + 90_000, 0, -1, 10**40, -(10**40), True, 1.5, None, "1")
    good = [[random.choice((_KEY, odd_text(random), 1)), random.choice(when)] for _ in range(random.randrange(3))]
    checked = random.choice((now, now, now, *when))
    return json.dumps({"good": random.choice((good, good, good, {}, None)), "checked": checked}).encode()


_LIST_HASH = hashlib.sha256(_LIST).hexdigest()
_LIST_NOTE = json.dumps({"url": _URL, "list": _LIST_HASH, "etag": '"x"', "modified": None}).encode()
_SIGNATURE_NOTE = json.dumps({"good": [[_KEY, 1_700_000_000]], "checked": 4_000_000_000}).encode()


# --- credentials ----------------------------------------------------------------------------------------------------


def check_credentials(data: bytes) -> None:
    path = scratch.folder() / "secret/login"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(data)
    path.chmod(0o600)
    with Tree(path.parent) as tree:
        try:
            found = load(tree, "/login")
        except UnknownState as error:
            told(str(error).replace(str(path.parent), ""))
            assert len(data) < 8 or data.decode("utf-8", "replace") not in str(error), "what it says is not repeated"
            return
    assert data.rstrip(b"\r\n") == f"{found.user}:{found.password}".encode()
    assert found.user and ":" not in found.user
    assert not set(found.user + found.password) & {chr(number) for number in (*range(32), 127)}
    assert repr(found) == "Credentials(path='/login')", "neither is in any message"


TARGETS = (
    Target(
        name="answer of a server",
        check=check_answer,
        samples=(_ANSWER, _PART, _MOVED),
        words=(b"HTTP/1.1 ", b"\n", b"\n\n", b": ", *(name + b": " for name in _HEADERS), *_HEADER_VALUES),
        make=make_answer,
    ),
    Target(
        name="note of a list",
        check=check_list_note,
        samples=(_LIST_NOTE,),
        words=(b"{", b"}", b'"', b":", b"null", b'"list"', b'"url"', b'"etag"', _LIST_HASH.encode(), _URL.encode()),
        make=make_list_note,
        share=0.1,
    ),
    Target(
        name="note of a signature",
        check=check_signature_note,
        samples=(_SIGNATURE_NOTE,),
        words=(b"{", b"}", b"[", b"]", b'"', b":", b"null", b"1e400", b'"good"', b'"checked"', _KEY.encode()),
        make=make_signature_note,
        share=0.1,
    ),
    Target(
        name="credentials",
        check=check_credentials,
        samples=(b"lab:geheim\n", b"token:", "l\u00e4b:geh\u20acim\r\n".encode()),
        words=(b":", b"\n", b"\r", b"\0", b"lab", b"geheim"),
        make=lambda random: f"{word(random)}:{odd_text(random)}{random.choice(('', chr(10), chr(13)))}".encode(),
        limit=4096,
        share=0.3,
    ),
)
