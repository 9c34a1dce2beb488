# SPDX-License-Identifier: LGPL-2.1-or-later
"""What ``sources enable`` and ``sources disable`` do: a source that stays configured is asked, or is not."""

from __future__ import annotations

import argparse

from tukit_sysext.change import source_switch
from tukit_sysext.commands.common.known_sources import check_known
from tukit_sysext.commands.common.trees import alone, tell_open_transactions, tree_document
from tukit_sysext.errors import TukitSysextError
from tukit_sysext.exit_status import ExitStatus
from tukit_sysext.machine import Machine
from tukit_sysext.snapshots.targets import running_and_next
from tukit_sysext.terminal.output import Output


@alone
def run(machine: Machine, arguments: argparse.Namespace) -> ExitStatus:
    """Do what the action says, or with ``--dry-run`` tell what would be done. 0."""
    action, name, dry_run = arguments.action, arguments.name, arguments.dry_run
    if not dry_run:
        machine.require_root(f"sources {action}")
    output = Output.of(arguments)
    targets = running_and_next(machine)
    check_known(machine, targets, name)
    done = source_switch.switch(targets, name, on=action == "enable", dry_run=dry_run)
    if not done:
        raise TukitSysextError(f"{name}: it is not configured any more, though a list of it was seen")
    tell = output.teller(dry_run=dry_run)
    for switched in done:
        where = f"{switched.target}: " if len(targets) > 1 else ""
        if switched.file is None:
            output.say(f"{where}{name} is {action}d already")
            continue
        change = "removed" if switched.removed else "written"
        tell(f"{where}{name} {'would be ' if dry_run else ''}{action}d: {switched.file} {change}")
        for image in switched.wanted_by:
            output.warn(
                f"{where}{image} is wanted from source {name} alone: no version of it can be had meanwhile",
                next_step=f"tukit-sysext install --source SOURCE {image}",
            )
    output.json(
        {
            "action": action,
            "dry_run": dry_run,
            "source": name,
            "trees": [
                {
                    "tree": tree_document(switched.target),
                    "files": [{"path": switched.file, "written": not switched.removed}] if switched.file else [],
                    "wanted_by": list(switched.wanted_by),
                }
                for switched in done
            ],
        }
    )
    tell_open_transactions(machine, arguments, output)
    return ExitStatus.DONE
