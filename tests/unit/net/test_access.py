# SPDX-License-Identifier: LGPL-2.1-or-later
"""Proxies and certificates: those of the configuration count, and no others."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.authority import Authority
from tests.lab.ports import unused_url
from tests.lab.proxy import Proxy
from tests.lab.server import Server
from tests.unit.net.samples import LIST, bring
from tukit_sysext.errors import SourceUnreachable


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority.make(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def other_authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority.make(tmp_path_factory.mktemp("other"), name="Other CA")


@pytest.fixture(scope="module")
def proxy() -> Iterator[Proxy]:
    with Proxy() as started:
        yield started


@pytest.fixture
def secure(folder: Path, authority: Authority) -> Iterator[Server]:
    with Server(folder, authority=authority) as started:
        yield started


def test_https_with_the_own_authority(secure: Server, authority: Authority) -> None:
    assert bring(f"{secure.url}/list", settings={"ca_file": str(authority.certificate_path)}).body == LIST


def test_the_file_of_authorities_may_be_anywhere(secure: Server, authority: Authority, tmp_path: Path) -> None:
    path = tmp_path / "autorité"
    path.write_bytes(authority.certificate_path.read_bytes())
    assert bring(f"{secure.url}/list", settings={"ca_file": str(path)}).body == LIST


def test_https_without_the_own_authority_is_refused(secure: Server) -> None:
    with pytest.raises(SourceUnreachable, match=f"{secure.url}/list: its certificate is not trusted"):
        bring(f"{secure.url}/list")
    assert secure.requests == []


def test_https_with_another_authority_is_refused(secure: Server, other_authority: Authority) -> None:
    with pytest.raises(SourceUnreachable, match="its certificate is not trusted"):
        bring(f"{secure.url}/list", settings={"ca_file": str(other_authority.certificate_path)})
    assert secure.requests == []


def test_a_certificate_for_another_name_is_refused(folder: Path, tmp_path: Path) -> None:
    authority = Authority.make(tmp_path / "authority", names=["images.example.org"])
    with Server(folder, authority=authority) as server:
        with pytest.raises(SourceUnreachable, match="its certificate is not trusted"):
            bring(f"{server.url}/list", settings={"ca_file": str(authority.certificate_path)})
        assert server.requests == []


def test_authorities_that_cannot_be_read_are_a_reason(secure: Server, tmp_path: Path) -> None:
    with pytest.raises(SourceUnreachable, match=f"{secure.url}/list"):
        bring(f"{secure.url}/list", settings={"ca_file": str(tmp_path / "none.pem")}, deadline=0.5)


def test_plain_http_at_a_port_of_https(secure: Server) -> None:
    with pytest.raises(SourceUnreachable):
        bring(f"http://127.0.0.1:{secure.port}/list", deadline=0.3)


def test_http_by_the_proxy(server: Server, proxy: Proxy) -> None:
    assert bring(f"{server.url}/list", settings={"http_proxy": proxy.url}).body == LIST
    assert f"GET {server.url}/list" in proxy.log


def test_https_by_the_proxy(secure: Server, proxy: Proxy, authority: Authority) -> None:
    settings = {"https_proxy": proxy.url, "ca_file": str(authority.certificate_path)}
    assert bring(f"{secure.url}/list", settings=settings).body == LIST
    assert f"CONNECT 127.0.0.1:{secure.port}" in proxy.log


def test_the_proxy_of_the_other_scheme_is_not_used(server: Server, proxy: Proxy) -> None:
    bring(f"{server.url}/list", settings={"https_proxy": proxy.url})
    assert f"GET {server.url}/list" not in proxy.log


@pytest.mark.parametrize("no_proxy", ["127.0.0.1", "localhost,127.0.0.1", "*"])
def test_no_proxy_for_some_servers(server: Server, no_proxy: str) -> None:
    settings = {"http_proxy": unused_url(), "no_proxy": no_proxy}
    assert bring(f"{server.url}/list", settings=settings).body == LIST


def test_a_proxy_that_is_down_is_a_reason(server: Server) -> None:
    with pytest.raises(SourceUnreachable, match=f"{server.url}/list: connection refused"):
        bring(f"{server.url}/list", settings={"http_proxy": unused_url()}, deadline=0.3)
    assert server.requests == []


def test_a_proxy_with_user_and_password(server: Server) -> None:
    with Proxy(user="lab", password="geheim") as proxy:  # noqa: S106  # of the test's own proxy
        with pytest.raises(SourceUnreachable, match="status 407"):
            bring(f"{server.url}/list", settings={"http_proxy": proxy.url}, deadline=0.3)
        known = proxy.url.replace("://", "://lab:geheim@")
        assert bring(f"{server.url}/list", settings={"http_proxy": known}).body == LIST


@pytest.mark.parametrize(
    "proxy", ["http://lab:geheim@127.0.0.1:1", "ftp://lab:geheim@127.0.0.1:1", "http://lab:geheim@127.0.0.1:port"]
)
def test_the_password_of_a_proxy_is_never_told(server: Server, caplog: pytest.LogCaptureFixture, proxy: str) -> None:
    """Threat N16."""
    caplog.set_level("DEBUG")
    with pytest.raises(SourceUnreachable) as caught:
        bring(f"{server.url}/list", settings={"http_proxy": proxy}, deadline=0.3)
    assert "geheim" not in str(caught.value)
    assert "geheim" not in caplog.text


@pytest.mark.parametrize("name", ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"])
def test_a_proxy_of_the_environment_is_ignored(server: Server, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, unused_url())
    assert bring(f"{server.url}/list").body == LIST


def test_an_https_proxy_of_the_environment_is_ignored(
    secure: Server, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("https_proxy", unused_url())
    monkeypatch.setenv("HTTPS_PROXY", unused_url())
    assert bring(f"{secure.url}/list", settings={"ca_file": str(authority.certificate_path)}).body == LIST


def test_the_environment_switches_no_proxy_off(server: Server, proxy: Proxy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setenv("NO_PROXY", "*")
    bring(f"{server.url}/list", settings={"http_proxy": proxy.url})
    assert f"GET {server.url}/list" in proxy.log


@pytest.mark.parametrize("name", ["SSL_CERT_FILE", "CURL_CA_BUNDLE"])
def test_authorities_of_the_environment_are_ignored(
    secure: Server, authority: Authority, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(name, str(authority.certificate_path))
    with pytest.raises(SourceUnreachable, match="its certificate is not trusted"):
        bring(f"{secure.url}/list")


def test_passwords_of_the_user_are_not_sent(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login lab password geheim\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    bring(f"{server.url}/list")
    assert "authorization" not in server.requests[0].headers


@pytest.mark.parametrize(
    "url", ["http://b\xfccher.invalid/list", "http://127.0.0.1:99999/list", "http://[::1/list", "http:///"]
)
def test_a_url_that_leads_nowhere_is_a_reason(url: str) -> None:
    with pytest.raises(SourceUnreachable):
        bring(url, deadline=0.3)
