# SPDX-License-Identifier: LGPL-2.1-or-later
"""Registries that want tokens: who is asked for one with which password, and who is shown it (row N40)."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from tests.lab.authority import Authority
from tests.lab.scripted import Answer, Asked, ScriptedServer
from tests.unit.net.samples import IMAGE, Collected, bring, request_for, run
from tukit_sysext.errors import NotServed, SourceUnreachable
from tukit_sysext.net.login import Login
from tukit_sysext.net.redirects import origin
from tukit_sysext.net.request import Response
from tukit_sysext.net.tokens import Tokens

SECRET = "geheim"  # noqa: S105  # of the test's own server
BASIC = f"Basic {b64encode(f'lab:{SECRET}'.encode()).decode()}"
BLOB = "/v2/images/gdb/blobs/sha256:0"


def login(*urls: str) -> Login:
    return Login(user="lab", password=SECRET, origins=frozenset(map(origin, urls)))


class Rig:
    """A registry whose blobs are IMAGE for who has the token, and its token server."""

    def __init__(self, stack: ExitStack, authority: Authority | None) -> None:
        self._stack = stack
        self._authority = authority
        self.good = {"first"}
        self.given = "first"
        self.realm: Callable[[], str] = lambda: f"{self.tokens.url}/token"
        self.serve: Callable[[Asked], Answer] = lambda _: Answer(body=IMAGE)
        self.tokens = self.server(lambda _: Answer(body=json.dumps({"token": self.given}).encode()))
        self.registry = self.server(self.answer)

    def server(self, answer: Callable[[Asked], Answer], *, plain: bool = False, host: str = "127.0.0.1") -> Any:
        authority = None if plain else self._authority
        return self._stack.enter_context(ScriptedServer(answer, authority=authority, host=host))

    def answer(self, asked: Asked) -> Answer:
        if asked.headers.get("authorization", "").removeprefix("Bearer ") in self.good:
            return self.serve(asked)
        name = asked.path.removeprefix("/v2/").partition("/blobs/")[0]
        challenge = f'Bearer realm="{self.realm()}",service="lab",scope="repository:{name}:pull"'
        return Answer(status=401, body=b"{}", headers={"WWW-Authenticate": challenge})

    @property
    def settings(self) -> dict[str, Any]:
        return {"ca_file": str(self._authority.certificate_path)} if self._authority is not None else {}

    def bring(self, path: str = BLOB, *, tokens: Tokens | None = None, **changes: Any) -> Response:
        known = login(self.registry.url)
        changes = {"login": known, "tokens": tokens or Tokens(known), **changes}
        return bring(f"{self.registry.url}{path}", settings=self.settings, **changes)

    def said(self, server: Any) -> list[str | None]:
        return [asked.headers.get("authorization") for asked in server.asked]


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority.make(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def rig() -> Iterator[Rig]:
    with ExitStack() as stack:
        yield Rig(stack, None)


@pytest.fixture
def secure(authority: Authority) -> Iterator[Rig]:
    with ExitStack() as stack:
        yield Rig(stack, authority)


@pytest.mark.parametrize("which", ["rig", "secure"])
def test_a_token_is_had_and_kept_for_its_repository(which: str, request: pytest.FixtureRequest) -> None:
    rig: Rig = request.getfixturevalue(which)
    tokens = Tokens(login(rig.registry.url))
    assert rig.bring(tokens=tokens).body == IMAGE
    assert rig.bring(f"{BLOB}1", tokens=tokens).body == IMAGE
    query = "?service=lab&scope=repository%3Aimages%2Fgdb%3Apull"
    assert rig.tokens.paths == [f"/token{query}"]
    assert rig.said(rig.tokens) == [BASIC]
    assert rig.said(rig.registry) == [BASIC, "Bearer first", "Bearer first"]
    assert rig.bring("/v2/images/strace/blobs/sha256:0", tokens=tokens).body == IMAGE
    assert len(rig.tokens.paths) == 2


def test_without_a_password_nobody_in_particular_asks(rig: Rig) -> None:
    assert rig.bring(login=None, tokens=Tokens(None)).body == IMAGE
    assert rig.said(rig.tokens) == [None]


def test_who_wants_the_same_token_waits_for_it(rig: Rig) -> None:
    tokens = Tokens(None)
    wanted = [request_for(f"{rig.registry.url}{BLOB}{number}", tokens=tokens) for number in range(6)]
    assert [result.body for result in run(*wanted, at_once=3) if isinstance(result, Response)] == [IMAGE] * 6
    assert len(rig.tokens.asked) == 1


def test_one_that_has_run_out_is_replaced(rig: Rig) -> None:
    tokens = Tokens(None)
    assert rig.bring(tokens=tokens).body == IMAGE
    rig.good, rig.given = {"second"}, "second"
    assert rig.bring(tokens=tokens).body == IMAGE
    assert rig.said(rig.registry)[-2:] == ["Bearer first", "Bearer second"]


def test_one_that_runs_out_in_the_middle_of_a_download(rig: Rig) -> None:
    """The download goes on where it was."""
    half, rig.given = len(IMAGE) // 2, "first"

    def serve(asked: Asked) -> Answer:
        if "range" not in asked.headers:
            rig.good, rig.given = {"second"}, "second"
            return Answer(body=IMAGE[:half], headers={"ETag": '"x"'}, stated=len(IMAGE))
        said = f"bytes {half}-{len(IMAGE) - 1}/{len(IMAGE)}"
        return Answer(status=206, body=IMAGE[half:], headers={"ETag": '"x"', "Content-Range": said})

    rig.serve = serve
    sink = Collected()
    rig.bring(sink=sink)
    assert sink.content == IMAGE
    assert sink.restarts == 0
    assert len(rig.tokens.asked) == 2


def test_a_token_that_is_not_taken_is_not_asked_for_again(rig: Rig) -> None:
    rig.good = set()
    with pytest.raises(NotServed, match="status 401 Unauthorized: it asks for credentials"):
        rig.bring(login=None)
    assert len(rig.registry.asked) == 2
    assert len(rig.tokens.asked) == 1


def test_a_redirect_elsewhere_is_not_shown_the_token(rig: Rig) -> None:
    elsewhere = rig.server(lambda _: Answer(body=IMAGE))
    rig.serve = lambda _: Answer(status=307, headers={"Location": f"{elsewhere.url}{BLOB}"})
    sink = Collected()
    rig.bring(sink=sink)
    assert sink.content == IMAGE
    assert rig.said(elsewhere) == [None]


def test_who_was_redirected_to_may_want_no_token(rig: Rig) -> None:
    """Whoever is asked in the place of the registry would be told our password."""
    challenge = {"WWW-Authenticate": f'Bearer realm="{rig.tokens.url}/other"'}
    elsewhere = rig.server(lambda _: Answer(status=401, headers=challenge))
    moved = rig.server(lambda _: Answer(status=307, headers={"Location": f"{elsewhere.url}{BLOB}"}))
    known = login(moved.url)
    with pytest.raises(NotServed, match="status 401"):
        bring(f"{moved.url}{BLOB}", login=known, tokens=Tokens(known))
    assert rig.tokens.asked == []


def test_over_http_the_password_goes_to_the_registrys_own_host_alone(rig: Rig) -> None:
    """Anybody on the way may have said where a token is to be had."""
    elsewhere = rig.server(lambda _: Answer(body=b'{"token": "first"}'), host="localhost")
    rig.realm = lambda: f"{elsewhere.url}/token"
    assert rig.bring().body == IMAGE
    assert rig.said(elsewhere) == [None]


def test_over_https_it_goes_where_the_registry_says(secure: Rig) -> None:
    elsewhere = secure.server(lambda _: Answer(body=b'{"token": "first"}'), host="localhost")
    secure.realm = lambda: f"{elsewhere.url}/token"
    assert secure.bring().body == IMAGE
    assert secure.said(elsewhere) == [BASIC]


def test_from_https_to_http_nothing_is_asked_for(secure: Rig) -> None:
    elsewhere = secure.server(lambda _: Answer(body=b'{"token": "first"}'), plain=True)
    secure.realm = lambda: f"{elsewhere.url}/token"
    with pytest.raises(NotServed, match="from HTTPS to HTTP, which is not followed"):
        secure.bring()
    assert elsewhere.asked == []


@pytest.mark.parametrize(
    "realm", ["file:///etc/passwd", "http:///x", "//x", "x", "http://[::1/", "http://user@127.0.0.1/", "http://\u00e4/"]
)
def test_what_is_no_place_for_a_token(realm: str) -> None:
    with ExitStack() as stack:
        rig = Rig(stack, None)
        header = f'Bearer realm="{realm}"'.encode().decode("latin-1")
        server = rig.server(lambda _: Answer(status=401, headers={"WWW-Authenticate": header}))
        with pytest.raises(SourceUnreachable) as caught:
            bring(f"{server.url}{BLOB}", tokens=Tokens(login(server.url)), login=login(server.url))
        assert isinstance(caught.value, NotServed)
        assert SECRET not in str(caught.value)


def test_another_mirror_where_the_token_server_is_away(rig: Rig) -> None:
    rig.realm = lambda: "http://127.0.0.1:1/token"
    mirror = rig.server(lambda _: Answer(body=IMAGE))
    urls = (f"{rig.registry.url}{BLOB}", f"{mirror.url}{BLOB}")
    assert bring(*urls, tokens=Tokens(None), settings={"patient": False}).body == IMAGE
    with pytest.raises(SourceUnreachable, match=r"no token for it: cannot fetch http://127.0.0.1:1/token"):
        bring(urls[0], tokens=Tokens(None), settings={"patient": False})


@pytest.mark.parametrize("body", [b"", b"{}", b'{"token": "a\\r\\nX: y"}', b"x" * 70_000])
def test_a_token_server_that_gives_none(rig: Rig, body: bytes) -> None:
    bad = rig.server(lambda _: Answer(body=body))
    rig.realm = lambda: f"{bad.url}/token"
    with pytest.raises(NotServed, match="no token for it"):
        rig.bring()
    assert len(bad.asked) == 1


def test_a_token_is_in_no_message(rig: Rig, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    rig.given = "very-secret-token"
    tokens = Tokens(login(rig.registry.url))
    with pytest.raises(NotServed) as caught:
        rig.bring(tokens=tokens)
    for secret in ("very-secret-token", SECRET):
        assert secret not in f"{caught.value} {caplog.text} {tokens!r}"
