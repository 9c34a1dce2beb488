# SPDX-License-Identifier: LGPL-2.1-or-later
"""Each fault of the lab's server, as http.client and curl see it."""

from __future__ import annotations

import gzip
import socket
import threading
import time
from collections.abc import Iterator
from http.client import BadStatusLine, IncompleteRead, RemoteDisconnected
from pathlib import Path
from typing import Literal

import pytest

from tests.lab.content import gzip_bomb
from tests.lab.faults import (
    ChangingETag,
    Compressed,
    Corrupt,
    Cut,
    Delay,
    Endless,
    Fault,
    Garbage,
    NoRanges,
    Redirect,
    Refuse,
    Status,
    Trickle,
    Truncated,
    WrongRange,
)
from tests.lab.server import Server
from tests.unit.lab.clients import CURL_NOTHING, CURL_PARTIAL, CURL_RECEIVE, CURL_TIMEOUT, Client, curl
from tests.unit.lab.conftest import CONTENT

pytestmark = pytest.mark.tool("curl")

LENGTH = len(CONTENT)


@pytest.fixture
def server(folder: Path) -> Iterator[Server]:
    with Server(folder) as server:
        yield server


@pytest.fixture
def client(server: Server) -> Iterator[Client]:
    with Client(server) as client:
        yield client


def test_patterns_counts_and_taking_off(server: Server, client: Client) -> None:
    few = server.fail("*.raw", Status(code=503), times=2)
    later = server.fail("/image.raw", Status(code=500), times=1)
    always = server.fail("deeper/*", Status(code=404))
    assert [client.get("/image.raw").status for _ in range(4)] == [503, 503, 500, 200]
    assert client.get("/list").status == 200
    assert [client.get("/deeper/file").status for _ in range(3)] == [404] * 3
    always.remove()
    always.remove()
    assert client.get("/deeper/file").status == 200
    assert (few.hits, later.hits, always.hits) == (2, 1, 3)
    with server.fail("list", Status(code=500)):
        assert client.get("/list").status == 500
    assert client.get("/list").status == 200
    server.fail("*", Status(code=500))
    server.heal()
    assert client.get("/list").status == 200


def test_faults_of_different_kinds_add_up(server: Server, client: Client) -> None:
    server.fail("*.raw", ChangingETag())
    server.fail("*.raw", Corrupt(offset=0), times=1)
    server.fail("*.raw", Delay(seconds=0.05), times=1)
    start = time.monotonic()
    first, second = client.get("/image.raw"), client.get("/image.raw")
    assert time.monotonic() - start >= 0.05
    assert first.body != CONTENT == second.body
    assert first.headers["ETag"] != second.headers["ETag"]


def test_a_client_gives_up_on_a_delay(server: Server) -> None:
    server.fail("list", Delay(seconds=3600), times=1)
    assert curl(f"{server.url}/list", "--max-time", "0.2").returncode == CURL_TIMEOUT
    assert server.requests[0].status is None
    assert curl(f"{server.url}/list").stdout == b"hello\n"


@pytest.mark.parametrize("code", [404, 500, 503])
def test_another_status(server: Server, client: Client, code: int) -> None:
    server.fail("*", Status(code=code, retry_after=7), times=1)
    reply = client.get("/list")
    assert (reply.status, reply.headers["Retry-After"]) == (code, "7")
    assert client.get("/list").status == 200
    assert server.connections == 1


@pytest.mark.parametrize(("reset", "error"), [(False, RemoteDisconnected), (True, ConnectionResetError)])
def test_no_answer(server: Server, client: Client, reset: bool, error: type[Exception]) -> None:
    server.fail("*", Refuse(reset=reset), times=2)
    with pytest.raises(error) as raised:
        client.get("/list")
    assert raised.type is error
    assert curl(f"{server.url}/list").returncode == (CURL_RECEIVE if reset else CURL_NOTHING)
    assert [row.status for row in server.requests] == [None, None]


def test_no_http(server: Server, client: Client) -> None:
    server.fail("*", Garbage())
    with pytest.raises(BadStatusLine):
        client.get("/list")


@pytest.mark.parametrize("code", [301, 302, 307])
def test_a_redirect_to_another_server(server: Server, folder: Path, code: Literal[301, 302, 307]) -> None:
    with Server(folder / "deeper") as other:
        server.fail("deeper/*", Redirect(url=f"{other.url}/file", code=code))
        reply = curl(f"{server.url}/deeper/file", "-L", "-w", "%{num_redirects}")
        assert reply.stdout == b"deep\n1"
        assert (server.requests[0].status, other.requests[0].path) == (code, "/file")


