# SPDX-License-Identifier: LGPL-2.1-or-later
"""The tokens that registries give for a user name and a password, or to anybody.

A registry that wants a token says which server gives it. The password goes there only where nobody on the way can
have said that: by HTTPS where the registry itself speaks HTTPS, else to the registry's own host. A token goes to the
server that asked for it alone, for the repository that it was asked for.
"""

from __future__ import annotations

import re
from dataclasses import replace
from urllib.parse import urlencode, urlsplit

from tukit_sysext.errors import NotServed
from tukit_sysext.formats.challenge import LIMIT, Challenge, bearer, parse_token
from tukit_sysext.net.login import Login
from tukit_sysext.net.redirects import origin, shown_url

_REPOSITORY = re.compile(r"/(?:blobs|manifests|tags)/")


class Tokens:
    """The tokens of a source's registries, each for one repository. ``login`` is what they are asked for with."""

    limit = LIMIT
    """The most bytes of what a server of tokens answers."""

    def __init__(self, login: Login | None) -> None:
        self._login = login
        self._known: dict[str, str] = {}

    def authorization(self, url: str) -> str | None:
        """What a request at a URL says of who it is; None where no token for it is known."""
        token = self._known.get(_repository(url))
        return f"Bearer {token}" if token is not None else None

    @staticmethod
    def challenge(header: str) -> Challenge | None:
        """What a registry's WWW-Authenticate header wants; None where that is no token."""
        return bearer(header)

    def take(self, url: str, answer: bytes, place: str) -> None:
        """Take in the token for the repository of a URL that the server of tokens gave. Raises ImageBroken."""
        self._known[_repository(url)] = parse_token(answer, where=shown_url(place))

    def place(self, url: str, challenge: Challenge) -> tuple[str, Login | None]:
        """Where the token is that a server wants at a URL, and who asks for it there (None: nobody in particular).

        Raises NotServed where it is not asked for.
        """
        server, there = origin(url), origin(challenge.realm)
        where = f"{url}: wants a token of {shown_url(challenge.realm)}"
        if there[0] not in ("http", "https") or not there[1] or not challenge.realm.isascii():
            raise NotServed(f"{where}: expected an HTTP or HTTPS server")
        if urlsplit(challenge.realm).username is not None:
            raise NotServed(f"{where}: expected a URL without a user name")
        if server[0] == "https" and there[0] != "https":
            raise NotServed(f"{where}: from HTTPS to HTTP, which is not followed")
        asked = {"service": challenge.service, "scope": challenge.scope}
        query = urlencode({name: text for name, text in asked.items() if text})
        place, _, _ = challenge.realm.partition("#")
        place += f"{'&' if '?' in place else '?'}{query}" if query else ""
        login = self._login
        if login is None or server not in login.origins or not (server[0] == "https" or server[1] == there[1]):
            return place, None
        return place, replace(login, origins=frozenset((there,)))


def _repository(url: str) -> str:
    return _REPOSITORY.split(url, maxsplit=1)[0]
