# SPDX-License-Identifier: LGPL-2.1-or-later
"""The lab's server when nothing is wrong, through http.client and curl."""

from __future__ import annotations

import os
import select
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.lab.authority import Authority
from tests.lab.ports import unused_url
from tests.lab.server import Server
from tests.unit.lab.clients import CURL_CONNECT, CURL_TLS_UNTRUSTED, Client, curl
from tests.unit.lab.conftest import CONTENT

pytestmark = pytest.mark.tool("curl")

TOP = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority.make(tmp_path_factory.mktemp("authority"))


def test_files_over_one_kept_connection(folder: Path) -> None:
    with Server(folder) as server, Client(server) as client:
        for path, body in (
            ("/list", b"hello\n"),
            ("/image.raw", CONTENT),
            ("/empty", b""),
            ("/deeper/file", b"deep\n"),
        ):
            reply = client.get(path)
            assert (reply.status, reply.body) == (200, body)
            assert reply.headers["Content-Length"] == str(len(body))
        rows = server.requests
        assert [(row.method, row.path, row.status, row.sent, row.connection) for row in rows] == [
            ("GET", "/list", 200, 6, 1),
            ("GET", "/image.raw", 200, len(CONTENT), 1),
            ("GET", "/empty", 200, 0, 1),
            ("GET", "/deeper/file", 200, 5, 1),
        ]
        assert server.connections == 1
        assert rows[0].headers["accept-encoding"] == "identity"
        server.clear()
        assert server.requests == []


def test_what_is_not_there(folder: Path) -> None:
    with Server(folder) as server, Client(server) as client:
        for path in ("/none", "/", "/deeper", "/../secret", "/%2e%2e/secret", "/list%00", "/deeper/../../secret"):
            assert client.get(path).status == 404
        assert client.get("/list?x=/y").body == b"hello\n"
        assert (server.requests[-1].path, server.requests[-1].query) == ("/list", "x=/y")
        assert client.get("/list", method="PUT").headers["Allow"] == "GET, HEAD"


def test_head(folder: Path) -> None:
    with Server(folder) as server, Client(server) as client:
        reply = client.get("/image.raw", method="HEAD")
        assert (reply.status, reply.body, reply.headers["Content-Length"]) == (200, b"", str(len(CONTENT)))
        assert client.get("/none", method="HEAD").status == 404
        assert client.get("/list").body == b"hello\n"
        assert server.connections == 1


def test_revalidation_and_ranges(folder: Path) -> None:
    with Server(folder) as server, Client(server) as client:
        first = client.get("/image.raw")
        tag, date = first.headers["ETag"], first.headers["Last-Modified"]
        assert client.get("/image.raw", If_None_Match=tag).status == 304
        assert client.get("/image.raw", If_Modified_Since=date).status == 304
        part = client.get("/image.raw", Range="bytes=299000-", If_Range=tag)
        assert (part.status, part.body) == (206, CONTENT[299000:])
        assert part.headers["Content-Range"] == "bytes 299000-299999/300000"
        large = client.get("/image.raw", Range="bytes=100000-249999", If_Range=date)
        assert large.body == CONTENT[100000:250000]
        beyond = client.get("/image.raw", Range="bytes=300000-")
        assert beyond.status == 416
        assert beyond.headers["Content-Range"] == "bytes */300000"
        (folder / "new").write_bytes(CONTENT)
        os.utime(folder / "new", ns=(0, (folder / "image.raw").stat().st_mtime_ns))
        (folder / "new").replace(folder / "image.raw")
        assert client.get("/image.raw", Range="bytes=1-", If_Range=tag).status == 200
        assert server.connections == 1


def test_curl_resumes_and_revalidates(folder: Path, tmp_path: Path) -> None:
    target, tags = tmp_path / "target", tmp_path / "tags"
    with Server(folder) as server:
        target.write_bytes(CONTENT[:1000])
        assert curl(f"{server.url}/image.raw", "-C", "-", "-o", str(target)).returncode == 0
        assert target.read_bytes() == CONTENT
        assert (server.requests[0].status, server.requests[0].sent) == (206, len(CONTENT) - 1000)
        for status in (200, 304):
            options = ["--etag-compare", str(tags), "--etag-save", str(tags), "-w", "%{http_code}", "-o", str(target)]
            assert curl(f"{server.url}/list", *options).stdout == str(status).encode()


def test_an_old_client_is_not_kept(folder: Path) -> None:
    with Server(folder) as server:
        assert curl(f"{server.url}/list", "--http1.0").stdout == b"hello\n"
        with socket.create_connection(("127.0.0.1", server.port)) as plain:
            plain.sendall(b"GET http://somewhere/list HTTP/1.1\r\nConnection: close\r\n\r\n")
            answer = b"".join(iter(lambda: plain.recv(65536), b""))
        assert answer.endswith(b"hello\n")
        with socket.create_connection(("127.0.0.1", server.port)) as plain:
            plain.sendall(b"nonsense\r\n\r\n")
            assert plain.recv(1) == b""
        assert len(server.requests) == 2


