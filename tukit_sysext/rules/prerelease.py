# SPDX-License-Identifier: LGPL-2.1-or-later
"""The parts of a version: what upstream calls it, without the epoch and the release of an RPM or a Debian package.

====================== ============================================================================================
``140.0-1.fc42``       140.0: what stands behind ``-`` is a package's release
``5:29.1.2-1~debian``  29.1.2: an epoch, also where it was made fit for a file's name, ``5+29.1.2_13``
``2.43~rc1``           a pre-release of 2.43; so are ``2.43rc1``, ``2.43-rc.1``, ``2.43~git20260101``
``1.31.5+k3s1``        1.31.5 with a part of its own, which PEP 440 calls local
``2.1^git5``           2.1: what came after it
====================== ============================================================================================

UAPI.10 has ``~`` alone for pre-releases, and to it ``2.0rc1`` and ``2.0-rc.1`` are higher than 2.0. Where it is asked
what is newer they are below it here, as everybody means them.
"""

from __future__ import annotations

import re
from functools import cmp_to_key, lru_cache
from typing import NamedTuple

from tukit_sysext.rules.version import compare

_PLAIN = re.compile(r"[0-9.]*")
_EPOCH = re.compile(r"[0-9]+(?::(?=v?[0-9])|[_+](?=[0-9]+\.))")
_DATE = re.compile(r"([0-9]{4})-([0-9]{2})-([0-9]{2})(?![0-9])")
_RELEASE = re.compile(r"v?([0-9]+(?:\.[0-9]+)*)")
_WORDS = {
    "alpha": "a",
    "beta": "b",
    "preview": "rc",
    "pre": "rc",
    "dev": ".dev",
    "a": "a",
    "b": "b",
    "c": "rc",
    "rc": "rc",
}
_PRE = re.compile(
    r"(?P<mark>[-_.~+]?)(?P<word>alpha|beta|rc|preview|pre|dev|[abc](?=[0-9]))[-_.]?(?P<number>[0-9]*)(?![0-9a-zA-Z])",
    re.IGNORECASE,
)
_BEFORE = re.compile(r"~.*")
_LOCAL = re.compile(r"\+([a-zA-Z0-9]+(?:\.[a-zA-Z0-9]+)*)(?=[-_~^]|$)")
_BEHIND = re.compile(r"\.post[0-9]+|[-_^+].*|$")


class VersionParts(NamedTuple):
    """What upstream calls a version: ``release`` as 1.31.5, ``before`` as rc1 (PEP 440), ``local`` as k3s1."""

    release: str
    before: str = ""
    local: str = ""


@lru_cache(maxsize=16384)
def parts_of(version: str) -> VersionParts | None:
    """The parts of a version; None where nobody can tell what upstream calls it, as ``3.4a`` or ``latest``."""
    text = _DATE.sub(r"\1.\2.\3", _without_epoch(version), count=1)
    match = _RELEASE.match(text)
    if match is None:
        return None
    release, behind = match[1], text[match.end() :]
    before = _PRE.match(behind)
    if before is not None:
        return VersionParts(release=release, before=f"{_WORDS[before['word'].lower()]}{int(before['number'] or 0)}")
    if _BEFORE.match(behind):
        return VersionParts(release=release, before=".dev0")
    local = _LOCAL.match(behind)
    rest = _BEHIND.match(behind)
    if rest is None:
        return None
    post = rest[0] if rest[0].startswith(".post") else ""
    return VersionParts(release=release + post, local=local[1] if local is not None else "")


def _without_epoch(version: str) -> str:
    match = _EPOCH.match(version)
    return version[match.end() :] if match is not None else version


def is_prerelease(version: str) -> bool:
    """Whether a version comes before the release that it is called after."""
    if _PLAIN.fullmatch(version):
        return False
    parts = parts_of(version)
    return parts is not None and bool(parts.before)


def order(a: str, b: str) -> int:
    """Which of two versions is newer, as :func:`compare`, with every pre-release below its release."""
    return compare(_with_tilde(a), _with_tilde(b))


newer_key = cmp_to_key(order)
"""Key for sorted() and max(): the newest version is the highest."""


@lru_cache(maxsize=16384)
def _with_tilde(version: str) -> str:
    """A version with the mark that UAPI.10 has for pre-releases."""
    if "~" in version or not is_prerelease(version):
        return version
    start = len(version) - len(_without_epoch(version))
    match = _RELEASE.match(_DATE.sub(r"\1.\2.\3", version[start:], count=1))
    end = start + match.end() if match is not None else len(version)
    return f"{version[:end]}~{version[end:].lstrip('-_.+')}"


def check_series(text: str) -> str:
    """The beginning of versions, such as 1.31. Raises ValueError."""
    if not re.fullmatch(r"v?[0-9]+(?:\.[0-9a-zA-Z]+)*", text):
        raise ValueError("expected the beginning of a version, such as 1.31")
    return text


_TOKEN = re.compile(r"[0-9]+|[a-zA-Z]+|[-~^.]")


def is_of_series(series: str, version: str) -> bool:
    """Whether a version begins with a series, number by number as UAPI.10 has them: 1.31.5 with 1.31, 1.310 not."""
    wanted, tokens = (_tokens(text) for text in (series, _without_epoch(version)))
    return tokens[: len(wanted)] == wanted


def _tokens(text: str) -> list[str]:
    return [token.lstrip("0") or "0" if token.isdigit() else token for token in _TOKEN.findall(text.removeprefix("v"))]
