# SPDX-License-Identifier: LGPL-2.1-or-later
"""Answers that never end, are too slow or are packed, and sinks that fail (threats N4, N5, N13, L11)."""

from __future__ import annotations

import logging
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Literal

import pytest

from tests.lab.faults import Compressed, Endless, Garbage, Trickle
from tests.lab.server import Server
from tests.unit.net.samples import IMAGE, LIST, Collected, bring, request_for, run
from tukit_sysext.errors import ImageBroken, NotFound, SourceUnreachable, StoreError
from tukit_sysext.net.request import Response

Framing = Literal["chunked", "close", "length", "huge"]


@pytest.mark.parametrize("framing", ["chunked", "close", "huge"])
def test_endless_data_ends_at_the_limit(server: Server, framing: Framing) -> None:
    server.fail("list", Endless(framing=framing))
    with pytest.raises(ImageBroken, match=f"{server.url}/list: larger than the limit of 1000 bytes"):
        bring(f"{server.url}/list", limit=1000)


@pytest.mark.parametrize("framing", ["chunked", "close", "huge"])
def test_no_more_than_a_byte_beyond_the_limit_goes_into_a_sink(server: Server, framing: Framing) -> None:
    server.fail("image.raw", Endless(framing=framing))
    sink = Collected()
    with pytest.raises(ImageBroken, match="larger than the limit of 400000 bytes"):
        bring(f"{server.url}/image.raw", limit=400_000, sink=sink)
    assert sink.most <= 400_001


def test_what_goes_on_after_its_stated_length_is_cut_off(server: Server) -> None:
    server.fail("list", Endless(framing="length"))
    assert bring(f"{server.url}/list").body == LIST


def test_just_the_limit_is_taken(server: Server) -> None:
    assert bring(f"{server.url}/image.raw", limit=len(IMAGE)).body == IMAGE
    with pytest.raises(ImageBroken, match="larger than"):
        bring(f"{server.url}/image.raw", limit=len(IMAGE) - 1)


def test_a_file_that_is_too_large_at_one_server_is_asked_of_the_next(server: Server, mirror: Server) -> None:
    server.fail("image.raw", Endless())
    sink = Collected()
    answer = bring(f"{server.url}/image.raw", f"{mirror.url}/image.raw", limit=len(IMAGE), sink=sink)
    assert answer.url == f"{mirror.url}/image.raw"
    assert sink.content == IMAGE
    assert len(server.requests) == 1


def test_the_body_of_an_error_ends_too(server: Server) -> None:
    """Nobody reads it: what was said by then is told, and not that more was to come."""
    head = b"HTTP/1.1 404 Not Found\r\nContent-Length: 1099511627776\r\nConnection: close\r\n\r\n"
    server.fail("list", Garbage(content=head + bytes(1 << 20)))
    with pytest.raises(NotFound, match="status 404"):
        bring(f"{server.url}/list", deadline=1)
    assert len(server.requests) == 1


def test_a_server_that_takes_no_connection_is_left_in_time(server: Server) -> None:
    with hanging() as url:
        urls = f"{url}/image.raw", f"{server.url}/image.raw"
        # of an image each server may use all the time there is, once it is connected
        answer = bring(*urls, sink=Collected(), deadline=3, settings={"connect_timeout": 0.3})
    assert answer.url == f"{server.url}/image.raw"