def test_requests_at_once_and_latency(folder: Path) -> None:
    """20 answers of 50 ms each, in parallel, take far less than the second that they add up to."""
    with Server(folder, latency_ms=50) as server:

        def ask(_: int) -> float:
            start = time.monotonic()
            with Client(server) as client:
                assert client.get("/list").body == b"hello\n"
            return time.monotonic() - start

        start = time.monotonic()
        with ThreadPoolExecutor(20) as pool:
            assert min(pool.map(ask, range(20))) >= 0.05
        assert time.monotonic() - start < 0.8
        assert server.connections == 20


def test_several_folders(folder: Path) -> None:
    with Server({"one": folder, "two": folder / "deeper"}) as server, Client(server) as client:
        assert client.get("/one/list").body == b"hello\n"
        assert client.get("/two/file").body == b"deep\n"
        assert client.get("/list").status == 404


def test_it_goes_away_and_comes_back(folder: Path) -> None:
    server = Server(folder)
    with server:
        url = f"{server.url}/list"
        assert curl(url).stdout == b"hello\n"
    assert curl(url).returncode == CURL_CONNECT
    with server, Client(server) as client:
        assert curl(url).stdout == b"hello\n"
        assert client.get("/list").status == 200
    server.stop()


def test_nothing_listens_at_an_unused_url() -> None:
    assert curl(unused_url()).returncode == CURL_CONNECT


def test_tls_with_an_authority_of_its_own(folder: Path, authority: Authority) -> None:
    with Server(folder, authority=authority) as server:
        assert server.url.startswith("https://127.0.0.1:")
        for host in ("127.0.0.1", "localhost"):
            reply = curl(f"https://{host}:{server.port}/image.raw", "-4", ca=authority.certificate_path)
            assert reply.stdout == CONTENT
        assert curl(server.url).returncode == CURL_TLS_UNTRUSTED
        both = curl(f"{server.url}/list", f"{server.url}/image.raw", "-r", "1-3", ca=authority.certificate_path)
        assert both.stdout == CONTENT[1:4] + b"ell"
        assert [row.connection for row in server.requests[-2:]] == [server.requests[-1].connection] * 2
        with socket.create_connection(("127.0.0.1", server.port)) as plain:
            plain.sendall(b"GET / HTTP/1.1\r\n\r\n")


def test_a_certificate_for_another_name(folder: Path, tmp_path: Path) -> None:
    other = Authority.make(tmp_path / "other", names=["mirror.example"])
    with Server(folder, authority=other) as server:
        assert curl(f"{server.url}/list", ca=other.certificate_path).returncode == CURL_TLS_UNTRUSTED
        resolve = f"mirror.example:{server.port}:127.0.0.1"
        named = f"https://mirror.example:{server.port}/list"
        assert curl(named, "--resolve", resolve, ca=other.certificate_path).stdout == b"hello\n"


@pytest.mark.parametrize("tls", [False, True])
def test_large_files_are_fast(tmp_path: Path, authority: Authority, tls: bool) -> None:
    """A bench compares a download with curl's: what this server costs must not hide the difference."""
    with open(tmp_path / "large", "wb") as file:
        file.truncate(256 * 1024 * 1024)
    with Server(tmp_path, authority=authority if tls else None) as server:
        start = time.monotonic()
        reply = curl(f"{server.url}/large", "-o", "/dev/null", ca=authority.certificate_path if tls else None)
        assert reply.returncode == 0
        assert time.monotonic() - start < 10
        assert server.requests[0].sent == 256 * 1024 * 1024


@pytest.mark.parametrize("options", [[], ["--tls"], ["--log", "--latency-ms", "1"]])
def test_the_command(folder: Path, options: list[str]) -> None:
    argv = [sys.executable, "-m", "tests.lab.server", str(folder), *options]
    with subprocess.Popen(argv, cwd=TOP, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            assert select.select([process.stdout], [], [], 30)[0]
            url = process.stdout.readline().strip()
            authority = Path(process.stdout.readline().strip()) if "--tls" in options else None
            assert curl(f"{url}/list", ca=authority).stdout == b"hello\n"
        finally:
            process.send_signal(signal.SIGTERM)
        rest = process.stdout.read()
        assert process.wait(30) == 0
    assert rest == ("200 6 1 GET /list\n" if "--log" in options else "")


def test_the_command_names_a_missing_folder(tmp_path: Path) -> None:
    argv = [sys.executable, "-m", "tests.lab.server", str(tmp_path / "none")]
    done = subprocess.run(argv, cwd=TOP, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "none: no such folder" in done.stderr
