# SPDX-License-Identifier: LGPL-2.1-or-later
"""Requests with bodies to a server on loopback: what it is sent, and what is made of its answers."""

from __future__ import annotations

import signal
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from tests.lab.ports import unused_url
from tests.lab.running import HandlerServer
from tukit_sysext.errors import SourceUnreachable
from tukit_sysext.net import sending
from tukit_sysext.net.login import Login
from tukit_sysext.net.network import NetworkSettings
from tukit_sysext.net.redirects import origin
from tukit_sysext.net.sending import FileBody, NotAsked, Sender, SendRequest

SETTINGS = NetworkSettings(deadline=5, connect_timeout=5)
FAST_ENOUGH = 20 * SETTINGS.least_rate
LARGE = bytes(range(256)) * 8192


@dataclass
class Receiver:
    """A server that answers with this status and these headers, and has what it was sent."""

    port: int = 0
    status: int = 200
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: bytes = b""
    asked: list[tuple[str, str, dict[str, str], bytes]] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v2/p/"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    found = Receiver()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            headers = {name.lower(): value for name, value in self.headers.items()}
            content = self.rfile.read(int(headers.get("content-length", 0)))
            found.asked.append((self.command, self.path, headers, content))
            self.send_response(found.status)
            for name, value in found.headers:
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(found.body)))
            self.end_headers()
            self.wfile.write(found.body if self.command != "HEAD" else b"")

        do_HEAD = do_GET = do_POST = do_PUT = answer

        def log_message(self, *_: object) -> None:
            pass

    with HandlerServer(Handler) as server:
        found.port = server.port
        yield found


@pytest.fixture
def sender() -> Iterator[Sender]:
    with Sender(SETTINGS) as sender:
        yield sender


@pytest.mark.parametrize(
    ("method", "body"), [("HEAD", None), ("GET", None), ("POST", b""), ("PUT", b"manifest"), ("PUT", LARGE)]
)
def test_each_method(receiver: Receiver, sender: Sender, method: str, body: bytes | None) -> None:
    receiver.status, receiver.headers, receiver.body = 202, [("Location", "/v2/1")], b"{}"
    reply = sender.send(SendRequest(method=method, url=receiver.url, headers=("Accept: a/b",), body=body))
    assert (reply.status, reply.good, reply.headers["location"]) == (202, True, "/v2/1")
    assert reply.body == (b"" if method == "HEAD" else b"{}")
    ((asked, path, headers, content),) = receiver.asked
    assert (asked, path, headers["accept"], content) == (method, "/v2/p/", "a/b", body or b"")


def test_a_file_is_sent_as_far_as_it_was_long(receiver: Receiver, sender: Sender, tmp_path: Path) -> None:
    path = tmp_path / "image.raw"
    path.write_bytes(LARGE + b"grown")
    sent: list[int] = []
    with open(path, "rb") as file:
        body = FileBody(descriptor=file.fileno(), size=len(LARGE), sent=sent.append)
        assert sender.send(SendRequest(method="PUT", url=receiver.url, body=body)).good
    assert receiver.asked[0][3] == LARGE
    assert sent[-1] == len(LARGE)
    assert sent == sorted(sent) and len(sent) > 10


def test_a_file_that_shrank(receiver: Receiver, sender: Sender, tmp_path: Path) -> None:
    path = tmp_path / "image.raw"
    path.write_bytes(b"short")
    with open(path, "rb") as file, pytest.raises(SourceUnreachable):
        body = FileBody(descriptor=file.fileno(), size=100)
        sender.send(SendRequest(method="PUT", url=receiver.url, body=body))
    assert sender.send(SendRequest(method="HEAD", url=receiver.url)).good


def test_statuses_are_no_errors_and_redirects_are_not_followed(receiver: Receiver, sender: Sender) -> None:
    receiver.headers = [("Location", f"{receiver.url}elsewhere")]
    for receiver.status in (307, 404, 500):
        reply = sender.send(SendRequest(method="GET", url=receiver.url))
        assert (reply.status, reply.good) == (receiver.status, False)
    assert [path for _, path, _, _ in receiver.asked] == ["/v2/p/"] * 3


