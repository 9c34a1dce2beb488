# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a registry is asked to store something, who is told who we are, and what its answers mean."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from tukit_sysext.config.credentials import Credentials
from tukit_sysext.errors import NotServed, SourceUnreachable
from tukit_sysext.net.network import NetworkSettings
from tukit_sysext.net.redirects import origin
from tukit_sysext.net.sending import FileBody, NotAsked, Sender, SendReply, SendRequest
from tukit_sysext.publish.project import Project

API = "https://registry.example.org/v2/p/"
SHA256 = "a" * 64
LOGIN = Credentials(path="/etc/push", user="lab", password="secret")  # noqa: S106  # of this test


def reply(status: int, body: Any = b"", **headers: str) -> SendReply:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return SendReply(status=status, headers={k.replace("_", "-"): v for k, v in headers.items()}, body=content)


class Script(Sender):
    """Answers what it is told to, and remembers what it was asked."""

    def __init__(self, *replies: SendReply | SourceUnreachable) -> None:
        super().__init__(NetworkSettings())
        self.replies = list(replies)
        self.asked: list[SendRequest] = []

    def send(self, request: SendRequest) -> SendReply:
        self.asked.append(request)
        answer = self.replies.pop(0)
        if isinstance(answer, SourceUnreachable):
            raise answer
        return answer

    @property
    def lines(self) -> list[str]:
        return [f"{request.method} {request.url.removeprefix(API)}" for request in self.asked]

    @property
    def told(self) -> list[str]:
        """Who each was told that we are: a token, or the user's name where the login is for the one that is asked."""
        return [
            request.authorization
            or (request.login.user if request.login and origin(request.url) in request.login.origins else "")
            for request in self.asked
        ]


def project(script: Script, credentials: Credentials | None = None, pauses: list[float] | None = None) -> Project:
    waited = pauses if pauses is not None else []
    return Project("oci://registry.example.org/p/", script, credentials, pause=waited.append)


@pytest.mark.parametrize(
    ("place", "asked"),
    [
        ("/v2/p/gdb/blobs/uploads/1?_state=x", f"{API}gdb/blobs/uploads/1?_state=x&digest=sha256%3A{SHA256}"),
        (f"{API}gdb/blobs/uploads/1", f"{API}gdb/blobs/uploads/1?digest=sha256%3A{SHA256}"),
        ("https://store.example.org/1", f"https://store.example.org/1?digest=sha256%3A{SHA256}"),
    ],
)
def test_a_blob_is_stored_where_the_registry_says(place: str, asked: str) -> None:
    script = Script(reply(202, location=place), reply(201))
    project(script).put_blob("gdb", SHA256, b"content")
    assert [request.url for request in script.asked] == [f"{API}gdb/blobs/uploads/", asked]
    assert script.asked[1].body == b"content"


@pytest.mark.parametrize("place", ["http://registry.example.org/1", "file:///etc/passwd", "https://["])
def test_a_place_without_tls_is_not_taken(place: str) -> None:
    script = Script(reply(202, location=place))
    with pytest.raises(NotServed, match="the place for an upload redirects"):
        project(script).put_blob("gdb", SHA256, b"content")
    assert len(script.asked) == 1


def test_another_server_is_not_told_who_we_are() -> None:
    script = Script(
        reply(401, www_authenticate='Basic realm="r"'),
        reply(202, location="https://store.example.org/1"),
        reply(201),
    )
    project(script, LOGIN).put_blob("gdb", SHA256, b"content")
    assert script.told == ["", "lab", ""]


def test_another_server_gets_no_token_of_the_registry() -> None:
    """It may name the registry's own server of tokens, and the token that this one gives would go to it."""
    wanted = 'Bearer realm="https://auth.example.org/token",service="s",scope="repository:p/gdb:push"'
    script = Script(reply(202, location="https://store.example.org/p/gdb/1"), reply(401, www_authenticate=wanted))
    with pytest.raises(NotServed):
        project(script, LOGIN).put_blob("gdb", SHA256, b"content")
    assert [origin(request.url)[1] for request in script.asked] == ["registry.example.org", "store.example.org"]
    assert script.told == ["", ""]


def test_tokens_are_had_once_for_each_repository_and_again_where_they_are_over() -> None:
    wanted = 'Bearer realm="https://auth.example.org/token",service="s",scope="repository:p/gdb:pull"'
    script = Script(
        reply(401, www_authenticate=wanted),
        reply(200, {"token": "one"}),
        reply(404),
        reply(200),
        reply(401, www_authenticate=wanted),
        reply(200, {"access_token": "two"}),
        reply(200),
    )
    registry = project(script, LOGIN)
    assert not registry.has_blob("gdb", SHA256)
    assert registry.has_blob("gdb", SHA256)
    assert registry.has_blob("gdb", SHA256)
    place = "https://auth.example.org/token?service=s&scope=repository%3Ap%2Fgdb%3Apull"
    assert [request.url for request in script.asked if request.method == "GET"] == [place, place]
    assert script.told == ["", "lab", "Bearer one", "Bearer one", "Bearer one", "lab", "Bearer two"]


