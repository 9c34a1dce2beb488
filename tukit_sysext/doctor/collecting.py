# SPDX-License-Identifier: LGPL-2.1-or-later
"""Whether images can be collected: where one place cannot be looked at that may need some, none is deleted."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tukit_sysext.collect import roots
from tukit_sysext.doctor.result import Result, good, unknown, warning
from tukit_sysext.machine import Machine
from tukit_sysext.snapshots.snapper import scan


@dataclass(frozen=True, kw_only=True, slots=True)
class Facts:
    """Places that cannot be looked at, with the reason."""

    unknown: Sequence[str]
    privileged: bool


def look(machine: Machine) -> Facts:
    """Look at the snapshots, and at what is mounted."""
    found = scan(machine.layout, machine.subvolumes, releases=False)
    return Facts(unknown=roots.mark(machine.layout, found).unknown, privileged=machine.privileged)


def judge(facts: Facts) -> Iterator[Result]:
    """Judge it."""
    for place in facts.unknown:
        if facts.privileged:
            told = f"no image of the store is deleted, as it is not known which ones this needs: {place}"
            yield warning("collection", told, "tukit-sysext gc --dry-run")
        else:
            yield unknown("collection", place, privileged=False)
    if not facts.unknown:
        yield good("collection", "all that may need images can be looked at")
