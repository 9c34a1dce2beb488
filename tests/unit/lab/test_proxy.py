# SPDX-License-Identifier: LGPL-2.1-or-later
"""A real proxy between curl and the lab's server."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.lab.authority import Authority
from tests.lab.ports import accepts, unused_url
from tests.lab.proxy import Proxy
from tests.lab.server import Server
from tests.unit.lab.clients import CURL_CONNECT, CURL_RECEIVE, curl
from tests.unit.lab.conftest import CONTENT

pytestmark = pytest.mark.tool("curl")


def test_http_and_https_through_a_proxy(folder: Path, tmp_path: Path) -> None:
    authority = Authority.make(tmp_path / "authority")
    with Server(folder) as plain, Server(folder, authority=authority) as secret, Proxy() as proxy:
        through = ["--proxy", proxy.url, "--noproxy", ""]
        assert curl(f"{plain.url}/image.raw", *through).stdout == CONTENT
        assert curl(f"{secret.url}/list", *through, ca=authority.certificate_path).stdout == b"hello\n"
        assert proxy.log == [f"GET {plain.url}/image.raw", f"CONNECT 127.0.0.1:{secret.port}"]
        assert "tinyproxy" in plain.requests[0].headers["via"]
    assert len(proxy.log) == 2
    assert not accepts(proxy.port)
    assert curl(f"{unused_url()}/list", *through).returncode == CURL_CONNECT
    proxy.stop()


def test_a_proxy_that_wants_a_password(folder: Path) -> None:
    with Server(folder) as server, Proxy(user="somebody", password="secret") as proxy:  # noqa: S106  # of this test
        through = ["--noproxy", "", "-w", "%{http_code}", "-o", "/dev/null"]
        assert curl(f"{server.url}/list", *through, "--proxy", proxy.url).stdout == b"407"
        known = proxy.url.replace("//", "//somebody:secret@")
        assert curl(f"{server.url}/list", *through, "--proxy", known).stdout == b"200"
        assert len(server.requests) == 1


def test_a_server_that_is_away_behind_a_proxy(folder: Path, tmp_path: Path) -> None:
    with Proxy() as proxy:
        through = ["--proxy", proxy.url, "--noproxy", "", "-w", "%{http_code}", "-o", str(tmp_path / "answer")]
        assert curl(f"{unused_url()}/list", *through).stdout == b"500"
        assert curl(f"{unused_url('https')}/list", *through).returncode == CURL_RECEIVE
