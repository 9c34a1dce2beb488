# SPDX-License-Identifier: LGPL-2.1-or-later
"""SHA256SUMS, the list of what a repository publishes (sha256sum(1)).

The list is the authority over names and hashes: one bad line refuses it whole (threats N1 and N3).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from tukit_sysext.errors import ImageBroken
from tukit_sysext.rules.names import NameRefused, check_component

LIMIT = 1024 * 1024
"""The most bytes that a list may have."""

_LINE = re.compile(rb"([0-9a-fA-F]{64}) [ *]([^\n]+)")
_EMPTY_FILE = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
_BEST_BEFORE = re.compile(r"BEST-BEFORE-(\d{4})-(\d{2})-(\d{2})")


class ListRefused(ImageBroken):
    """The list is not what sha256sum writes, or names what may not be named; nothing of it is used."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Checksums:
    """A parsed list: hash (64 lower-case hexadecimal digits) by file name, and the day when the list goes stale."""

    hashes: Mapping[str, str]
    best_before: date | None


def parse(content: bytes, *, where: str) -> Checksums:
    """Read a list; ``where`` names it in errors. Raises ListRefused with the line that is wrong."""
    if len(content) > LIMIT:
        raise ListRefused(f"{where}: larger than {LIMIT} bytes")
    if content and not content.endswith(b"\n"):
        raise ListRefused(f"{where}: the last line is cut off")
    hashes: dict[str, str] = {}
    best_before: date | None = None
    for number, line in enumerate(content.split(b"\n")[:-1], start=1):
        match = _LINE.fullmatch(line)
        if match is None:
            raise ListRefused(f"{where}, line {number}: expected HASH  NAME or HASH *NAME, found {line[:80]!r}")
        value = match[1].decode("ascii").lower()
        try:
            name = check_component(match[2].decode("utf-8", "surrogateescape"))
        except NameRefused as error:
            raise ListRefused(f"{where}, line {number}: {error}") from error
        if name in hashes:
            raise ListRefused(f"{where}, line {number}: {name} is listed twice")
        hashes[name] = value
        day = _BEST_BEFORE.fullmatch(name)
        if day is not None and value == _EMPTY_FILE:
            try:
                stale = date(int(day[1]), int(day[2]), int(day[3]))
            except ValueError as error:
                raise ListRefused(f"{where}, line {number}: {name} names no day") from error
            best_before = stale if best_before is None else min(best_before, stale)
    return Checksums(hashes=hashes, best_before=best_before)
