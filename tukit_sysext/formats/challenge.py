# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a registry says to who brings no token, and what a token server answers (Docker's token authentication).

WWW-Authenticate (RFC 9110, section 11) has ``Bearer realm="URL",service="...",scope="repository:NAME:pull"``: which
server gives a token, and for what.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

from tukit_sysext.errors import ImageBroken

LIMIT = 64 * 1024
"""The most bytes of what a token server answers."""

_LONGEST = 8192
_SCHEME = re.compile(r"[\s,]*([A-Za-z][A-Za-z0-9-]*)(?=\s|,|$)(?!\s*=)")
_PARAMETER = re.compile(r'[\s,]*([A-Za-z][A-Za-z0-9_-]*)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s",]+))')
_TOKEN = re.compile(r"[!-~]{1,32768}")


@dataclass(frozen=True, kw_only=True, slots=True)
class Challenge:
    """The server that gives a token (the URL ``realm``), of which service, and for what; the last two may be empty."""

    realm: str
    service: str = ""
    scope: str = ""


def bearer(header: str) -> Challenge | None:
    """The first challenge that asks for a token; None where none does, or it says no place that could be one."""
    if len(header) > _LONGEST:
        return None
    position, scheme, values = 0, "", dict[str, str]()
    while True:
        parameter = _PARAMETER.match(header, position)
        match = None if parameter is not None else _SCHEME.match(header, position)
        if parameter is not None and scheme:
            name, quoted, plain = parameter.groups()
            values.setdefault(name.lower(), re.sub(r"\\(.)", r"\1", quoted) if quoted is not None else plain)
            position = parameter.end()
            continue
        if scheme == "bearer" and values.get("realm"):
            return Challenge(realm=values["realm"], service=values.get("service", ""), scope=values.get("scope", ""))
        if match is None:
            return None
        position, scheme, values = match.end(), match[1].lower(), {}


def parse_token(content: bytes, *, where: str) -> str:
    """The token of a server's answer. Raises ImageBroken where there is none."""
    try:
        document = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise ImageBroken(f"{where}: expected a token, found no JSON") from error
    said = document if isinstance(document, dict) else {}
    token = said.get("token") or said.get("access_token")
    if not isinstance(token, str) or not _TOKEN.fullmatch(token):
        raise ImageBroken(f"{where}: expected a token of printable ASCII, found none")
    return token