def test_a_redirect_without_end(server: Server) -> None:
    server.fail("*", Redirect(url=f"{server.url}/again/{{path}}"))
    assert curl(f"{server.url}/list", "-L", "--max-redirs", "3").returncode == 47
    assert [row.path for row in server.requests][-1] == "/again/again/again/list"


@pytest.mark.parametrize("after", [0, 1, 100_000])
@pytest.mark.parametrize("reset", [False, True])
def test_a_cut(server: Server, tmp_path: Path, after: int, reset: bool) -> None:
    server.fail("*.raw", Cut(after=after, reset=reset), times=1)
    target = tmp_path / "target"
    reply = curl(f"{server.url}/image.raw", "-o", str(target))
    assert reply.returncode == (CURL_RECEIVE if reset else CURL_PARTIAL)
    assert (target.read_bytes() if target.exists() else b"") == CONTENT[:after]
    assert server.requests[0].sent == after
    assert curl(f"{server.url}/image.raw", "-C", "-", "-o", str(target)).returncode == 0
    assert target.read_bytes() == CONTENT


@pytest.mark.parametrize(("offset", "at"), [(0, 0), (70_000, 70_000), (-1, LENGTH - 1)])
def test_a_byte_that_is_not_right(server: Server, client: Client, offset: int, at: int) -> None:
    server.fail("*.raw", Corrupt(offset=offset))
    body = client.get("/image.raw").body
    assert [index for index in range(LENGTH) if body[index] != CONTENT[index]] == [at]
    part = client.get("/image.raw", Range=f"bytes={at}-{at}")
    assert (part.status, part.body) == (206, bytes([CONTENT[at] ^ 0xFF]))
    assert client.get("/image.raw", Range="bytes=1-9").body == CONTENT[1:10]
    assert server.connections == 1


def test_a_file_that_seems_shorter(server: Server, client: Client) -> None:
    server.fail("*.raw", Truncated(size=1000), times=3)
    assert client.get("/image.raw").body == CONTENT[:1000]
    assert client.get("/image.raw", Range="bytes=900-").headers["Content-Range"] == "bytes 900-999/1000"
    assert client.get("/image.raw", Range="bytes=1000-").status == 416
    server.fail("*.raw", Truncated(size=1000, stated=400), times=1)
    assert client.get("/image.raw").body == CONTENT[:400]


def test_a_length_that_is_a_lie(server: Server, client: Client) -> None:
    server.fail("*.raw", Truncated(size=1000, stated=2000))
    with pytest.raises(IncompleteRead) as raised:
        client.get("/image.raw")
    assert raised.value.partial == CONTENT[:1000]
    assert curl(f"{server.url}/image.raw").returncode == CURL_PARTIAL


def test_a_trickle(server: Server, client: Client) -> None:
    server.fail("*", Trickle(bytes_per_second=30), times=1)
    start = time.monotonic()
    assert client.get("/list").body == b"hello\n"
    assert 0.1 <= time.monotonic() - start < 5
    server.fail("*.raw", Trickle(bytes_per_second=1000))
    slow = curl(f"{server.url}/image.raw", "--speed-limit", "50000", "--speed-time", "1")
    assert slow.returncode == CURL_TIMEOUT
    assert 0 < len(slow.stdout) < 20_000


@pytest.mark.parametrize("framing", ["chunked", "close", "huge"])
@pytest.mark.parametrize("path", ["list", "empty"])
def test_no_end(server: Server, framing: Literal["chunked", "close", "huge"], path: str) -> None:
    """Each of these a client has to break off."""
    server.fail("*", Endless(framing=framing))
    with Client(server) as client:
        client.http.request("GET", f"/{path}")
        answer = client.http.getresponse()
        assert answer.getheader("Content-Length") == (str(2**62) if framing == "huge" else None)
        start = answer.read(3_000_000)
    assert start == (b"hello\n" * 500_000 if path == "list" else bytes(3_000_000))
    assert server.requests[0].sent >= 3_000_000


