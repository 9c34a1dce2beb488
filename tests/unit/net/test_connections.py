# SPDX-License-Identifier: LGPL-2.1-or-later
"""Connections are kept, transfers run side by side, and what is known is not sent again."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.lab.answers import http_date
from tests.lab.faults import Delay, Garbage, Status
from tests.lab.server import Server
from tests.unit.net.samples import LIST, QUICK, bring, request_for, run
from tukit_sysext.errors import SourceUnreachable
from tukit_sysext.net.request import Response
from tukit_sysext.net.transfer import Transfers


def test_one_connection_does_for_one_file_after_the_other(server: Server) -> None:
    results = run(*[request_for(f"{server.url}/list") for _ in range(10)])
    assert all(isinstance(result, Response) for result in results)
    assert (len(server.requests), server.connections) == (10, 1)


def test_connections_are_kept_from_one_run_to_the_next(server: Server) -> None:
    with Transfers(QUICK) as transfers:
        for _ in range(3):
            transfers.run([request_for(f"{server.url}/list"), request_for(f"{server.url}/none")], at_once=1)
    assert (len(server.requests), server.connections) == (6, 1)


def test_files_come_side_by_side(folder: Path) -> None:
    with Server(folder, latency_ms=100) as server:
        begun = time.monotonic()
        run(*[request_for(f"{server.url}/list") for _ in range(8)], at_once=8)
        assert time.monotonic() - begun < 0.4, "one after the other takes 0.8 seconds"
        assert server.connections == 8


def test_no_more_come_side_by_side_than_is_said(folder: Path) -> None:
    with Server(folder, latency_ms=50) as server:
        results = run(*[request_for(f"{server.url}/list") for _ in range(9)], at_once=3)
        assert [result.body for result in results if isinstance(result, Response)] == [LIST] * 9
        assert server.connections == 3
        at = sorted(request.at for request in server.requests)
        assert all(later - earlier >= 0.045 for earlier, later in zip(at, at[3:], strict=False))


def test_one_server_gets_no_more_connections_than_is_said(folder: Path) -> None:
    with Server(folder, latency_ms=20) as server:
        results = run(*[request_for(f"{server.url}/list") for _ in range(6)], at_once=6, connections=2)
        assert all(isinstance(result, Response) for result in results)
        assert server.connections == 2


def test_a_slow_file_holds_up_no_other(server: Server) -> None:
    server.fail("image.raw", Delay(seconds=0.5))
    run(request_for(f"{server.url}/image.raw"), *[request_for(f"{server.url}/list") for _ in range(5)], at_once=2)
    (slow,) = [request for request in server.requests if request.path == "/image.raw"]
    others = [request for request in server.requests if request.path == "/list"]
    assert len(others) == 5
    assert others[-1].at - slow.at < 0.4


def test_a_job_that_waits_holds_up_no_other(server: Server) -> None:
    server.fail("image.raw", Status(code=503), times=1)
    first, *others = run(
        request_for(f"{server.url}/image.raw"), *[request_for(f"{server.url}/list") for _ in range(3)], at_once=1
    )
    assert all(isinstance(result, Response) for result in (first, *others))
    assert [request.path for request in server.requests] == ["/image.raw", *["/list"] * 3, "/image.raw"]


def test_what_is_unchanged_is_not_sent_again(server: Server) -> None:
    first = bring(f"{server.url}/list")
    for etag, modified in ((first.etag, None), (None, first.modified)):
        again = bring(f"{server.url}/list", etag=etag, modified=modified)
        assert again.unchanged
        assert again.body == b""
        assert again.url == f"{server.url}/list"
    assert [(request.status, request.sent) for request in server.requests] == [(200, 6), (304, 0), (304, 0)]


def test_what_changed_is_sent(server: Server, folder: Path) -> None:
    first = bring(f"{server.url}/list")
    (folder / "list").write_bytes(b"other\n")
    again = bring(f"{server.url}/list", etag=first.etag)
    assert (again.unchanged, again.body) == (False, b"other\n")
    assert again.etag != first.etag


def test_what_changed_since_is_sent(server: Server) -> None:
    again = bring(f"{server.url}/list", modified=http_date(datetime(2020, 1, 1, tzinfo=UTC)))
    assert (again.unchanged, again.body) == (False, LIST)


def test_unchanged_is_no_answer_to_who_knows_nothing(server: Server) -> None:
    server.fail("list", Status(code=304))
    with pytest.raises(SourceUnreachable, match="status 304"):
        bring(f"{server.url}/list", deadline=0.3)


def test_an_etag_of_other_letters_is_given_back_as_it_was(server: Server) -> None:
    """RFC 9110 allows bytes beyond ASCII in it; it comes from the server and must not trip us."""
    said = b'HTTP/1.1 200 OK\r\nETag: "\xfc"\r\nContent-Length: 6\r\nConnection: close\r\n\r\nhello\n'
    server.fail("list", Garbage(content=said), times=1)
    first = bring(f"{server.url}/list")
    again = bring(f"{server.url}/list", etag=first.etag, modified=first.modified)
    assert again.body == LIST
