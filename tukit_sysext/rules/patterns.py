# SPDX-License-Identifier: LGPL-2.1-or-later
"""Patterns of file names as in sysupdate.d(5), MatchPattern=: ``gcc-13-@v-%a.raw``.

Specifiers (``%a``) are expanded first, by what the tree says of itself. Then the wildcards (``@v``) are looked for from
left to right: each ends where the literal text behind it begins for the first time, and none is tried twice, so that
the time is linear. tests/truth/test_patterns.py asks systemd-sysupdate whether it sees the same.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

_OF_RELEASE: Mapping[str, str] = {
    "%A": "IMAGE_VERSION",
    "%B": "BUILD_ID",
    "%M": "IMAGE_ID",
    "%o": "ID",
    "%w": "VERSION_ID",
    "%W": "VARIANT_ID",
}
SPECIFIERS = (*_OF_RELEASE, "%a", "%v", "%%")
"""What is expanded: by os-release, the architecture, the release of the kernel; empty where the tree says none."""

_SPECIFIER = re.compile(r"%(.?)")
_REFUSED = re.compile(r"[^ -~]|[$*?\[\]!\\|]")
_VERSION = re.compile(r"[A-Za-z0-9.,_+~^-]+")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-fA-F]+")
_UUID = re.compile(r"[0-9a-fA-F]{32}|[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_BOOLEANS = frozenset(["1", "yes", "y", "true", "t", "on", "0", "no", "n", "false", "f", "off"])


def _number(text: str) -> bool:
    return _NUMBER.fullmatch(text) is not None and int(text, 16 if text.startswith("0x") else 10) < (1 << 64) - 1


def _boolean(text: str) -> bool:
    return text.lower() in _BOOLEANS


_WILDCARDS: Mapping[str, Callable[[str], object]] = {
    "v": _VERSION.fullmatch,
    "u": _UUID.fullmatch,
    "f": re.compile(r"(?:0x)?[0-9a-fA-F]{1,16}").fullmatch,
    "a": _boolean,
    "g": _boolean,
    "r": _boolean,
    "t": _number,
    "m": re.compile(r"0*[0-7]?[0-7]?[0145]").fullmatch,
    "s": _number,
    "d": _number,
    "l": _number,
    "h": re.compile(r"[0-9a-fA-F]{64}").fullmatch,
}
"""What each wildcard takes, by its letter."""


def specifiers(release: Mapping[str, str], *, architecture: str, kernel: str) -> Mapping[str, str]:
    """What specifiers stand for in a tree with this os-release."""
    values = {specifier: release.get(key, "") for specifier, key in _OF_RELEASE.items()}
    return {**values, "%a": architecture, "%v": kernel, "%%": "%"}


def expand(text: str, values: Mapping[str, str]) -> str:
    """A pattern with its specifiers expanded by ``values``. Raises ValueError."""

    def value(match: re.Match[str]) -> str:
        if match[0] not in SPECIFIERS:
            raise ValueError(f"expected one of the specifiers {' '.join(SPECIFIERS)}, found {match[0]!a}")
        return values.get(match[0], "")

    return _SPECIFIER.sub(value, text)


class Matched(NamedTuple):
    """What a name says: the version, and the SHA-256 where the pattern has one."""

    version: str
    sha256: str | None


@dataclass(frozen=True, slots=True)
class Pattern:
    """A pattern: literal texts, and between them wildcards by their letters (``@v`` is "v"), in turn."""

    literals: tuple[str, ...]
    wildcards: str

    @classmethod
    def parse(cls, text: str) -> Pattern:
        """Read a pattern whose specifiers are expanded. Raises ValueError."""
        found = _REFUSED.search(text)
        if found is not None:
            raise ValueError(f"expected a pattern without {found[0]!a}, which is kept for later")
        if "/" in text:
            raise ValueError("expected a pattern for the name of a file, without /")
        literals, wildcards = [""], ""
        for part in re.findall(r"@.?|[^@]+", text):
            if part[0] != "@" or part == "@@":
                literals[-1] += part.replace("@@", "@")
                continue
            letter = part[1:]
            if letter not in _WILDCARDS or not letter:
                raise ValueError(f"expected one of the wildcards @{' @'.join(_WILDCARDS)} @@, found {part}")
            if letter in wildcards:
                raise ValueError(f"expected each wildcard once, found {part} twice")
            if wildcards and not literals[-1]:
                raise ValueError(f"expected text between @{wildcards[-1]} and {part}, to tell them apart")
            wildcards += letter
            literals.append("")
        if "v" not in wildcards:
            raise ValueError("expected a pattern with @v, the version")
        return cls(tuple(literals), wildcards)

    @property
    def name(self) -> str:
        """The name of the images that a pattern is for: what stands before the first wildcard."""
        return self.literals[0].rstrip("-_.")

    def match(self, file_name: str) -> Matched | None:
        """What a name says; None where the pattern is not for it."""
        if not file_name.startswith(self.literals[0]):
            return None
        at, said = len(self.literals[0]), {}
        for letter, literal in zip(self.wildcards, self.literals[1:], strict=True):
            end = file_name.find(literal, at) if literal else len(file_name)
            if end < 0 or not _WILDCARDS[letter](file_name[at:end]):
                return None
            said[letter] = file_name[at:end]
            at = end + len(literal)
        if at != len(file_name):
            return None
        return Matched(said["v"], said["h"].lower() if "h" in said else None)


def check_pattern(text: str) -> str:
    """A pattern as it is written, where it would be one whatever its specifiers are. Raises ValueError."""
    Pattern.parse(expand(text, dict.fromkeys(SPECIFIERS, "x")))
    return text


def check_named_pattern(text: str) -> str:
    """The same of a pattern that has to tell the name of the image too. Raises ValueError."""
    if not Pattern.parse(expand(check_pattern(text), dict.fromkeys(SPECIFIERS, "x"))).name:
        raise ValueError("expected the name of an image before the first wildcard")
    return text
