# SPDX-License-Identifier: LGPL-2.1-or-later
"""``tukit-sysext sources import``: what systemd-sysupdate's transfers bring becomes sources and wanted images."""

from __future__ import annotations

import argparse
import os

from tukit_sysext.change import sysupdate
from tukit_sysext.change.transfer_import import ImportOptions
from tukit_sysext.commands.common import importing
from tukit_sysext.commands.common.key_file import read_key
from tukit_sysext.commands.common.trees import alone, tell_open_transactions
from tukit_sysext.errors import TukitSysextError
from tukit_sysext.exit_status import ExitStatus
from tukit_sysext.machine import Machine
from tukit_sysext.snapshots.targets import running_and_next
from tukit_sysext.terminal.output import Output


@alone
def run(machine: Machine, arguments: argparse.Namespace) -> ExitStatus:
    """Take transfers over, or with ``--dry-run`` tell what would be done. 0, or 1 where one could not be."""
    if not arguments.dry_run:
        machine.require_root("sources import")
    output = Output.of(arguments)
    transfers = sysupdate.of_path(arguments.path)
    if not transfers:
        raise TukitSysextError(f"{arguments.path}: expected files that end in .transfer, found none")
    options = ImportOptions(
        name=arguments.name,
        key=read_key(arguments.key) if arguments.key is not None else None,
        unverified=arguments.no_verify,
        features=not os.path.isdir(arguments.path),
        policy=arguments.policy,
    )
    done = importing.import_transfers(
        machine,
        running_and_next(machine),
        lambda _: transfers,
        options,
        check=not arguments.no_check,
        dry_run=arguments.dry_run,
    )
    output.json({"action": "import", "dry_run": arguments.dry_run, **importing.document(done)})
    importing.show(output, done, dry_run=arguments.dry_run)
    failures = [failure for each in done for failure in each.failures]
    for failure in failures:
        if not failure.extension:
            output.say(f"{failure.transfer.file}: {failure.reason}")
    tell_open_transactions(machine, arguments, output)
    return ExitStatus.FAILED if any(failure.extension for failure in failures) else ExitStatus.DONE