def test_who_we_are(receiver: Receiver, sender: Sender) -> None:
    """A token, else the login where it is for this server."""
    receiver.headers = [("WWW-Authenticate", 'Basic realm="a"'), ("WWW-Authenticate", 'Bearer realm="b"')]
    ours = Login(user="lab", password="se:cret", origins=frozenset((origin(receiver.url),)))  # noqa: S106  # of this test
    for login, token in ((None, ""), (ours, ""), (ours, "Bearer abc"), (replace(ours, origins=frozenset()), "")):
        request = SendRequest(method="GET", url=receiver.url, login=login, authorization=token)
        reply = sender.send(request)
        assert not {"cret", "abc"} & set(repr(request).split("'"))
    assert reply.headers["www-authenticate"] == 'Basic realm="a", Bearer realm="b"'
    said = [headers.get("authorization") for _, _, headers, _ in receiver.asked]
    assert said == [None, "Basic bGFiOnNlOmNyZXQ=", "Bearer abc", None]


def test_nobody_there(sender: Sender) -> None:
    with pytest.raises(NotAsked, match=r"HEAD http://127\.0\.0\.1:\d+/v2/: connection refused$"):
        sender.send(SendRequest(method="HEAD", url=f"{unused_url()}/v2/?secret"))


def test_what_is_no_url(sender: Sender) -> None:
    """A server may have said it."""
    with pytest.raises(NotAsked, match=r"PUT https://registry\.example\.org/é: cannot be asked for: "):
        sender.send(SendRequest(method="PUT", url="https://registry.example.org/é?secret"))


def test_a_connection_that_is_closed_and_one_that_is_silent() -> None:
    with Sender(replace(SETTINGS, deadline=1, least_rate_window=1)) as sender:
        for closes in (True, False):
            with closing(socket.create_server(("127.0.0.1", 0))) as listener:
                url = f"http://127.0.0.1:{listener.getsockname()[1]}/"

                def take(listener: socket.socket = listener, closes: bool = closes) -> None:
                    connected, _ = listener.accept()
                    with connected:
                        connected.recv(1000)
                        if not closes:
                            connected.recv(1000)  # until the client has gone

                thread = threading.Thread(target=take)
                thread.start()
                with pytest.raises(SourceUnreachable) as raised:
                    sender.send(SendRequest(method="PUT", url=url, body=b"content"))
                thread.join()
                assert not isinstance(raised.value, NotAsked)


def test_an_answer_that_is_too_long_ends_it(receiver: Receiver, sender: Sender) -> None:
    receiver.body = bytes(1024 * 1024 + 1)
    with pytest.raises(SourceUnreachable, match=r"/v2/p/: an answer of more than 1048576 bytes"):
        sender.send(SendRequest(method="GET", url=receiver.url))
    receiver.body = bytes(1024 * 1024)
    assert sender.send(SendRequest(method="GET", url=receiver.url)).body == receiver.body


def test_an_answer_that_comes_fast_enough_and_takes_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sending, "_STORE_TIMEOUT", 0.5)
    with Sender(SETTINGS) as sender, closing(socket.create_server(("127.0.0.1", 0))) as listener:

        def feed() -> None:
            connected, _ = listener.accept()
            with connected, suppress(OSError):
                connected.recv(1000)
                connected.sendall(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")
                for _ in range(60):
                    connected.sendall(bytes(1000))
                    time.sleep(1000 / FAST_ENOUGH)  # the rate is what is tested: no slower than is bearable

        thread = threading.Thread(target=feed)
        thread.start()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
        with pytest.raises(SourceUnreachable, match="timed out"):
            sender.send(SendRequest(method="GET", url=url))
        thread.join()


def test_an_interruption_comes_through(receiver: Receiver, sender: Sender, tmp_path: Path) -> None:
    path = tmp_path / "image.raw"
    path.write_bytes(LARGE)

    def interrupt(_: int) -> None:
        # a process that sends has no other thread of ours, as the receiver has here, which would take it
        signal.pthread_kill(threading.get_ident(), signal.SIGINT)

    with open(path, "rb") as file, pytest.raises(KeyboardInterrupt):
        body = FileBody(descriptor=file.fileno(), size=len(LARGE), sent=interrupt)
        sender.send(SendRequest(method="PUT", url=receiver.url, body=body))
