# SPDX-License-Identifier: LGPL-2.1-or-later
"""Where tokens are given out, as registries say it, and what an answer with one may be."""

from __future__ import annotations

import json

import pytest

from tukit_sysext.errors import NotServed
from tukit_sysext.net.bearer import BearerChallenge, read_challenge, read_token, token_url

REALM = "https://auth.example.org/token"


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (
            f'Bearer realm="{REALM}",service="registry.example.org",scope="repository:p/a:pull,push"',
            BearerChallenge(realm=REALM, service="registry.example.org", scope="repository:p/a:pull,push"),
        ),
        (f'Basic realm="other", bearer Realm = "{REALM}"', BearerChallenge(realm=REALM)),
        (f"Bearer realm={REALM}, service=s", BearerChallenge(realm=REALM, service="s")),
        (f'Bearer realm="{REALM}", realm="https://elsewhere"', BearerChallenge(realm=REALM)),
        (f'Bearer realm="{REALM}", error="insufficient_scope", Basic realm="b"', BearerChallenge(realm=REALM)),
        ('Bearer service="s"', None),
        ('Basic realm="Bearer"', None),
        ("NotBearer realm=x", None),
        ("", None),
    ],
)
def test_a_challenge(header: str, expected: BearerChallenge | None) -> None:
    assert read_challenge(header) == expected


def test_where_a_token_is_asked_for() -> None:
    challenge = BearerChallenge(realm=REALM, service="a b", scope="repository:p/a:pull")
    asked = "https://registry.example.org/v2/"
    assert token_url(challenge, asked=asked) == f"{REALM}?service=a+b&scope=repository%3Ap%2Fa%3Apull"
    assert token_url(challenge, asked=asked, scope="x") == f"{REALM}?service=a+b&scope=x"
    assert token_url(BearerChallenge(realm=f"{REALM}?a=b"), asked=asked, scope="x") == f"{REALM}?a=b&scope=x"


@pytest.mark.parametrize("realm", ["http://auth.example.org/token", "file:///etc/passwd", "//host", "https://[", "x"])
def test_a_password_goes_by_https_where_the_registry_has_it(realm: str) -> None:
    with pytest.raises(NotServed, match="expected an https:// URL"):
        token_url(BearerChallenge(realm=realm), asked="https://registry.example.org/v2/")


def test_a_registry_without_https() -> None:
    challenge = BearerChallenge(realm="http://127.0.0.1:5001/token")
    assert token_url(challenge, asked="http://127.0.0.1:5000/v2/", scope="s") == f"{challenge.realm}?scope=s"
    with pytest.raises(NotServed):
        token_url(BearerChallenge(realm="ftp://127.0.0.1/token"), asked="http://127.0.0.1:5000/v2/")


@pytest.mark.parametrize("key", ["token", "access_token"])
def test_a_token(key: str) -> None:
    token = read_token(json.dumps({key: "ab.c-d_e=", "expires_in": 300}).encode(), where=REALM)
    assert (token.text, "ab.c" in repr(token)) == ("ab.c-d_e=", False)


@pytest.mark.parametrize(
    "body",
    [b"", b"no", b"[]", b"null", b"{}", b'{"token": 1}', b'{"token": ""}', b'{"token": "a\\r\\nX: y"}', b"[" * 10**5],
)
def test_no_token(body: bytes) -> None:
    with pytest.raises(NotServed, match="expected a token"):
        read_token(body, where=f"{REALM}?secret")
