# SPDX-License-Identifier: LGPL-2.1-or-later
"""URLs of projects in a registry, as the configuration has them: apart, as every command reads the configuration."""

from __future__ import annotations

import re

SCHEME, PLAIN_SCHEME = "oci", "oci+http"
"""What URLs of projects begin with: the registry is spoken to by HTTPS, or by HTTP."""

_SPOKEN = {SCHEME: "https", PLAIN_SCHEME: "http"}
_COMPONENT = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"


def is_repository(name: str) -> bool:
    """Whether a registry takes this as the name of a repository."""
    return len(name) <= 255 and re.fullmatch(rf"{_COMPONENT}(?:/{_COMPONENT})*", name) is not None


def api_url(url: str) -> str:
    """The URL below which a registry has a project, ``oci://HOST/PROJECT/``: ``https://HOST/v2/PROJECT/``.

    Any other URL is given back as it is.
    """
    scheme, colon, rest = url.partition("://")
    spoken = _SPOKEN.get(scheme)
    if not colon or spoken is None:
        return url
    host, _, project = rest.partition("/")
    return f"{spoken}://{host}/v2/{project}"


def registry_url(url: str) -> str:
    """What :func:`api_url` makes this URL of; any other one is given back as it is."""
    for scheme, spoken in _SPOKEN.items():
        if found := re.fullmatch(rf"{spoken}://([^/]+)/v2/(.+)", url):
            return f"{scheme}://{found[1]}/{found[2]}"
    return url


def is_registry(url: str) -> bool:
    """Whether a URL of the configuration is a project in a registry."""
    return url.partition("://")[0] in (SCHEME, PLAIN_SCHEME)
