# SPDX-License-Identifier: LGPL-2.1-or-later
"""Which leftovers of snapshots leave something unknown: those that may become a snapshot still, or are being deleted.

What nobody has changed for a day, or since before the last boot, is neither: no process is at work on it. The day is
one of the monotonic clock, which nobody sets. What the guard finds at a boot is from before it, as snapper does not
run yet.
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING

from tukit_sysext.layout import Layout
from tukit_sysext.ledger.ledger import Ledger

if TYPE_CHECKING:
    from tukit_sysext.snapshots.half_there import Leftover
    from tukit_sysext.snapshots.snapper import Scan

_KEY = "leftovers"
_DAY = 86400
_EARLIER = "earlier"


@dataclass(frozen=True, kw_only=True, slots=True)
class _Sight:
    """A leftover as it was when it was first seen like this: in which boot, and when by the monotonic clock."""

    state: str
    boot: str
    seconds: float


class Leftovers:
    """What is remembered of leftovers, by their numbers."""

    def __init__(self, layout: Layout, ledger: Ledger | None) -> None:
        try:
            self._boot = (layout.root / "proc/sys/kernel/random/boot_id").read_text().strip()
        except OSError:
            self._boot = ""  # nothing is settled then
        self._seen = _read(ledger.recall(_KEY) if ledger is not None else None)
        self._there: Sequence[Leftover] = ()

    def unsettled(self, unknown: Sequence[str], leftovers: Sequence[Leftover]) -> tuple[str, ...]:
        """What is unknown, without the leftovers that are settled."""
        self._there = leftovers
        settled = {leftover.reason for leftover in leftovers if self._settled(leftover)}
        return tuple(reason for reason in unknown if reason not in settled)

    def _settled(self, leftover: Leftover) -> bool:
        seen = self._seen.get(leftover.number)
        if seen is None or not self._boot or not leftover.state or seen.state != leftover.state:
            return False
        return seen.boot != self._boot or time.monotonic() - seen.seconds >= _DAY

    def remember(self, ledger: Ledger) -> None:
        """Keep when the leftovers that there are now were first seen as they are. Raises NotWritten."""
        now = time.monotonic()
        sights = {}
        for leftover in self._there:
            seen = self._seen.get(leftover.number)
            if seen is None or seen.state != leftover.state:
                seen = _Sight(state=leftover.state, boot=self._boot, seconds=now)
            sights[leftover.number] = seen
        if sights or self._seen:
            _write(ledger, sights)


def found_at_boot(ledger: Ledger, leftovers: Sequence[Leftover]) -> None:
    """Keep that these were there before the boot. Raises NotWritten."""
    _write(ledger, {each.number: _Sight(state=each.state, boot=_EARLIER, seconds=0.0) for each in leftovers})


def _write(ledger: Ledger, sights: Mapping[int, _Sight]) -> None:
    ledger.remember(_KEY, json.dumps({number: asdict(sight) for number, sight in sights.items()}))


def recalled(layout: Layout) -> Leftovers:
    """What is remembered, read only; nothing where the ledger cannot be read."""
    try:
        if layout.ledger.exists():
            with Ledger(layout.ledger, writable=False) as ledger:
                return Leftovers(layout, ledger)
    except (OSError, sqlite3.Error):
        pass
    return Leftovers(layout, None)


def without_settled(layout: Layout, scan: Scan) -> Scan:
    """The scan, in which leftovers that are settled leave nothing unknown; they stay among its leftovers."""
    if not scan.leftovers:
        return scan
    return replace(scan, unknown=recalled(layout).unsettled(scan.unknown, scan.leftovers))


def _read(text: str | None) -> Mapping[int, _Sight]:
    try:
        return {
            int(number): _Sight(state=str(sight["state"]), boot=str(sight["boot"]), seconds=float(sight["seconds"]))
            for number, sight in json.loads(text or "{}").items()
        }
    except (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError):
        return {}  # it is as if they were seen for the first time
