# SPDX-License-Identifier: LGPL-2.1-or-later
"""Everything ends: what is slow adds up to no more than is said, and a name server that is silent holds nobody (P5)."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.lab.faults import Delay, Fault, Refuse, Status, Trickle
from tests.lab.server import Server
from tests.unit.net.samples import IMAGE, QUICK, Collected, request_for
from tukit_sysext.errors import ImageBroken, SourceUnreachable
from tukit_sysext.net.allowance import Allowance
from tukit_sysext.net.request import Response
from tukit_sysext.net.transfer import Transfers
from tukit_sysext.waits import WAITS


@contextmanager
def at_most(seconds: float) -> Iterator[None]:
    begun = time.monotonic()
    yield
    assert time.monotonic() - begun < seconds


def test_slow_answers_one_after_the_other_share_one_time(server: Server) -> None:
    """Six that each come in time would need 3.6 seconds."""
    server.fail("list", Delay(seconds=0.6))
    requests = [request_for(f"{server.url}/list") for _ in range(6)]
    with Transfers(QUICK) as transfers, at_most(2.4):
        shared = Allowance(1.5, "Deadline= of [Network]")
        results = [transfers.run([request], at_once=1, within=shared)[0] for request in requests]
    assert [type(result) for result in results[:2]] == [Response, Response]
    assert {type(result) for result in results[3:]} == {SourceUnreachable}
    assert "the time is over (Deadline= of [Network])" in str(results[-1])


def test_those_that_come_soon_are_not_stopped_by_their_number(server: Server) -> None:
    shared = Allowance(0.5, "Deadline=", regained=0.25)
    with Transfers(QUICK) as transfers:
        results = transfers.run([request_for(f"{server.url}/list")] * 300, at_once=8, within=shared)
    assert {type(result) for result in results} == {Response}


def test_finding_out_ends(server: Server) -> None:
    server.fail("list", Delay(seconds=0.6))
    with Transfers(replace(QUICK, finding_out=1)) as transfers, at_most(2):
        results = [transfers.run([request_for(f"{server.url}/list")], at_once=1)[0] for _ in range(4)]
    assert "the time is over (Deadline= of [Update])" in str(results[-1])


def test_images_that_trickle_share_one_time(server: Server) -> None:
    """Each is fast enough, and would take three seconds: the second one is not whole in four."""
    server.fail("image.raw", Trickle(bytes_per_second=100_000))
    requests = [request_for(f"{server.url}/image.raw", sink=Collected(), deadline=60) for _ in range(3)]
    with Transfers(replace(QUICK, image_deadline=4)) as transfers, at_most(6):
        results = transfers.run(requests, at_once=1)
    assert [type(result) for result in results] == [Response, SourceUnreachable, SourceUnreachable]
    assert "the time is over (ImageDeadline= of [Network])" in str(results[-1])


def test_an_image_of_which_nothing_comes(server: Server) -> None:
    server.fail("image.raw", Delay(seconds=60))
    with Transfers(replace(QUICK, deadline=1, least_rate_window=30)) as transfers, at_most(4):
        (result,) = transfers.run([request_for(f"{server.url}/image.raw", sink=Collected(), deadline=60)], at_once=1)
    assert isinstance(result, SourceUnreachable)


@pytest.mark.parametrize("fault", [Refuse(), Status(code=404), Delay(seconds=60)])
def test_a_mirror_that_has_no_image_takes_no_time_from_the_next(server: Server, mirror: Server, fault: Fault) -> None:
    """The next one has as long as its bytes come, and one that hangs is left for it."""
    server.fail("image.raw", fault)
    mirror.fail("image.raw", Trickle(bytes_per_second=150_000))
    sink = Collected()
    urls = f"{server.url}/image.raw", f"{mirror.url}/image.raw"
    with Transfers(replace(QUICK, deadline=1)) as transfers:
        (result,) = transfers.run([request_for(*urls, sink=sink, deadline=60)], at_once=1)
    assert isinstance(result, Response)
    assert sink.content == IMAGE


def test_a_wrong_image_that_came_slowly_leaves_the_next_mirror_its_time(server: Server, mirror: Server) -> None:
    server.fail("image.raw", Trickle(bytes_per_second=150_000))
    asked: list[int] = []

    def accept(_: bytes) -> None:
        asked.append(1)
        if len(asked) == 1:
            raise ImageBroken("another hash")

    urls = f"{server.url}/image.raw", f"{mirror.url}/image.raw"
    with Transfers(replace(QUICK, deadline=1)) as transfers:
        (result,) = transfers.run([request_for(*urls, sink=Collected(), deadline=60, accept=accept)], at_once=1)
    assert isinstance(result, Response)


def test_a_server_that_was_away_has_as_long_as_its_bytes_come(server: Server) -> None:
    """What it said of a list is no measure for how long an image of it may take."""
    server.fail("list", Delay(seconds=60))
    server.fail("image.raw", Trickle(bytes_per_second=150_000))
    with Transfers(replace(QUICK, connect_timeout=1)) as transfers:
        (late,) = transfers.run([request_for(f"{server.url}/list", deadline=1)], at_once=1)
        assert isinstance(late, SourceUnreachable)
        (result,) = transfers.run([request_for(f"{server.url}/image.raw", sink=Collected(), deadline=60)], at_once=1)
    assert isinstance(result, Response)
    assert [request.path for request in server.requests].count("/image.raw") == 1, "it was broken off"


_RATE, _PIECE = 200_000, 10_000


class Line(ThreadingHTTPServer):
    """Serves one image over a line that all connections share in turn: _RATE bytes a second, _PIECE of them at once.

    ``sent`` are the bytes that it has carried, ``ended`` how many they were each time that an image was whole.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Shared)
        self.sent = 0
        self.ended: list[int] = []
        self._turn = threading.Condition()
        self._waiting: deque[object] = deque()

    @contextmanager
    def turn(self) -> Iterator[None]:
        """The line, when those are served who came first: a lock would go to who had it just now."""
        one = object()
        with self._turn:
            self._waiting.append(one)
            self._turn.wait_for(lambda: self._waiting[0] is one)
        try:
            yield
        finally:
            with self._turn:
                self._waiting.popleft()
                self._turn.notify_all()


