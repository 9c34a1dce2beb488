# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the lab's server answers with a file: status, headers and which bytes, with the faults in them. No I/O."""

from __future__ import annotations

import itertools
import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from tests.lab.answers import Representation, choose_part
from tests.lab.faults import ChangingETag, Compressed, Corrupt, Endless, NoRanges, Struck, Truncated, WrongRange

Headers = tuple[tuple[str, str], ...]

_HUGE = 2**62
_NUMBERS = itertools.count(1)


@dataclass(frozen=True, kw_only=True, slots=True)
class FilePlan:
    """An answer with `length` bytes of the file from `start`; offsets are those of the file."""

    status: int
    headers: Headers
    """All but those of the body's framing and coding."""
    start: int = 0
    length: int = 0
    flipped: int | None = None
    """The byte whose bits are flipped."""


def plan_file(method: str, headers: Mapping[str, str], file: os.stat_result, struck: Struck) -> FilePlan:
    """The answer to a GET or HEAD with these headers (lower-case names)."""
    ranges = struck.get(NoRanges) is None
    seen = _seen(file, struck)
    part = choose_part(method, headers, seen, ranges=ranges)
    found: Headers = (("ETag", seen.etag), ("Last-Modified", seen.last_modified))
    if ranges:
        found += (("Accept-Ranges", "bytes"),)
    if part.status == 304:
        return FilePlan(status=304, headers=found)
    if part.status == 416:
        return FilePlan(status=416, headers=(*found, ("Content-Range", f"bytes */{seen.size}")))
    found += (("Content-Type", "application/octet-stream"),)
    start = part.start
    if part.status == 206:
        wrong = struck.get(WrongRange) or WrongRange(stated=0)
        stated = start + wrong.stated
        found += (("Content-Range", f"bytes {stated}-{stated + part.length - 1}/{seen.size}"),)
        # Where the file has no such bytes behind them, those before them are as wrong.
        forward = start + wrong.sent
        start = forward if forward + part.length <= seen.size else max(0, start - wrong.sent)
    corrupt = struck.get(Corrupt)
    flipped = None if corrupt is None or not file.st_size else corrupt.offset % file.st_size
    return FilePlan(status=part.status, headers=found, start=start, length=part.length, flipped=flipped)


def framing(length: int, struck: Struck) -> Headers:
    """What the head says of the length and the coding of a body that has `length` bytes."""
    found: Headers = (("Content-Encoding", "gzip"),) if struck.get(Compressed) else ()
    if endless := struck.get(Endless):
        match endless.framing:
            case "chunked":
                return (*found, ("Transfer-Encoding", "chunked"))
            case "close":
                return (*found, ("Connection", "close"))
            case "length":
                return (*found, ("Content-Length", str(length)))
            case "huge":
                return (*found, ("Content-Length", str(_HUGE)))
    return (*found, ("Content-Length", str(stated_length(length, struck))))


def stated_length(length: int, struck: Struck) -> int:
    """What Content-Length says of a body that has `length` bytes and an end."""
    truncated = struck.get(Truncated)
    return length if truncated is None or truncated.stated is None else truncated.stated


def _seen(file: os.stat_result, struck: Struck) -> Representation:
    """The file as the client shall see it. A file that was replaced in the same second has another inode or time."""
    truncated = struck.get(Truncated)
    mark = f"-{next(_NUMBERS)}" if struck.get(ChangingETag) else ""
    return Representation(
        size=min(file.st_size, truncated.size) if truncated else file.st_size,
        etag=f'"{file.st_ino:x}-{file.st_mtime_ns:x}-{file.st_size:x}{mark}"',
        modified=datetime.fromtimestamp(int(file.st_mtime), UTC),
    )
