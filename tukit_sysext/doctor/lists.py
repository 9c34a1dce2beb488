# SPDX-License-Identifier: LGPL-2.1-or-later
"""Sources whose lists were not good when they were asked last; nobody is asked now."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from tukit_sysext.config.settings import load_configuration
from tukit_sysext.doctor.check import CheckResult, good, hint, problem, warning
from tukit_sysext.machine import Machine
from tukit_sysext.quantities import local_time
from tukit_sysext.sources.health import HealthFile, SourceHealth
from tukit_sysext.system.tree import Tree

DAYS = 3
"""For how many days a source may be out of reach before it is a problem: a disk may be away, a server down."""

_DAY = 86400


@dataclass(frozen=True, kw_only=True, slots=True)
class ListsCheck:
    """How each source of the running system is, None where it was not asked yet. ``now`` in seconds since the epoch."""

    health: Mapping[str, SourceHealth | None]
    now: int

    @classmethod
    def look(cls, machine: Machine) -> ListsCheck:
        """Read what was noted of the sources that are configured."""
        with Tree(machine.layout.root) as tree:
            names = sorted(load_configuration(tree).sources)
        health = HealthFile.of(machine).read()
        return cls(health={name: health.get(name) for name in names}, now=int(time.time()))

    def judge(self) -> Iterator[CheckResult]:
        results = [result for name, health in self.health.items() for result in self._source(name, health)]
        if self.health:
            yield from results or [good("lists", "the list of each source was good when it was asked last")]

    def _source(self, name: str, health: SourceHealth | None) -> Iterator[CheckResult]:
        refresh = f"tukit-sysext sources refresh {name}"
        if health is None:
            yield hint("lists", f"source {name} was not asked yet", refresh)
        elif health.failing is not None:
            lasting = self.now - health.failing > DAYS * _DAY
            severity = problem if health.refused or lasting else warning
            yield severity("lists", f"source {name} {health.failure(local_time)}", health.next_step or refresh)
        elif not health.images:
            yield warning("lists", f"source {name}: its list names no image", refresh)