class Shared(BaseHTTPRequestHandler):
    server: Line

    def do_GET(self) -> None:
        start = int(self.headers.get("Range", "bytes=0-")[6:-1])
        self.send_response(206 if start else 200)
        self.send_header("ETag", '"1"')
        self.send_header("Content-Length", str(len(IMAGE) - start))
        self.send_header("Content-Range", f"bytes {start}-{len(IMAGE) - 1}/{len(IMAGE)}")
        self.end_headers()
        with suppress(OSError):
            for at in range(start, len(IMAGE), _PIECE):
                with self.server.turn():
                    time.sleep(_PIECE / _RATE)  # the line is busy with it
                    self.wfile.write(IMAGE[at : at + _PIECE])
                    self.server.sent += len(IMAGE[at : at + _PIECE])
            self.server.ended.append(self.server.sent)

    def log_message(self, *_: object) -> None:
        """Nobody reads it."""


def test_on_a_slow_line_one_image_is_whole_before_the_next_goes_on() -> None:
    with Line() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_address[1]}"
        sinks = [Collected() for _ in range(3)]
        requests = [request_for(f"{url}/{number}", sink=sink, deadline=60) for number, sink in enumerate(sinks)]
        with Transfers(QUICK) as transfers:
            assert {type(result) for result in transfers.run(requests, at_once=3)} == {Response}
        server.shutdown()
    first, second, third = server.ended
    assert second - first > 0.4 * len(IMAGE), "all at once are whole at the same time"
    assert third - second > 0.4 * len(IMAGE)
    assert server.sent < 3.4 * len(IMAGE), "what came goes on where it was"
    assert {sink.content for sink in sinks} == {IMAGE}


def test_where_each_connection_is_slow_several_go_on_at_once(server: Server) -> None:
    server.fail("image.raw", Trickle(bytes_per_second=60_000))
    requests = [request_for(f"{server.url}/image.raw", sink=Collected(), deadline=60) for _ in range(3)]
    with Transfers(QUICK) as transfers, at_most(10):
        assert {type(result) for result in transfers.run(requests, at_once=3)} == {Response}


_SILENT = """
import os, socket, sys, time
sys.path.insert(0, sys.argv[1])
silent = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(3)]
for number, server in enumerate(silent, start=1):
    server.bind((f"127.0.0.{number}", 53))
begun = time.monotonic()
import tukit_sysext.net.libcurl
if len(sys.argv) > 2:
    print("loaded", time.monotonic() - begun, flush=True)
    os._exit(0)
from dataclasses import replace
from tests.unit.net.samples import QUICK, request_for
from tukit_sysext.net.transfer import Transfers

with open("/etc/resolv.conf", "a") as file:
    file.write("# as it was: glibc reads it again, with the patience that it has\\n")
begun = time.monotonic()
transfers = Transfers(replace(QUICK, connect_timeout=1, deadline=2))
(result,) = transfers.run([request_for("http://images.example.org/SHA256SUMS", deadline=2)], at_once=1)
transfers.close()
print(type(result).__name__, time.monotonic() - begun)
"""


def with_silent_name_servers(tmp_path: Path, resolv: str, *arguments: str) -> tuple[str, float]:
    """Run the script above in namespaces of its own; what it says, and for how long that took."""
    (tmp_path / "resolv.conf").write_text(resolv)
    (tmp_path / "nsswitch.conf").write_text("hosts: dns\n")
    binds = " && ".join(f"mount --bind {tmp_path}/{name} /etc/{name}" for name in ("resolv.conf", "nsswitch.conf"))
    script = f'ip link set lo up && {binds} && exec "$@"'
    python = [sys.executable, "-c", _SILENT, str(Path(__file__).parents[3]), *arguments]
    done = subprocess.run(
        ["unshare", "--mount", "--net", "sh", "-c", script, "sh", *python],
        capture_output=True,
        text=True,
        check=True,
        timeout=100,
    )
    kind, seconds = done.stdout.split()
    return kind, float(seconds)


@pytest.mark.root
def test_a_name_server_that_never_answers(tmp_path: Path) -> None:
    """glibc would wait for two minutes here: while libcurl is loaded, and then in a thread of it, which is left."""
    with at_most(15):
        kind, seconds = with_silent_name_servers(tmp_path, "nameserver 127.0.0.1\noptions timeout:30 attempts:4\n")
    assert kind == "SourceUnreachable"
    assert seconds < 4


@pytest.mark.long
@pytest.mark.root
def test_name_servers_that_never_answer_while_libcurl_is_loaded(tmp_path: Path) -> None:
    """As many as glibc asks, and a search domain: what the table of waits says of it holds."""
    (bound,) = (wait.seconds * wait.times for wait in WAITS if wait.where.startswith("net/libcurl.py:"))
    servers = "".join(f"nameserver 127.0.0.{number}\n" for number in (1, 2, 3))
    options = "search a.example b.example c.example\noptions timeout:30 attempts:4\n"
    _, seconds = with_silent_name_servers(tmp_path, servers + options, "loading")
    assert seconds < bound + 2