def test_no_end_behind_the_length(server: Server) -> None:
    """What obeys Content-Length sees a file and then rubbish on the connection."""
    server.fail("*", Endless(framing="length"), times=1)
    with socket.create_connection(("127.0.0.1", server.port)) as plain:
        plain.sendall(b"GET /list HTTP/1.1\r\n\r\n")
        received = b""
        while len(received) < 1_000_000:
            received += plain.recv(65536)
    assert b"\r\nContent-Length: 6\r\n" in received
    assert curl(f"{server.url}/list").stdout == b"hello\n"


def test_a_slow_answer_without_end(server: Server) -> None:
    server.fail("*", Endless(framing="chunked"))
    server.fail("*", Trickle(bytes_per_second=100))
    reply = curl(f"{server.url}/list", "--max-time", "0.5")
    assert reply.returncode == CURL_TIMEOUT
    assert 0 < len(reply.stdout) <= 100


def test_ranges_that_lie(server: Server, client: Client, tmp_path: Path) -> None:
    server.fail("*.raw", WrongRange(), times=1)
    said = client.get("/image.raw", Range="bytes=10-19")
    assert (said.headers["Content-Range"], said.body) == ("bytes 11-20/300000", CONTENT[10:20])
    server.fail("*.raw", WrongRange(stated=0, sent=5), times=3)
    sent = client.get("/image.raw", Range="bytes=10-19")
    assert (sent.headers["Content-Range"], sent.body) == ("bytes 10-19/300000", CONTENT[15:25])
    last = client.get("/image.raw", Range="bytes=299990-")
    assert (last.headers["Content-Range"], last.body) == ("bytes 299990-299999/300000", CONTENT[299985:299995])
    assert client.get("/image.raw").body == CONTENT
    server.fail("*.raw", WrongRange())
    target = tmp_path / "target"
    target.write_bytes(CONTENT[:10])
    assert curl(f"{server.url}/image.raw", "-C", "-", "-o", str(target)).returncode != 0
    assert server.connections == 2


def test_no_ranges(server: Server, client: Client) -> None:
    server.fail("*", NoRanges())
    reply = client.get("/image.raw", Range="bytes=10-19")
    assert (reply.status, reply.body) == (200, CONTENT)
    assert "Accept-Ranges" not in reply.headers


def test_a_coding_that_nobody_asked_for(server: Server, client: Client) -> None:
    server.fail("*", Compressed())
    reply = client.get("/image.raw", Accept_Encoding="identity")
    assert reply.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(reply.body) == CONTENT
    assert curl(f"{server.url}/list", "--compressed").stdout == b"hello\n"
    assert client.get("/list", method="HEAD").headers["Content-Encoding"] == "gzip"


def test_a_bomb(server: Server, tmp_path: Path) -> None:
    server.fail("*", Compressed(bomb_mib=50))
    target = tmp_path / "target"
    assert curl(f"{server.url}/list", "--compressed", "-o", str(target)).returncode == 0
    assert target.stat().st_size == 50 * 1024 * 1024
    assert server.requests[0].sent < 100_000
    assert gzip.decompress(gzip_bomb(2)) == bytes(2 * 1024 * 1024)


def test_a_tag_that_changes(server: Server, client: Client) -> None:
    server.fail("*", ChangingETag())
    first = client.get("/image.raw")
    tag = first.headers["ETag"]
    assert client.get("/image.raw", If_None_Match=tag).status == 200
    assert client.get("/image.raw", Range="bytes=1-", If_Range=tag).status == 200
    assert client.get("/image.raw", Range="bytes=1-").body == CONTENT[1:]


@pytest.mark.parametrize(
    "faults",
    [
        [Delay(seconds=3600)],
        [Endless()],
        [Trickle(bytes_per_second=1)],
        [Endless(), Trickle(bytes_per_second=10)],
        [],
    ],
    ids=["delay", "endless", "trickle", "slow endless", "kept"],
)
def test_stopping_waits_for_nobody(folder: Path, faults: list[Fault]) -> None:
    """Also with a client that does not read what it is sent."""
    with socket.socket() as waiting, Server(folder) as server:
        for fault in faults:
            server.fail("*", fault)
        waiting.connect(("127.0.0.1", server.port))
        waiting.sendall(b"GET /list HTTP/1.1\r\n\r\n")
        if not any(isinstance(fault, Delay) for fault in faults):
            assert waiting.recv(1)
        threads = threading.active_count()
        start = time.monotonic()
        server.stop()
        assert time.monotonic() - start < 2
        assert threading.active_count() < threads
