# SPDX-License-Identifier: LGPL-2.1-or-later
"""Where a registry says that a token is to be had, and the token itself."""

from __future__ import annotations

import json

import pytest

from tukit_sysext.errors import ImageBroken
from tukit_sysext.formats.challenge import Challenge, bearer, parse_token

REALM = "https://auth.example.org/token"
PLAIN = Challenge(realm=REALM)
WHOLE = Challenge(realm=REALM, service="registry.example.org", scope="repository:images/gdb:pull")


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (f'Bearer realm="{REALM}",service="registry.example.org",scope="repository:images/gdb:pull"', WHOLE),
        (f'bearer scope="repository:images/gdb:pull" , service=registry.example.org, realm="{REALM}", x="y"', WHOLE),
        (f'Basic realm="lab", Bearer realm="{REALM}"', PLAIN),
        (f'Basic realm="lab, Bearer realm=x", Bearer realm="{REALM}"', PLAIN),
        (f'Bearer realm="{REALM}", Basic realm="lab"', PLAIN),
        (f'Negotiate, Bearer realm="{REALM}"', PLAIN),
        (f'Bearer realm="{REALM}",error="invalid_token",realm="https://other.example.org/"', PLAIN),
        (r'Bearer realm="https://a\"b/"', Challenge(realm='https://a"b/')),
        ("", None),
        ("Bearer", None),
        ("Bearer service=x", None),
        ('Bearer realm=""', None),
        ('Basic realm="Bearer realm=x"', None),
        (f'realm="{REALM}"', None),
        ('Bearer realm="x', None),
        (f'Bearer realm="{REALM}"' + " " * 8192, None),
    ],
)
def test_the_challenge_of_a_registry(header: str, expected: Challenge | None) -> None:
    assert bearer(header) == expected


@pytest.mark.parametrize("key", ["token", "access_token"])
def test_a_token(key: str) -> None:
    assert parse_token(json.dumps({key: "abc.def", "expires_in": 300}).encode(), where="x") == "abc.def"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b"{}",
        b"[" * 50_000,
        b"\xff",
        b'{"token": null}',
        b'{"token": 5}',
        b'{"token": ""}',
        b'{"token": "a b"}',
        b'{"token": "a\\r\\nX: y"}',
        b'{"token": "\\u00e4"}',
        json.dumps({"token": "x" * 32_769}).encode(),
    ],
)
def test_what_is_no_token(content: bytes) -> None:
    with pytest.raises(ImageBroken, match=r"^auth: expected a token"):
        parse_token(content, where="auth")
