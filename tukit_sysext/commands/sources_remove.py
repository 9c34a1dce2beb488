# SPDX-License-Identifier: LGPL-2.1-or-later
"""``tukit-sysext sources remove``: take a source and its key out of the running system and what boots next."""

from __future__ import annotations

import argparse

from tukit_sysext.change import source_files
from tukit_sysext.commands.common.known_sources import check_known
from tukit_sysext.commands.common.trees import alone, tell_open_transactions, tree_document
from tukit_sysext.exit_status import ExitStatus
from tukit_sysext.machine import Machine
from tukit_sysext.snapshots.targets import running_and_next
from tukit_sysext.sources.health import HealthFile
from tukit_sysext.terminal.output import Output


@alone
def run(machine: Machine, arguments: argparse.Namespace) -> ExitStatus:
    """Remove a source, or with ``--dry-run`` tell what would be done. 0."""
    if not arguments.dry_run:
        machine.require_root(f"sources {arguments.action}")
    output = Output.of(arguments)
    name, dry_run = arguments.name, arguments.dry_run
    targets = running_and_next(machine)
    check_known(machine, targets, name)
    done = source_files.remove(targets, name, dry_run=dry_run)
    if not dry_run:
        HealthFile.of(machine).forget(name)
    tell = output.teller(dry_run=dry_run)
    for gone in done:
        where = f"{gone.target}: " if len(targets) > 1 else ""
        for path in gone.files:
            tell(f"{where}{path} {'would be ' if dry_run else ''}removed")
        if gone.kept is not None:
            tell(f"{where}{gone.kept} stays, as {', '.join(gone.users)} has it too")
        for image in gone.wanted_by:
            output.warn(
                f"{where}{image} is wanted from source {name} alone: no version of it can be had then",
                next_step=f"tukit-sysext install --source SOURCE {image}",
            )
    output.json(
        {
            "action": "remove",
            "dry_run": dry_run,
            "source": name,
            "trees": [
                {
                    "tree": tree_document(gone.target),
                    "files": [{"path": path, "written": False} for path in gone.files],
                    "kept": gone.kept,
                    "wanted_by": list(gone.wanted_by),
                }
                for gone in done
            ],
        }
    )
    tell_open_transactions(machine, arguments, output)
    return ExitStatus.DONE
