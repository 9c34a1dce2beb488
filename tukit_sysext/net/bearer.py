# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a registry says of where its tokens are given out (Bearer of RFC 6750, as Docker's registries have it). Pure."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from urllib.parse import urlencode, urlsplit

from tukit_sysext.errors import NotServed
from tukit_sysext.net.redirects import shown_url

TOKEN_LIMIT = 64 * 1024
"""The most bytes that an answer with a token may have."""

_BEARER = re.compile(r"(?:^|,)\s*Bearer\s+", re.I)
_PARAMETER = re.compile(r'\s*([a-z_]+)\s*=\s*(?:"([^"\\]*)"|([^\s",]+))\s*(?:,|$)', re.I)
_TOKEN = re.compile(r"[A-Za-z0-9._~+/-]+=*")


@dataclass(frozen=True, kw_only=True, slots=True)
class BearerChallenge:
    """Who gives tokens (a URL), for which service, and what is to be allowed (``repository:NAME:pull``, ...)."""

    realm: str
    service: str = ""
    scope: str = ""


def read_challenge(header: str) -> BearerChallenge | None:
    """What the header WWW-Authenticate says of tokens; None where the server wants something else."""
    start = _BEARER.search(header)
    if start is None:
        return None
    said: dict[str, str] = {}
    position = start.end()
    while (match := _PARAMETER.match(header, position)) is not None:
        said.setdefault(match[1].lower(), match[2] if match[2] is not None else match[3])
        position = match.end()
    realm = said.get("realm", "")
    return BearerChallenge(realm=realm, service=said.get("service", ""), scope=said.get("scope", "")) if realm else None


def token_url(challenge: BearerChallenge, *, asked: str, scope: str = "") -> str:
    """Where a token is to be had for the scope, else for that of the challenge of the server at the URL ``asked``.

    Raises NotServed where that server is spoken to by HTTPS and the other one would not be: it is told the password.
    """
    try:
        scheme, host = urlsplit(challenge.realm)[:2]
    except ValueError:
        scheme = host = ""
    if scheme not in ("https", *(() if asked.startswith("https:") else ("http",))) or not host:
        raise NotServed(f"{shown_url(asked)}: its tokens are at {shown_url(challenge.realm)}, expected an https:// URL")
    query = {"service": challenge.service, "scope": scope or challenge.scope}
    joint = "&" if "?" in challenge.realm else "?"
    return challenge.realm + joint + urlencode({key: value for key, value in query.items() if value})


@dataclass(frozen=True, kw_only=True, slots=True)
class BearerToken:
    """What is shown to the registry."""

    text: str = field(repr=False)


def read_token(body: bytes, *, where: str) -> BearerToken:
    """The token of an answer. Raises NotServed where there is none."""
    try:
        document = json.loads(body)
        token = document.get("token") or document.get("access_token")
    except (ValueError, AttributeError, RecursionError):
        token = None
    if not isinstance(token, str) or not _TOKEN.fullmatch(token):
        raise NotServed(f"{shown_url(where)}: expected a token, found none in the answer")
    return BearerToken(text=token)
