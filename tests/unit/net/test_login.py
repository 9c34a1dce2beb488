# SPDX-License-Identifier: LGPL-2.1-or-later
"""Credentials go to the servers that they are for, and to no other (threats N12 and N16)."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.authority import Authority
from tests.lab.faults import Cut, Redirect, Status
from tests.lab.server import Server
from tests.unit.net.samples import IMAGE, LIST, Collected, bring
from tukit_sysext.errors import SourceUnreachable
from tukit_sysext.net.login import Login
from tukit_sysext.net.redirects import Redirects, origin

SECRET = "geh:eim \u20ac"  # noqa: S105  # of the test's own server


def login(*urls: str) -> Login:
    return Login(user="lab", password=SECRET, origins=frozenset(map(origin, urls)))


def said(server: Server) -> set[str]:
    """What requests to a server said of who they are."""
    found = (request.headers.get("authorization", "") for request in server.requests)
    return {b64decode(text.removeprefix("Basic ")).decode() for text in found}


@pytest.fixture
def closed(folder: Path) -> Iterator[Server]:
    """A server that asks who one is."""
    with Server(folder, login=f"lab:{SECRET}") as started:
        yield started


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority.make(tmp_path_factory.mktemp("authority"))


@pytest.mark.parametrize("redirects", [Redirects.ORIGIN, Redirects.ANY])
def test_who_has_them_gets_the_file(closed: Server, redirects: Redirects) -> None:
    assert bring(f"{closed.url}/list", login=login(closed.url), redirects=redirects).body == LIST
    assert [request.status for request in closed.requests] == [200]


def test_who_has_none_is_told_so(closed: Server) -> None:
    with pytest.raises(SourceUnreachable, match=r"status 401 Unauthorized: it asks for credentials \(Credentials="):
        bring(f"{closed.url}/list")


def test_wrong_ones_are_not_repeated(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    with Server(folder, login="lab:other") as server:
        with pytest.raises(SourceUnreachable, match="it does not take the credentials") as caught:
            bring(f"{server.url}/list", login=login(server.url))
        assert len(server.requests) == 1
    assert SECRET not in str(caught.value) + caplog.text + repr(login(server.url))


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
def test_another_server_is_not_told(closed: Server, mirror: Server, code: int) -> None:
    """The same host with another port is another origin; libcurl before 7.83 did not see it so."""
    closed.fail("image.raw", Redirect(url=f"{mirror.url}/{{path}}", code=code))  # type: ignore[arg-type]  # one of its
    sink = Collected()
    answer = bring(f"{closed.url}/image.raw", sink=sink, login=login(closed.url))
    assert (sink.content, answer.url) == (IMAGE, f"{closed.url}/image.raw")
    assert (said(closed), said(mirror)) == ({f"lab:{SECRET}"}, {""})


def test_back_at_its_own_server_it_is_told_again(closed: Server, mirror: Server) -> None:
    closed.fail("list", Redirect(url=f"{mirror.url}/list"), times=1)
    mirror.fail("list", Redirect(url=f"{closed.url}/image.raw"))
    assert bring(f"{closed.url}/list", login=login(closed.url)).body == IMAGE
    assert (said(closed), said(mirror)) == ({f"lab:{SECRET}"}, {""})


def test_a_redirect_within_the_server(closed: Server) -> None:
    closed.fail("list", Redirect(url="/image.raw"))
    for redirects in Redirects:
        assert bring(f"{closed.url}/list", login=login(closed.url), redirects=redirects).body == IMAGE


def test_a_mirror_that_they_are_not_for(server: Server, mirror: Server) -> None:
    server.fail("*", Status(code=404))
    assert bring(f"{server.url}/list", f"{mirror.url}/list", login=login(server.url)).body == LIST
    assert (said(server), said(mirror)) == ({f"lab:{SECRET}"}, {""})


def test_a_redirected_download_goes_on_where_it_was(closed: Server, mirror: Server) -> None:
    closed.fail("image.raw", Redirect(url=f"{mirror.url}/{{path}}"))
    mirror.fail("image.raw", Cut(after=1000), times=1)
    sink = Collected()
    bring(f"{closed.url}/image.raw", sink=sink, login=login(closed.url))
    assert sink.content == IMAGE
    assert [request.headers.get("range") for request in mirror.requests] == [None, "bytes=1000-"]
    assert said(mirror) == {""}


def test_a_server_that_was_redirected_to_is_not_kept_to(closed: Server, mirror: Server) -> None:
    """What fails there is asked of the source's own server again."""
    closed.fail("image.raw", Redirect(url=f"{mirror.url}/{{path}}"), times=1)
    mirror.fail("image.raw", Status(code=503))
    sink = Collected()
    bring(f"{closed.url}/image.raw", sink=sink, login=login(closed.url))
    assert (sink.content, len(mirror.requests)) == (IMAGE, 1)


@pytest.mark.parametrize("target", ["file:///etc/passwd", "ftp://127.0.0.1/list", "gopher://127.0.0.1/", "//", "http:"])
def test_only_http_is_followed(closed: Server, target: str) -> None:
    closed.fail("list", Redirect(url=target))
    with pytest.raises(SourceUnreachable):
        bring(f"{closed.url}/list", login=login(closed.url), deadline=0.5)


def test_no_more_than_five_redirects(closed: Server) -> None:
    closed.fail("list", Redirect(url=f"{closed.url}/list"))
    with pytest.raises(SourceUnreachable, match="more than 5 redirects"):
        bring(f"{closed.url}/list", login=login(closed.url))
    assert len(closed.requests) == 6


def test_https_does_not_lead_to_http(folder: Path, authority: Authority, mirror: Server) -> None:
    settings = {"ca_file": str(authority.certificate_path)}
    with Server(folder, authority=authority, login=f"lab:{SECRET}") as secure:
        known = login(secure.url, mirror.url)
        assert bring(f"{secure.url}/list", settings=settings, login=known).body == LIST
        secure.fail("list", Redirect(url=f"{mirror.url}/list"))
        with pytest.raises(SourceUnreachable, match="redirects from HTTPS to HTTP"):
            bring(f"{secure.url}/list", settings=settings, login=known)
    assert mirror.requests == []


def test_the_next_job_over_the_same_connection_says_nothing(closed: Server) -> None:
    from tests.unit.net.samples import QUICK, request_for
    from tukit_sysext.net.transfer import Transfers

    with Transfers(QUICK) as transfers:
        transfers.run([request_for(f"{closed.url}/list", login=login(closed.url))], at_once=1)
        (result,) = transfers.run([request_for(f"{closed.url}/list")], at_once=1)
    assert isinstance(result, SourceUnreachable)
    assert [request.status for request in closed.requests] == [200, 401]