def test_who_only_looks_waits_once_for_a_connection(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    with hanging() as url, pytest.raises(SourceUnreachable, match="too slow, or no answer"):
        bring(f"{url}/list", deadline=3600, settings={"connect_timeout": 0.3, "patient": False})
    assert len(caplog.messages) == 1


@contextmanager
def hanging() -> Iterator[str]:
    """The URL of a machine that hangs: its queue is full, the kernel answers nobody."""
    with ExitStack() as stack:
        full = stack.enter_context(socket.socket())
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        for _ in range(2):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(full.getsockname())
        yield f"http://127.0.0.1:{full.getsockname()[1]}"


def test_the_plain_file_is_asked_for(server: Server) -> None:
    bring(f"{server.url}/list")
    (request,) = server.requests
    assert request.headers["accept-encoding"] == "identity"
    assert request.headers["user-agent"].startswith("tukit-sysext/")


@pytest.mark.parametrize("bomb_mib", [0, 64])
def test_what_is_packed_all_the_same_is_refused(server: Server, mirror: Server, bomb_mib: int) -> None:
    server.fail("image.raw", Compressed(bomb_mib=bomb_mib))
    sink = Collected()
    with pytest.raises(SourceUnreachable, match="Content-Encoding 'gzip'"):
        bring(f"{server.url}/image.raw", sink=sink)
    assert sink.most == 0
    assert len(server.requests) == 1
    assert bring(f"{server.url}/image.raw", f"{mirror.url}/image.raw", sink=sink).url.startswith(mirror.url)


def test_a_trickle_is_given_up_for_the_next_server(server: Server, mirror: Server) -> None:
    server.fail("image.raw", Trickle(bytes_per_second=1000))
    begun = time.monotonic()
    sink = Collected()
    answer = bring(
        f"{server.url}/image.raw",
        f"{mirror.url}/image.raw",
        sink=sink,
        deadline=6.0,
        settings={"least_rate": 100_000, "least_rate_window": 1},
    )
    assert answer.url == f"{mirror.url}/image.raw"
    assert sink.content == IMAGE
    assert time.monotonic() - begun < 5


def test_a_trickle_is_told(server: Server) -> None:
    server.fail("list", Trickle(bytes_per_second=1))
    with pytest.raises(SourceUnreachable, match="too slow"):
        bring(f"{server.url}/list", deadline=0.3)


def test_slow_but_not_too_slow(server: Server) -> None:
    """Above the least rate nothing is given up, even where all together takes longer than the window."""
    server.fail("image.raw", Trickle(bytes_per_second=200_000))
    sink = Collected()
    bring(f"{server.url}/image.raw", sink=sink, settings={"least_rate": 20_000, "least_rate_window": 1})
    assert sink.content == IMAGE
    assert len(server.requests) == 1


def test_a_sink_that_fails_ends_the_job(server: Server, mirror: Server) -> None:
    """There is no room: no other server can help, and the other requests go on."""
    full, other = Collected(fails=StoreError("no room")), Collected()
    urls = f"{server.url}/image.raw", f"{mirror.url}/image.raw"
    failed, good = run(request_for(*urls, sink=full), request_for(*urls, sink=other))
    assert isinstance(failed, StoreError)
    assert str(failed) == "no room"
    assert isinstance(good, Response)
    assert other.content == IMAGE
    assert (len(server.requests), len(mirror.requests)) == (2, 0)


def test_a_sink_that_has_no_room_for_a_file_of_no_bytes(server: Server, mirror: Server) -> None:
    """The size is what this server says: the next one is asked, and it is no fault of ours."""

    class Full(Collected):
        def expect(self, size: int) -> None:
            raise StoreError(f"no room for {size} bytes")

    (result,) = run(request_for(f"{server.url}/empty", f"{mirror.url}/empty", sink=Full()))
    assert isinstance(result, StoreError)
    assert (len(server.requests), len(mirror.requests)) == (1, 1)


def test_a_sink_that_finds_the_content_wrong_has_the_next_server_asked(server: Server, mirror: Server) -> None:
    with pytest.raises(ImageBroken, match="too much"):
        bring(f"{server.url}/image.raw", f"{mirror.url}/image.raw", sink=Collected(fails=ImageBroken("too much in it")))
    assert (len(server.requests), len(mirror.requests)) == (1, 1)


def test_a_fault_of_the_sink_itself_is_not_hidden(server: Server) -> None:
    with pytest.raises(ZeroDivisionError):
        bring(f"{server.url}/image.raw", sink=Collected(fails=ZeroDivisionError()))


@pytest.mark.parametrize("length", ["9" * 5000, "\xb2", "-1", "6, 6", "0x6", " "])
def test_a_length_that_is_none_is_no_fault_of_ours(server: Server, length: str) -> None:
    head = f"HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
    server.fail("list", Garbage(content=head.encode("latin-1") + LIST))
    (result,) = run(request_for(f"{server.url}/list", sink=Collected(), deadline=0.3))
    assert isinstance(result, Response | SourceUnreachable | ImageBroken)


@pytest.mark.parametrize("status", ["2\xb20", "200\xb2", "2000", "\xb2\xb2\xb2", "99", ""])
def test_a_status_that_is_none_is_no_fault_of_ours(server: Server, status: str) -> None:
    head = f"HTTP/1.1 {status} OK\r\nContent-Length: 6\r\nConnection: close\r\n\r\n"
    server.fail("list", Garbage(content=head.encode("latin-1") + LIST))
    (result,) = run(request_for(f"{server.url}/list", deadline=0.3))
    assert isinstance(result, Response | SourceUnreachable)


@pytest.mark.parametrize("total", ["9" * 5000, "*", "\xb2", ""])
def test_a_range_of_a_length_that_is_none_is_no_fault_of_ours(server: Server, total: str) -> None:
    """The second answer is a part of it."""
    first = b'HTTP/1.1 200 OK\r\nETag: "x"\r\nContent-Length: 6\r\nConnection: close\r\n\r\nhel'
    second = f"HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 3-5/{total}\r\nConnection: close\r\n\r\n"
    server.fail("list", Garbage(content=first), times=1)
    server.fail("list", Garbage(content=second.encode("latin-1") + LIST[3:]))
    sink = Collected()
    (result,) = run(request_for(f"{server.url}/list", sink=sink, deadline=1))
    assert isinstance(result, Response)
    assert sink.content == LIST


def test_a_server_that_says_too_much_is_believed_in_nothing(server: Server, mirror: Server) -> None:
    """Its Content-Length is beyond the limit: not a byte is taken, and the next server is asked."""
    server.fail("image.raw", Endless(framing="huge"))
    sink = Collected()
    answer = bring(f"{server.url}/image.raw", f"{mirror.url}/image.raw", limit=len(IMAGE), sink=sink)
    assert answer.url == f"{mirror.url}/image.raw"
    assert sink.content == IMAGE


class Interrupting(Collected):
    """A sink during whose work somebody presses Ctrl-C."""

    def write(self, data: bytes) -> None:
        signal.raise_signal(signal.SIGINT)
        super().write(data)


@pytest.fixture
def ctrl_c() -> Iterator[None]:
    """SIGINT is an exception, as where nobody has it ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("ctrl_c")
def test_ctrl_c_ends_it(server: Server, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(KeyboardInterrupt):
        bring(f"{server.url}/image.raw", sink=Interrupting())
    assert len(server.requests) == 1
    assert capfd.readouterr().err == ""
