# SPDX-License-Identifier: LGPL-2.1-or-later
"""Parts of files, into memory."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.lab.faults import Compressed, Cut, Garbage, NoRanges, Status, Truncated, WrongRange
from tests.lab.server import Server
from tests.unit.net.samples import IMAGE, Collected, bring, request_for
from tukit_sysext.errors import ImageBroken, NotFound, NotServed, SourceUnreachable
from tukit_sysext.net.request import ByteRange

PART = ByteRange(begin=1000, end=2000)


@pytest.mark.parametrize(("begin", "end"), [(0, 1), (1000, 2000), (0, len(IMAGE)), (len(IMAGE) - 1, len(IMAGE))])
def test_a_part(server: Server, begin: int, end: int) -> None:
    part = ByteRange(begin=begin, end=end)
    assert bring(f"{server.url}/image.raw", part=part, limit=len(part)).body == IMAGE[begin:end]
    (asked,) = server.requests
    assert (asked.headers["range"], asked.status, asked.sent) == (f"bytes={begin}-{end - 1}", 206, end - begin)


@pytest.mark.parametrize("fault", [WrongRange(), WrongRange(stated=-1), Truncated(size=1500)])
def test_other_bytes_than_were_asked_for(server: Server, fault: WrongRange | Truncated) -> None:
    server.fail("*", fault)
    with pytest.raises(SourceUnreachable, match=r"image.raw: asked for 1000 bytes from 1000, found"):
        bring(f"{server.url}/image.raw", part=PART, limit=1000)
    assert len(server.requests) == 1


def test_a_server_that_knows_no_parts_is_left_at_once(server: Server) -> None:
    server.fail("*", NoRanges())
    with pytest.raises(SourceUnreachable, match="the server gives no parts of files"):
        bring(f"{server.url}/image.raw", part=PART, limit=1000)
    assert len(server.requests) == 1


def test_another_may_know_them(server: Server, mirror: Server) -> None:
    server.fail("*", NoRanges())
    assert bring(f"{server.url}/image.raw", f"{mirror.url}/image.raw", part=PART, limit=1000).body == IMAGE[1000:2000]


def test_what_it_sends_may_be_taken_whole(server: Server) -> None:
    server.fail("*", NoRanges(), times=1)
    server.fail("*", Cut(after=50_000), times=1)
    sink = Collected()
    sink.content = b"what was there before"
    whole = request_for(f"{server.url}/image.raw", sink=sink)
    response = bring(f"{server.url}/image.raw", part=PART, limit=1000, instead=whole)
    assert (response.body, sink.content, sink.restarts) == (b"", IMAGE, 1)
    assert [request.headers.get("range") for request in server.requests] == ["bytes=1000-1999", "bytes=50000-"]


def test_a_part_that_breaks_off_comes_again(server: Server) -> None:
    server.fail("*", Cut(after=500), times=2)
    assert bring(f"{server.url}/image.raw", part=PART, limit=1000).body == IMAGE[1000:2000]
    assert [request.headers["range"] for request in server.requests] == ["bytes=1000-1999"] * 3


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (Status(code=404), NotFound),
        (Status(code=403), NotServed),
        (Status(code=416), SourceUnreachable),
        (Compressed(), SourceUnreachable),
        (Garbage(content=b"HTTP/1.1 206 x\r\nContent-Range: bytes 1000-1999/5\r\n\r\nshort"), SourceUnreachable),
        (
            Garbage(content=b"HTTP/1.1 206 x\r\nContent-Range: bytes 1000-1999/5\r\n\r\n" + b"x" * 5000),
            ImageBroken,
        ),
        (Garbage(content=b"HTTP/1.1 206 x\r\n\r\n" + b"x" * 1000), SourceUnreachable),
    ],
)
def test_what_is_no_part(server: Server, fault: Status | Compressed | Garbage, error: type[Exception]) -> None:
    server.fail("*", fault)
    with pytest.raises(error):
        bring(f"{server.url}/image.raw", part=PART, limit=1000, deadline=1.0)


def test_nothing_behind_the_end(folder: Path, server: Server) -> None:
    part = ByteRange(begin=len(IMAGE), end=len(IMAGE) + 5)
    with pytest.raises(SourceUnreachable):
        bring(f"{server.url}/image.raw", part=part, limit=5)
