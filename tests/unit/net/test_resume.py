# SPDX-License-Identifier: LGPL-2.1-or-later
"""Transfers that break off, and go on where they were (threat N14)."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.lab.faults import ChangingETag, Corrupt, Cut, Fault, Garbage, NoRanges, Status, Truncated, WrongRange
from tests.lab.server import Server
from tests.unit.net.samples import IMAGE, Collected, bring
from tukit_sysext.errors import ImageBroken, SourceUnreachable

HALF = len(IMAGE) // 2


class Checked(Collected):
    """A sink that knows what it should get, and does something at its first bytes."""

    def __init__(self, at_first_bytes: Callable[[], object] = lambda: None) -> None:
        super().__init__()
        self._actions = [at_first_bytes]

    def write(self, data: bytes) -> None:
        super().write(data)
        while self._actions:
            self._actions.pop()()

    def check(self, _: bytes) -> None:
        if hashlib.sha256(self.content).digest() != hashlib.sha256(IMAGE).digest():
            raise ImageBroken(f"other content in {len(self.content)} bytes")


@pytest.fixture
def sink() -> Checked:
    return Checked()


def fetch(sink: Checked, *servers: Server, deadline: float = 10.0) -> str:
    """Bring the image; which server it came from."""
    urls = [f"{server.url}/image.raw" for server in servers]
    answer = bring(*urls, sink=sink, accept=sink.check, deadline=deadline)
    return answer.url.removesuffix("/image.raw")


def asked(server: Server) -> list[tuple[str | None, int | None]]:
    """Range and status of every request."""
    return [(request.headers.get("range"), request.status) for request in server.requests]


@pytest.mark.parametrize("reset", [False, True])
def test_it_goes_on_where_it_was(server: Server, sink: Checked, reset: bool) -> None:
    server.fail("image.raw", Cut(after=HALF, reset=reset), times=1)
    fetch(sink, server)
    assert sink.content == IMAGE
    assert asked(server) == [(None, 200), (f"bytes={HALF}-", 206)]
    assert server.requests[1].headers["if-range"].startswith('"')
    assert sum(request.sent for request in server.requests) == len(IMAGE), "bytes were sent twice"
    assert sink.restarts == 0


def test_it_goes_on_again_and_again(server: Server, sink: Checked) -> None:
    server.fail("image.raw", Cut(after=120_000), times=2)
    fetch(sink, server)
    assert sink.content == IMAGE
    assert [offset for offset, _ in asked(server)] == [None, "bytes=120000-", "bytes=240000-"]


def test_it_stays_with_a_server_that_goes_on(server: Server, mirror: Server, sink: Checked) -> None:
    """Another server may have another file; what is there already is from this one."""
    server.fail("image.raw", Cut(after=HALF), times=1)
    assert fetch(sink, server, mirror) == server.url
    assert mirror.requests == []


@pytest.mark.parametrize("gone", ["stopped", "withdrawn", "broken"])
def test_where_a_server_goes_away_the_next_one_sends_it_whole(server: Server, mirror: Server, gone: str) -> None:
    """Nothing of its half stays in the file."""

    def go_away() -> None:
        match gone:
            case "stopped":
                server.stop()
            case "withdrawn":
                server.fail("image.raw", Status(code=404))
            case _:
                server.fail("image.raw", Status(code=500))

    sink = Checked(at_first_bytes=go_away)
    server.fail("image.raw", Cut(after=HALF))
    assert fetch(sink, server, mirror) == mirror.url
    assert sink.content == IMAGE
    assert asked(mirror) == [(None, 200)]


def test_a_changed_file_starts_anew(server: Server, folder: Path) -> None:
    """The file is replaced after its first half was sent: the ETag is another, and the server sends all of it."""
    newer = folder / "newer"
    newer.write_bytes(IMAGE)
    (folder / "image.raw").write_bytes(bytes(len(IMAGE)))

    sink = Checked(at_first_bytes=lambda: os.replace(newer, folder / "image.raw"))
    server.fail("image.raw", Cut(after=HALF), times=1)
    fetch(sink, server)
    assert sink.content == IMAGE
    assert sink.restarts == 1
    assert asked(server) == [(None, 200), (f"bytes={HALF}-", 200)]


def test_a_weak_etag_does_not_tell_that_it_is_the_same(server: Server, sink: Checked) -> None:
    """It is the same for files that are not the same byte by byte (RFC 9110, 8.8.1): all of it comes again."""
    head = f'HTTP/1.1 200 OK\r\nETag: W/"x"\r\nContent-Length: {len(IMAGE)}\r\nConnection: close\r\n\r\n'
    server.fail("image.raw", Garbage(content=head.encode() + IMAGE[:HALF]), times=1)
    fetch(sink, server)
    assert sink.content == IMAGE
    assert [offset for offset, _ in asked(server)] == [None, None]


def test_an_etag_that_is_never_the_same(server: Server, sink: Checked) -> None:
    server.fail("image.raw", ChangingETag())
    server.fail("image.raw", Cut(after=HALF), times=1)
    fetch(sink, server)
    assert sink.content == IMAGE
    assert [status for _, status in asked(server)] == [200, 200]


def test_a_server_without_ranges_sends_it_again(server: Server, sink: Checked) -> None:
    server.fail("image.raw", NoRanges())
    server.fail("image.raw", Cut(after=HALF), times=1)
    fetch(sink, server)
    assert sink.content == IMAGE
    assert sink.restarts == 1
    assert [status for _, status in asked(server)] == [200, 200]


def test_the_wrong_range_is_not_taken(server: Server, mirror: Server, sink: Checked) -> None:
    """Content-Range says other bytes than were asked for."""
    server.fail("image.raw", Cut(after=HALF), times=1)
    server.fail("image.raw", WrongRange(stated=1))
    assert fetch(sink, server, mirror) == mirror.url
    assert sink.content == IMAGE
    assert [status for _, status in asked(server)] == [200, 206]


def test_the_wrong_range_is_told(server: Server, sink: Checked) -> None:
    server.fail("image.raw", Cut(after=HALF), times=1)
    server.fail("image.raw", WrongRange(stated=1))
    with pytest.raises(SourceUnreachable, match=f"asked for bytes from {HALF}, found '{HALF + 1}'"):
        fetch(sink, server)


def test_a_lying_range_is_found_out_and_all_is_brought_again(server: Server, sink: Checked) -> None:
    """Content-Range is right, the bytes are others: the hash of the whole decides."""
    server.fail("image.raw", Cut(after=HALF), times=1)
    server.fail("image.raw", WrongRange(stated=0, sent=1), times=2)
    fetch(sink, server)
    assert sink.content == IMAGE
    assert asked(server) == [(None, 200), (f"bytes={HALF}-", 206), (None, 200)]


@pytest.mark.parametrize("fault", [Corrupt(offset=1000), Truncated(size=1000), Truncated(size=1000, stated=1000)])
def test_a_wrong_file_is_brought_once_and_the_next_server_asked(
    server: Server, mirror: Server, sink: Checked, fault: Fault
) -> None:
    server.fail("image.raw", fault)
    assert fetch(sink, server, mirror) == mirror.url
    assert sink.content == IMAGE
    assert len(server.requests) == 1


def test_a_content_length_that_states_less(server: Server, mirror: Server, sink: Checked) -> None:
    server.fail("image.raw", Truncated(size=len(IMAGE), stated=1000))
    assert fetch(sink, server, mirror) == mirror.url
    assert sink.content == IMAGE


def test_a_content_length_that_states_more_ends_with_the_deadline(server: Server, sink: Checked) -> None:
    server.fail("image.raw", Truncated(size=HALF, stated=len(IMAGE)))
    with pytest.raises(SourceUnreachable, match=r"broke off|status 416"):
        fetch(sink, server, deadline=0.6)
    assert [status for _, status in asked(server)][:2] == [200, 416]


def test_a_server_that_sends_a_little_each_time_ends_with_the_deadline(server: Server, sink: Checked) -> None:
    server.fail("image.raw", Cut(after=1))
    with pytest.raises(SourceUnreachable, match="broke off"):
        fetch(sink, server, deadline=0.5)
    assert len(server.requests) < 20, "the server is asked without a pause"


def test_what_is_small_is_brought_again_whole(server: Server) -> None:
    server.fail("list", Cut(after=3), times=1)
    assert bring(f"{server.url}/list").body == b"hello\n"
    assert asked(server) == [(None, 200), (None, 200)]
