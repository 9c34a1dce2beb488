# SPDX-License-Identifier: LGPL-2.1-or-later
"""The clock: signatures, lists that go stale and waiting times depend on it."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import tukit_sysext
from tukit_sysext.doctor.result import Result, good, problem, unknown, warning
from tukit_sysext.errors import MemoryUnreadable
from tukit_sysext.machine import Machine

_DAY = 86400
_MEND = "timedatectl set-ntp true"


@dataclass(frozen=True, kw_only=True, slots=True)
class Facts:
    """Times in seconds since the epoch.

    ``now``, when this tool was ``built``, and the newest signature ``seen`` of each source; ``unreadable`` says why
    that of a source is not known, by source.
    """

    now: int
    built: int
    seen: Mapping[str, int]
    unreadable: Mapping[str, str]


def look(machine: Machine) -> Facts:
    """Look at the clock, at our own files, and at what was seen of sources."""
    seen: dict[str, int] = {}
    unreadable: dict[str, str] = {}
    memory = machine.seen()
    try:
        names = memory.sources()
    except OSError:
        names = []  # the folder is another check's
    for name in names:
        try:
            newest = max(memory.times(name).values(), default=None)
        except MemoryUnreadable as error:
            unreadable[name] = str(error)
        else:
            seen |= {name: newest} if newest is not None else {}
    # packages are built with times that are not after their last change
    built = int(os.stat(tukit_sysext.__file__).st_mtime)
    return Facts(now=int(time.time()), built=built, seen=seen, unreadable=unreadable)


def judge(facts: Facts) -> Iterator[Result]:
    """Judge it."""
    if facts.now < facts.built - _DAY:
        told = f"the clock says {_date(facts.now)}, before tukit-sysext was built ({_date(facts.built)})"
        yield problem("clock", f"{told}: signatures look as if they came from the future", _MEND)
        return
    ahead = {name: when for name, when in facts.seen.items() if when > facts.now + _DAY}
    for name, when in sorted(ahead.items()):
        told = f"the newest list of source {name} was signed on {_date(when)}, and the clock says {_date(facts.now)}"
        yield warning("clock", f"{told}: the clock is behind, or its publisher's is ahead", _MEND)
    if not ahead:
        yield good("clock", f"the clock says {_date(facts.now)}, and nothing speaks against it")
    for name, why in sorted(facts.unreadable.items()):
        if "Permission denied" in why:
            yield unknown("seen", why, privileged=False)
        else:
            yield problem("seen", why, f"tukit-sysext sources reset {name}")


def _date(seconds: int) -> str:
    return time.strftime("%Y-%m-%d", time.gmtime(seconds))
