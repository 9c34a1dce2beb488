# SPDX-License-Identifier: LGPL-2.1-or-later
"""SHA256SUMS, the list of what a repository publishes: whatever ``sha256sum -c`` reads (sha256sum(1)).

A line is ``HASH  NAME`` or ``HASH *NAME``, or in BSD style ``SHA256 (NAME) = HASH``. Empty lines and comments do not
count. Lines that name nothing which we would ever ask for (another folder, a name outside our alphabet, another kind of
hash) are passed over and counted: a list has more readers than us (threat N1). It is refused whole where it says two
things of one name, or nothing sensible of a file of ours (threat N3).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from tukit_sysext.errors import ImageBroken
from tukit_sysext.rules.image_names import PACKINGS
from tukit_sysext.rules.names import NameRefused, check_component

LIMIT = 1024 * 1024
"""The most bytes that a list may have."""

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_LINE = re.compile(r"\\?(?P<hash>[^ \t]+)[ \t][ *]?(?P<name>[^ \t*].*)")
_BSD_LINE = re.compile(r"\\?(?P<kind>[A-Z0-9][A-Za-z0-9/_-]*) ?\((?P<name>.*)\)[ \t]*=[ \t]*(?P<hash>.*?)[ \t]*")
_HERE = re.compile(r"^(?:\./+)+")
_HASH = re.compile(r"[0-9a-fA-F]{64}")
_OURS = re.compile(rf".+\.(?:raw|raw\.(?:{'|'.join(PACKINGS)}|json)|manifest|manifest\.gz)|BEST-BEFORE-.*")
_EMPTY_FILE = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
_BEST_BEFORE = re.compile(r"BEST-BEFORE-(\d{4})-(\d{2})-(\d{2})")


class ListRefused(ImageBroken):
    """The list contradicts itself, or has no hash for a file of ours; nothing of it is used."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Checksums:
    """A parsed list: hash (64 lower-case hexadecimal digits) by file name, and the day when the list goes stale.

    ``skipped`` counts the lines that name no file which could be ours.
    """

    hashes: Mapping[str, str]
    best_before: date | None
    skipped: int = 0


def parse(content: bytes, *, where: str) -> Checksums:
    """Read a list; ``where`` names it in errors. Raises ListRefused with the line that is wrong."""
    if len(content) > LIMIT:
        raise ListRefused(f"{where}: larger than {LIMIT} bytes")
    hashes: dict[str, str] = {}
    skipped = 0
    is_list = False
    text = content.removeprefix(_BYTE_ORDER_MARK).decode("utf-8", "surrogateescape")
    for number, whole in enumerate(text.split("\n"), start=1):
        line = whole.removesuffix("\r").lstrip(" \t")
        if not line or line.startswith("#"):
            continue
        name, value = _split(line)
        good = _HASH.fullmatch(value) is not None
        is_list = is_list or good
        if not _is_harmless(name) or not (good or _OURS.fullmatch(name)):
            skipped += 1
        elif not good:
            expected = "expected a SHA-256 of 64 hexadecimal digits"
            raise ListRefused(f"{where}, line {number}: {name}: {expected}, found {value[:80]!a}")
        elif hashes.setdefault(name, value.lower()) != value.lower():
            raise ListRefused(f"{where}, line {number}: {name} is listed twice, with two hashes")
    if skipped and not is_list:
        raise ListRefused(f"{where}: no line of it is HASH  NAME, HASH *NAME or SHA256 (NAME) = HASH")
    return Checksums(hashes=hashes, best_before=_best_before(hashes, where=where), skipped=skipped)


def _split(line: str) -> tuple[str, str]:
    """The name of a line, without ./ in front, and its hash; both empty where it is no line of a list of SHA-256."""
    match = _BSD_LINE.fullmatch(line)
    if match is not None and match["kind"] != "SHA256":
        return "", ""
    match = match or _LINE.fullmatch(line)
    return (_HERE.sub("", match["name"]), match["hash"]) if match is not None else ("", "")


def _is_harmless(name: str) -> bool:
    try:
        check_component(name)
    except NameRefused:
        return False
    return True


def _best_before(hashes: Mapping[str, str], *, where: str) -> date | None:
    """The first of the days on which the list says that it goes stale."""
    days: list[date] = []
    for name, value in hashes.items():
        day = _BEST_BEFORE.fullmatch(name)
        if day is not None and value == _EMPTY_FILE:
            try:
                days.append(date(int(day[1]), int(day[2]), int(day[3])))
            except ValueError as error:
                raise ListRefused(f"{where}: {name} names no day") from error
    return min(days, default=None)


BEST_BEFORE = "BEST-BEFORE-????-??-??"
"""What all files are called that say when a list goes stale."""


def best_before_name(day: date) -> str:
    """The name of the empty file that says it."""
    return f"BEST-BEFORE-{day.isoformat()}"


def compose(hashes: Mapping[str, str], *, best_before: date | None = None) -> bytes:
    """A list in the form that every reader takes: ``HASH  NAME``, sorted, each name once, a newline behind each."""
    named = dict(hashes)
    if best_before is not None:
        named[best_before_name(best_before)] = _EMPTY_FILE
    return "".join(f"{named[name]}  {name}\n" for name in sorted(named)).encode("ascii")
