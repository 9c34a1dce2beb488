# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the lab's server can do wrong, and for which requests.

Each fault is a value; a FaultBook says which of them strike a request. Sizes are bytes, times are seconds.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from fnmatch import fnmatchcase
from types import TracebackType
from typing import Literal, Self, TypeVar


@dataclass(frozen=True, kw_only=True, slots=True)
class Delay:
    """The answer comes so much later. Ends at once when the server stops."""

    seconds: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Refuse:
    """The connection is closed without an answer; with `reset`, by a RST."""

    reset: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Garbage:
    """These bytes in the place of HTTP, and the connection is closed."""

    content: bytes = b"\x16\x03\x01 this is not HTTP\r\n\r\n\x00\xff"


@dataclass(frozen=True, kw_only=True, slots=True)
class Status:
    """Another status, with a short text; `retry_after` is seconds or an HTTP date."""

    code: int
    retry_after: int | str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Redirect:
    """A redirection; `{path}` in the URL becomes the path that was asked for, without its first slash."""

    url: str
    code: Literal[301, 302, 303, 307, 308] = 302


@dataclass(frozen=True, kw_only=True, slots=True)
class Cut:
    """The connection is closed after so much of the body; with `reset`, by a RST, once the client has it all."""

    after: int
    reset: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Corrupt:
    """The bits of the byte at this offset of the file are flipped; a negative offset counts from the end."""

    offset: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Truncated:
    """The file seems to have `size` bytes, also to ranges. Content-Length states `stated`, where that is given:
    with less, a client misses what it was sent; with more, the connection is closed too early."""

    size: int
    stated: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Trickle:
    """The body comes at this rate."""

    bytes_per_second: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Endless:
    """The file over and over, until the client gives up. What the head says of the length, by `framing`:
    "chunked" and "close" nothing, "length" the file's, "huge" 2**62 bytes."""

    framing: Literal["chunked", "close", "length", "huge"] = "chunked"


@dataclass(frozen=True, kw_only=True, slots=True)
class WrongRange:
    """The answer to a range states other bytes (`stated` further on) or holds others (`sent` further on) than asked."""

    stated: int = 1
    sent: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class NoRanges:
    """Ranges are not known here: the whole file with status 200."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Compressed:
    """Content-Encoding: gzip, whatever the client accepts; the file, or so many MiB of zeros."""

    bomb_mib: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class ChangingETag:
    """Another ETag with each answer, though the file is the same."""


Instead = Status | Redirect | Refuse | Garbage
"""What comes in the place of the file; of these, one strikes a request."""

Fault = (
    Instead | Delay | Cut | Corrupt | Truncated | Trickle | Endless | WrongRange | NoRanges | Compressed | ChangingETag
)


F = TypeVar("F")


class FaultSetting:
    """A fault that was set for a pattern of paths; leaving it as a context, or `remove`, takes it off again."""

    def __init__(self, book: FaultBook, pattern: str, fault: Fault, times: int | None) -> None:
        self._book = book
        self.pattern = pattern.lstrip("/")
        self.fault = fault
        self.left = times
        self.hits = 0
        """How many requests it has struck."""

    def remove(self) -> None:
        """Take it off; harmless when it is off already."""
        self._book.remove(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.remove()


class FaultBook:
    """The faults that are set. May be used from all threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._settings: list[FaultSetting] = []

    def set(self, pattern: str, fault: Fault, times: int | None = None) -> FaultSetting:
        """Let a fault strike the next `times` requests (all) for paths that match an fnmatch pattern."""
        setting = FaultSetting(self, pattern, fault, times)
        with self._lock:
            self._settings.append(setting)
        return setting

    def remove(self, setting: FaultSetting) -> None:
        """Take one off."""
        with self._lock:
            if setting in self._settings:
                self._settings.remove(setting)

    def clear(self) -> None:
        """Take all off."""
        with self._lock:
            self._settings.clear()

    def take(self, path: str) -> Struck:
        """The faults that strike one request, counted as used.

        Of several of one kind, the one that was set first strikes, until it is used up: so a sequence of answers
        can be set in advance.
        """
        found: list[Fault] = []
        path = path.lstrip("/")
        with self._lock:
            for setting in list(self._settings):
                if fnmatchcase(path, setting.pattern) and not any(_same_kind(setting.fault, one) for one in found):
                    found.append(setting.fault)
                    setting.hits += 1
                    if setting.left is not None:
                        setting.left -= 1
                        if setting.left == 0:
                            self._settings.remove(setting)
        return Struck(tuple(found))


@dataclass(frozen=True, slots=True)
class Struck:
    """The faults of one request, at most one of each kind."""

    faults: tuple[Fault, ...] = ()

    def get(self, kind: type[F]) -> F | None:
        """The fault of that kind, if there is one."""
        return next((fault for fault in self.faults if isinstance(fault, kind)), None)


def _same_kind(one: Fault, other: Fault) -> bool:
    return type(one) is type(other) or (isinstance(one, Instead) and isinstance(other, Instead))
