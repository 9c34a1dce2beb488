# SPDX-License-Identifier: LGPL-2.1-or-later
"""Whether images can be collected: where one place cannot be looked at that may need some, none is deleted."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tukit_sysext.collect.roots import find_roots
from tukit_sysext.doctor.check import CheckResult, good, unknown, warning
from tukit_sysext.ledger.leftovers import recalled
from tukit_sysext.machine import Machine
from tukit_sysext.snapshots.snapper import scan


@dataclass(frozen=True, kw_only=True, slots=True)
class CollectionCheck:
    """Places that cannot be looked at and may need images, with the reason."""

    unknown: Sequence[str]
    privileged: bool

    @classmethod
    def look(cls, machine: Machine) -> CollectionCheck:
        """Look at the snapshots, and at what is mounted."""
        snapshots = scan(machine.layout, machine.subvolumes, releases=False)
        roots = find_roots(machine.layout, snapshots)
        unknown = recalled(machine.layout).unsettled(roots.unknown, roots.leftovers)
        return cls(unknown=unknown, privileged=machine.privileged)

    def judge(self) -> Iterator[CheckResult]:
        for place in self.unknown:
            if self.privileged:
                text = f"no image of the store is deleted, as it is not known which ones this needs: {place}"
                yield warning("collection", text, "tukit-sysext gc --dry-run")
            else:
                yield unknown("collection", place, privileged=False)
        if not self.unknown:
            yield good("collection", "all that may need images can be looked at")