def test_no_token_in_the_answer() -> None:
    script = Script(reply(401, www_authenticate='Bearer realm="https://auth.example.org/token"'), reply(200, {}))
    with pytest.raises(NotServed, match="expected a token"):
        project(script).has_blob("gdb", SHA256)


def test_a_password_goes_nowhere_without_tls() -> None:
    script = Script(reply(401, www_authenticate='Bearer realm="http://auth.example.org/token"'))
    with pytest.raises(NotServed, match="from HTTPS to HTTP"):
        project(script, LOGIN).has_blob("gdb", SHA256)


@pytest.mark.parametrize("credentials", [None, LOGIN])
def test_a_registry_that_does_not_let_us(credentials: Credentials | None) -> None:
    refused = {"errors": [{"code": "DENIED", "message": "requested access\nis denied"}]}
    script = Script(reply(403, refused))
    with pytest.raises(NotServed, match=r"status 403 Forbidden \(requested access\\nis denied\): it") as raised:
        project(script, credentials).put_manifest("gdb", "1.0", b"{}", "type")
    assert raised.value.next_step == "tukit-sysext publish ... --credentials FILE"


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'{"errors": 1}', b'{"errors": []}', b'{"errors": [{}]}'])
def test_an_error_without_words(body: bytes) -> None:
    with pytest.raises(NotServed, match=r"the registry answers with status 400 Bad Request$"):
        project(Script(reply(400, body))).put_manifest("gdb", "1.0", b"{}", "type")


def test_what_was_broken_off_is_begun_anew() -> None:
    """An upload takes no bytes twice: another one is begun."""
    begun = reply(202, location="1")
    script = Script(begun, SourceUnreachable("broken off"), reply(503), begun, reply(502), begun, reply(201))
    pauses: list[float] = []
    project(script, pauses=pauses).put_blob("gdb", SHA256, b"content")
    assert [line.split("?")[0] for line in script.lines] == [
        "POST gdb/blobs/uploads/",
        "PUT gdb/blobs/uploads/1",
        "POST gdb/blobs/uploads/",
        "POST gdb/blobs/uploads/",
        "PUT gdb/blobs/uploads/1",
        "POST gdb/blobs/uploads/",
        "PUT gdb/blobs/uploads/1",
    ]
    assert pauses == [1, 2, 4]


@pytest.mark.parametrize("last", [reply(503), SourceUnreachable("broken off")])
def test_it_ends(last: SendReply | SourceUnreachable) -> None:
    script = Script(*[last] * 4)
    with pytest.raises(SourceUnreachable, match=r"503|broken off"):
        project(script).put_manifest("gdb", "1.0", b"{}", "type")
    assert script.replies == []


def test_a_server_that_is_away_is_not_waited_for() -> None:
    pauses: list[float] = []
    with pytest.raises(NotAsked):
        project(Script(NotAsked("refused")), pauses=pauses).has_blob("gdb", SHA256)
    assert pauses == []


@pytest.mark.parametrize(
    ("headers", "there"),
    [
        ({"docker_content_digest": f"sha256:{SHA256}"}, True),
        ({"docker_content_digest": "sha256:b"}, False),
        ({}, False),
    ],
)
def test_a_tag_that_names_a_manifest(headers: Mapping[str, str], there: bool) -> None:
    script = Script(reply(200, **headers))
    assert project(script).has_manifest("gdb", "1.0", SHA256, "type") is there
    assert (script.lines, script.asked[0].headers) == (["HEAD gdb/manifests/1.0"], ("Accept: type",))


@pytest.mark.parametrize(
    ("place", "status", "there"),
    [
        ("https://store.example.org/1", 200, True),
        ("https://store.example.org/1", 403, False),
        ("http://store.example.org/1", None, False),
    ],
)
def test_a_blob_that_is_elsewhere(place: str, status: int | None, there: bool) -> None:
    answers: Sequence[SendReply] = [reply(307, location=place), *([reply(status)] if status else [])]
    script = Script(*answers)
    assert project(script, LOGIN).has_blob("gdb", SHA256) is there
    assert script.replies == []


def test_the_body_of_a_file() -> None:
    body = FileBody(descriptor=0, size=5)
    script = Script(reply(202, location="1"), reply(201))
    project(script).put_blob("gdb", SHA256, body)
    assert script.asked[1].body is body
