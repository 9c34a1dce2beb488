# SPDX-License-Identifier: LGPL-2.1-or-later
"""Where redirects may lead, and what a host says that was redirected to. Pure.

A host to which one is redirected (a mirror, a cache) says something about itself alone: it may be behind or ahead, or
lie. What it gives is bad where the configured host gives the same, or another one does.
"""

from __future__ import annotations

import re
from enum import Enum
from urllib.parse import urlsplit

from tukit_sysext.rules.printable import printable

Origin = tuple[str, str, int | None]
"""Scheme, host and port."""

MOST = 5
"""Redirects of one file."""
TRIES = 3
"""How often a file is asked for at one URL that redirects to hosts of which none has it right."""


class Redirects(Enum):
    """Where redirects are followed to."""

    ORIGIN = "the server itself"
    """For what nobody vouches for."""
    VOUCHED = "any HTTPS server, where HTTPS was asked; else the server itself"
    """For what nobody signed, and the server itself leads to."""
    SECURE = "any server, from HTTPS to HTTPS alone"
    ANY = "any server"
    """For what a signed list has the hash of: redirectors fall back to HTTP."""


def refusal(asked: str, target: str, allowed: Redirects) -> str:
    """Why a redirect of the URL that was asked for is not followed; empty where it is."""
    scheme, host, _ = origin(target)
    secure = asked.startswith("https:")
    own = allowed is Redirects.ORIGIN or (allowed is Redirects.VOUCHED and not secure)
    if own and origin(target) != origin(asked):
        return "redirects to another server, which is not followed"
    if scheme not in ("http", "https") or not host:
        return "redirects to something else than HTTP or HTTPS"
    if scheme == "http" and secure and allowed is not Redirects.ANY:
        return "redirects from HTTPS to HTTP, which is followed only for what a signed list has the hash of"
    return ""


def origin(url: str) -> Origin:
    """Scheme, host and port of a URL (RFC 6454); three of nothing for what is no URL."""
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018  # is checked when it is asked for
    except ValueError:
        return "", "", None
    return parts.scheme, parts.hostname or "", parts.port or {"http": 80, "https": 443}.get(parts.scheme)


def is_same_host(one: str, other: str) -> bool:
    """Whether two URLs are about one host, at one port or at those of HTTP and HTTPS."""
    (scheme, host, port), (scheme2, host2, port2) = origin(one), origin(other)
    usual = {(scheme, port), (scheme2, port2)} == {("http", 80), ("https", 443)}
    return host == host2 and (port == port2 or usual)


def shown_url(url: str) -> str:
    """A URL for people, logs and records: without user, query and fragment, which may be secrets (threat N16)."""
    return printable(re.sub(r"//[^/@\s]*@", "//", re.split(r"[?#]", url, maxsplit=1)[0]))


class Evidence:
    """What was given for one file that cannot be right, by who gave it."""

    def __init__(self) -> None:
        self._given: dict[str, set[tuple[str, int | None]]] = {}

    def convicts(self, asked: str, given_at: str, what: str) -> bool:
        """Whether it is bad, once ``what`` was given at this URL: by the host that was asked, or by two alike."""
        hosts = self._given.setdefault(what, set())
        hosts.add(origin(given_at)[1:])
        return is_same_host(asked, given_at) or len(hosts) > 1
