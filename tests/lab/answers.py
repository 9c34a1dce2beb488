# SPDX-License-Identifier: LGPL-2.1-or-later
"""Which part of a file answers a request: conditions and ranges of HTTP (RFC 9110, sections 13 and 14). No I/O."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime

_RANGE = re.compile(r"bytes=\s*(?:(\d+)-(\d*)|-(\d+))\s*", re.ASCII)


@dataclass(frozen=True, kw_only=True, slots=True)
class Representation:
    """A file as clients see it: size in bytes, strong ETag with its quotes, time of the last change (whole seconds)."""

    size: int
    etag: str
    modified: datetime

    @property
    def last_modified(self) -> str:
        """The time of the last change, as HTTP writes it."""
        return http_date(self.modified)


@dataclass(frozen=True, kw_only=True, slots=True)
class Part:
    """What answers: 200 with all of the file, 206 with a part, 304 or 416 with nothing (`length` 0)."""

    status: int
    start: int = 0
    length: int = 0


def http_date(time: datetime) -> str:
    """A time as HTTP writes it."""
    return format_datetime(time.astimezone(UTC), usegmt=True)


def choose_part(method: str, headers: Mapping[str, str], file: Representation, *, ranges: bool = True) -> Part:
    """The answer to a GET or HEAD with these headers (lower-case names), in the order of RFC 9110, section 13.2.2.

    Without `ranges`, or with one that is not understood, or with several, the whole file answers.
    """
    if _unchanged(headers, file):
        return Part(status=304)
    whole = Part(status=200, length=file.size)
    asked = _RANGE.fullmatch(headers.get("range", ""))
    if not ranges or method != "GET" or asked is None or not _range_holds(headers.get("if-range"), file):
        return whole
    first, last, suffix = asked.groups()
    if suffix is not None:
        length = min(int(suffix), file.size)
        return Part(status=206, start=file.size - length, length=length) if length else Part(status=416)
    start = int(first)
    end = min(int(last), file.size - 1) if last else file.size - 1
    if last and int(last) < start:
        return whole
    return Part(status=206, start=start, length=end - start + 1) if start < file.size else Part(status=416)


def _unchanged(headers: Mapping[str, str], file: Representation) -> bool:
    """If-None-Match decides where it is given; it compares weakly."""
    if (tags := headers.get("if-none-match")) is not None:
        known = {tag.strip().removeprefix("W/") for tag in tags.split(",")}
        return "*" in known or file.etag in known
    since = _parse_date(headers.get("if-modified-since", ""))
    return since is not None and file.modified <= since


def _range_holds(condition: str | None, file: Representation) -> bool:
    """If-Range compares strongly, dates exactly."""
    if condition is None:
        return True
    if condition.startswith(('"', "W/")):
        return condition == file.etag
    return _parse_date(condition) == file.modified


def _parse_date(text: str) -> datetime | None:
    try:
        parsed = parsedate_to_datetime(text)
    except ValueError:
        return None
    return parsed.replace(tzinfo=UTC) if parsed.tzinfo is None else parsed
