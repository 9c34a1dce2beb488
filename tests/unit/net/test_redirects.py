# SPDX-License-Identifier: LGPL-2.1-or-later
"""Redirects: what a signed list vouches for may come from anywhere, what nobody signed from its server (threat N12)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.authority import Authority
from tests.lab.faults import Cut, Redirect, Status
from tests.lab.server import Server
from tests.unit.net.samples import IMAGE, LIST, Collected, bring
from tukit_sysext.errors import SourceUnreachable
from tukit_sysext.net.redirects import Redirects, is_same_host, shown_url


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority.make(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def secure(folder: Path, authority: Authority) -> Iterator[Server]:
    with Server(folder, authority=authority) as started:
        yield started


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
def test_an_image_may_come_from_another_server(server: Server, mirror: Server, code: int) -> None:
    server.fail("image.raw", Redirect(url=f"{mirror.url}/{{path}}", code=code))  # type: ignore[arg-type]
    sink = Collected()
    answer = bring(f"{server.url}/image.raw", sink=sink)
    assert sink.content == IMAGE
    assert answer.url == f"{server.url}/image.raw"
    assert [request.method for request in mirror.requests] == ["GET"]


def test_a_redirected_download_goes_on_where_it_was(server: Server, mirror: Server) -> None:
    server.fail("image.raw", Redirect(url=f"{mirror.url}/{{path}}"))
    mirror.fail("image.raw", Cut(after=1000), times=1)
    sink = Collected()
    bring(f"{server.url}/image.raw", sink=sink)
    assert sink.content == IMAGE
    assert [request.headers.get("range") for request in mirror.requests] == [None, "bytes=1000-"]


def test_what_nobody_signed_comes_from_the_server_that_was_asked(server: Server, mirror: Server) -> None:
    server.fail("list", Redirect(url=f"{mirror.url}/{{path}}"))
    with pytest.raises(SourceUnreachable, match=f"{server.url}/list: redirects to another server"):
        bring(f"{server.url}/list", redirects=Redirects.ORIGIN)


def test_a_list_that_another_server_calls_unchanged_is_not(server: Server, mirror: Server) -> None:
    """Else a redirect would do to freeze a list."""
    etag = bring(f"{server.url}/list").etag
    server.fail("list", Redirect(url=f"{mirror.url}/{{path}}"))
    with pytest.raises(SourceUnreachable, match="redirects to another server"):
        bring(f"{server.url}/list", redirects=Redirects.ORIGIN, etag=etag)


def test_a_list_does_not_come_by_way_of_another_server(server: Server, mirror: Server) -> None:
    server.fail("list", Redirect(url=f"{mirror.url}/list"))
    mirror.fail("list", Redirect(url=f"{server.url}/image.raw"))
    with pytest.raises(SourceUnreachable, match="redirects to another server"):
        bring(f"{server.url}/list", redirects=Redirects.ORIGIN)


def test_another_server_is_not_even_asked_for_what_nobody_signed(server: Server, mirror: Server) -> None:
    server.fail("list", Redirect(url=f"{mirror.url}/{{path}}"))
    with pytest.raises(SourceUnreachable):
        bring(f"{server.url}/list", redirects=Redirects.ORIGIN)
    assert mirror.requests == []


def test_after_a_refused_redirect_the_next_mirror_has_the_list(server: Server, mirror: Server) -> None:
    server.fail("list", Redirect(url="http://127.0.0.1:1/list"))
    assert bring(f"{server.url}/list", f"{mirror.url}/list", redirects=Redirects.ORIGIN).url == f"{mirror.url}/list"


@pytest.mark.parametrize("target", ["{server}/other", "/other", "other"])
def test_a_redirect_at_the_same_server_is_followed(server: Server, folder: Path, target: str) -> None:
    (folder / "other").write_bytes(b"moved\n")
    server.fail("list", Redirect(url=target.replace("{server}", server.url)))
    assert bring(f"{server.url}/list", redirects=Redirects.ORIGIN).body == b"moved\n"


def test_five_redirects_are_followed_six_are_not(server: Server) -> None:
    server.fail("image.raw", Redirect(url="/image.raw"), times=5)
    assert bring(f"{server.url}/image.raw").body == IMAGE
    server.fail("image.raw", Redirect(url="/image.raw"), times=6)
    with pytest.raises(SourceUnreachable, match="more than 5 redirects"):
        bring(f"{server.url}/image.raw")


def test_a_circle_is_left(server: Server) -> None:
    setting = server.fail("image.raw", Redirect(url="/image.raw"))
    with pytest.raises(SourceUnreachable, match="more than 5 redirects"):
        bring(f"{server.url}/image.raw")
    assert setting.hits == 6, "it was asked for again"


@pytest.mark.parametrize("scheme", ["file", "ftp", "gopher", "dict", "scp", "smb"])
def test_other_schemes_are_not_followed(server: Server, tmp_path: Path, scheme: str) -> None:
    secret = tmp_path / "secret"
    secret.write_text("root's own")
    setting = server.fail("image.raw", Redirect(url=f"{scheme}://127.0.0.1{secret}"))
    with pytest.raises(SourceUnreachable, match="redirects to something else than HTTP or HTTPS"):
        bring(f"{server.url}/image.raw")
    assert setting.hits == 1


def test_other_schemes_are_not_spoken_at_all(tmp_path: Path) -> None:
    (tmp_path / "list").write_bytes(LIST)
    with pytest.raises(SourceUnreachable, match="speaks no HTTP"):
        bring((tmp_path / "list").as_uri(), deadline=0.3)


def test_from_https_to_http_is_not_followed(secure: Server, server: Server, authority: Authority) -> None:
    secure.fail("image.raw", Redirect(url=f"{server.url}/{{path}}"))
    with pytest.raises(SourceUnreachable, match="redirects from HTTPS to HTTP"):
        bring(f"{secure.url}/image.raw", settings={"ca_file": str(authority.certificate_path)})
    assert server.requests == []


def test_from_https_to_http_for_what_a_signed_list_has_the_hash_of(
    secure: Server, server: Server, authority: Authority
) -> None:
    """Redirectors of mirrors fall back to it."""
    secure.fail("image.raw", Redirect(url=f"{server.url}/{{path}}"))
    settings = {"ca_file": str(authority.certificate_path)}
    assert bring(f"{secure.url}/image.raw", settings=settings, redirects=Redirects.ANY).body == IMAGE


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("http://a/x", "http://a:80/y", True),
        ("http://a/x", "https://A/y", True),
        ("http://a/x", "https://a:444/y", False),
        ("http://a:81/x", "https://a/y", False),
        ("https://a:8443/x", "https://a:8443/y", True),
        ("https://a/x", "https://b.a/x", False),
        ("https://a/x", "https://[::1/x", False),
    ],
)
def test_what_is_one_host(one: str, other: str, same: bool) -> None:
    assert is_same_host(one, other) is is_same_host(other, one) is same


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://cdn.example/a/b?X-Signature=geheim&x=1#y", "https://cdn.example/a/b"),
        ("https://user:geheim@cdn.example/a#geheim?", "https://cdn.example/a"),
        ("https://user:gehe?im@cdn.example/a", "https://user:gehe"),
        ("http://a/\x1b[1m", "http://a/\\x1b[1m"),
    ],
)
def test_how_a_url_is_shown(url: str, shown: str) -> None:
    assert shown_url(url) == shown


def test_from_http_to_https_is_followed(secure: Server, server: Server, authority: Authority) -> None:
    server.fail("image.raw", Redirect(url=f"{secure.url}/{{path}}"))
    answer = bring(f"{server.url}/image.raw", settings={"ca_file": str(authority.certificate_path)})
    assert answer.body == IMAGE


@pytest.mark.parametrize("redirects", [Redirects.ORIGIN, Redirects.ANY])
@pytest.mark.parametrize(
    "location",
    [
        "http://m\xfcnchen.invalid/",
        "http://[::1/",
        "http://",
        "http://127.0.0.1:99999/",
        "http://127.0.0.1:port/",
        "\x01",
        "\xfc",
        "",
    ],
)
def test_a_redirect_to_nowhere_is_a_failure_of_the_server(server: Server, location: str, redirects: Redirects) -> None:
    server.fail("image.raw", Redirect(url=location))
    with pytest.raises(SourceUnreachable, match=f"{server.url}/image.raw: ") as raised:
        bring(f"{server.url}/image.raw", deadline=0.3, redirects=redirects)
    assert str(raised.value).isprintable()


def test_five_redirects_of_a_list_at_its_server_are_followed_six_are_not(server: Server) -> None:
    server.fail("list", Redirect(url="/list"), times=5)
    assert bring(f"{server.url}/list", redirects=Redirects.ORIGIN).body == LIST
    setting = server.fail("list", Redirect(url="/list"))
    with pytest.raises(SourceUnreachable, match="more than 5 redirects"):
        bring(f"{server.url}/list", redirects=Redirects.ORIGIN)
    assert setting.hits == 6


def test_a_list_of_https_does_not_come_by_http(secure: Server, server: Server, authority: Authority) -> None:
    secure.fail("list", Redirect(url=f"http://127.0.0.1:{secure.port}/list"))
    with pytest.raises(SourceUnreachable, match="redirects to another server"):
        bring(f"{secure.url}/list", redirects=Redirects.ORIGIN, settings={"ca_file": str(authority.certificate_path)})


def test_a_file_behind_a_redirect_at_its_server_is_asked_again(server: Server, folder: Path) -> None:
    (folder / "other").write_bytes(b"moved\n")
    server.fail("list", Redirect(url="/other"))
    server.fail("other", Status(code=503), times=1)
    assert bring(f"{server.url}/list", redirects=Redirects.ORIGIN).body == b"moved\n"
