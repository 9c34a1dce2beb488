# SPDX-License-Identifier: LGPL-2.1-or-later
"""``tukit-sysext sources reset``: forget which lists of a source were seen."""

from __future__ import annotations

import argparse

from tukit_sysext.change.source_events import remember
from tukit_sysext.commands.common.known_sources import check_known
from tukit_sysext.commands.common.trees import alone
from tukit_sysext.errors import MemoryUnreadable
from tukit_sysext.exit_status import ExitStatus
from tukit_sysext.machine import Machine
from tukit_sysext.quantities import local_time, time_text
from tukit_sysext.snapshots.targets import running_and_next
from tukit_sysext.sources.seen import Seen
from tukit_sysext.terminal.output import Output


@alone
def run(machine: Machine, arguments: argparse.Namespace) -> ExitStatus:
    """Reset a source, or with ``--dry-run`` tell what would be done. 0."""
    if not arguments.dry_run:
        machine.require_root(f"sources {arguments.action}")
    output = Output.of(arguments)
    name, dry_run = arguments.name, arguments.dry_run
    check_known(machine, running_and_next(machine), name)
    seen = Seen.of(machine)
    try:
        newest = max(seen.times(name).values(), default=None)
    except MemoryUnreadable as error:
        newest = None
        output.warn(str(error))
    there = name in seen.sources() if dry_run else seen.reset(name)
    if there and not dry_run:
        remember(machine, name, "reset")
    told = f"the newest list seen was signed {local_time(newest)}; " if newest is not None else ""
    done = "would be forgotten" if dry_run else "forgotten"
    output.teller(dry_run=dry_run)(
        f"{name}: {done}; {told}the next valid list is accepted, whenever it was signed"
        if there
        else f"{name}: no list of it was seen yet"
    )
    output.json(
        {
            "action": "reset",
            "dry_run": dry_run,
            "source": name,
            "seen": bool(there),
            "newest_seen": time_text(newest) if newest is not None else None,
        }
    )
    return ExitStatus.DONE
