# SPDX-License-Identifier: LGPL-2.1-or-later
"""Sizes, time spans and times as text."""

from __future__ import annotations

import time
from typing import NamedTuple

_SPANS = (("d", 86400), ("h", 3600), ("min", 60), ("s", 1))
_SHOWN = 2


class Share(NamedTuple):
    """A part of a file system: bytes, or percent of its size; of both the smaller."""

    size: int | None = None
    percent: int | None = None

    def of(self, total: int) -> int:
        """Bytes of a file system that has ``total``."""
        parts = (self.size, total * self.percent // 100 if self.percent is not None else None)
        return min((part for part in parts if part is not None), default=0)


KEEP_FREE = Share(size=1024**3, percent=5)
"""What stays free of a file system unless ``[Store] KeepFree=`` says something else."""


def counted(number: int, what: str) -> str:
    """A number of things; a noun has an "s" for all but one."""
    return f"{number} {what}{'' if number == 1 else 's'}"


def size_text(size: int) -> str:
    """Bytes in binary units."""
    number, units = float(size), iter(("B", "KiB", "MiB", "GiB"))
    for unit in units:
        if number < 1024:
            return f"{size} B" if unit == "B" else f"{number:.1f} {unit}"
        number /= 1024
    return f"{number:.1f} TiB"


def span_text(seconds: float) -> str:
    """A time span as systemd.time(7) writes it, in its two largest units: ``14d``, ``1h 30min``."""
    rest, found = max(0, int(seconds)), list[str]()
    for unit, length in _SPANS:
        number, rest = divmod(rest, length)
        found += [f"{number}{unit}"] if number else []
    return " ".join(found[:_SHOWN]) or "0s"


def time_text(seconds: float | None = None) -> str:
    """A time (now, unless seconds since the epoch are given) as it stands in ledger and records.

    UTC, RFC 3339, whole seconds.
    """
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


def local_time(seconds: int) -> str:
    """A time (seconds since the epoch) for a person: local, to the minute."""
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(seconds))
