# SPDX-License-Identifier: LGPL-2.1-or-later
"""Which defence is broken how, and which tests must notice. Rows as in tests/THREATS.md; "-" belongs to none."""

from __future__ import annotations

from tests.breaking import (
    belief,
    booting,
    bounds,
    content,
    failing,
    faults,
    hosts,
    locks,
    losing,
    machine,
    merging,
    naming,
    packages,
    packed,
    policy,
    publishing,
    reaching,
    requirements,
    selinux,
    shadowing,
    snapshots,
    tools,
    ways,
)
from tests.breaking.defence import Defence

DEFENCES: tuple[Defence, ...] = (
    *content.DEFENCES,
    *belief.DEFENCES,
    *ways.DEFENCES,
    *machine.DEFENCES,
    *faults.DEFENCES,
    *failing.DEFENCES,
    *snapshots.DEFENCES,
    *policy.DEFENCES,
    *reaching.DEFENCES,
    *bounds.DEFENCES,
    *locks.DEFENCES,
    *tools.DEFENCES,
    *booting.DEFENCES,
    *losing.DEFENCES,
    *hosts.DEFENCES,
    *packed.DEFENCES,
    *selinux.DEFENCES,
    *naming.DEFENCES,
    *publishing.DEFENCES,
    *packages.DEFENCES,
    *requirements.DEFENCES,
    *merging.DEFENCES,
    *shadowing.DEFENCES,
)
