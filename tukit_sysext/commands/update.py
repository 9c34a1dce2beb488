# SPDX-License-Identifier: LGPL-2.1-or-later
"""``tukit-sysext update``: bring images to the newest version that fits."""

from __future__ import annotations

import argparse
from dataclasses import replace

from tukit_sysext.change import own_transaction, requests
from tukit_sysext.change.requests import ChangeRequest
from tukit_sysext.commands.common.changing import carry
from tukit_sysext.commands.common.trees import acting, alone
from tukit_sysext.commands.common.typed_names import parse_name, unknown_image
from tukit_sysext.errors import TukitSysextError, UsageError
from tukit_sysext.exit_status import ExitStatus
from tukit_sysext.machine import Machine
from tukit_sysext.plugins.manager import Plugins
from tukit_sysext.snapshots.targets import open_transactions, running_and_next
from tukit_sysext.terminal.output import Output


@alone
def run(machine: Machine, arguments: argparse.Namespace) -> ExitStatus:
    """Update images of each tree that wants them. 0, or 1 where one cannot be had or a source not be asked.

    With ``--transaction`` in a snapshot of its own.
    """
    names = [parse_name(name) for name in arguments.names]
    if arguments.transaction:
        return _in_a_snapshot_of_its_own(machine, arguments)
    targets = acting(machine, arguments)
    trees = [(target, requests.installed(target)) for target in targets]
    for name in names:
        if not any(installed.wants(name) for _, installed in trees):
            known = {wanted for _, installed in trees for wanted in installed.wanted if installed.wants(wanted)}
            raise unknown_image(name, known, "is wanted", next_step=f"tukit-sysext install {name}")
    found = [
        ChangeRequest(target=target, names=[name for name in names if installed.wants(name)] if names else None)
        for target, installed in trees
        if not names or any(installed.wants(name) for name in names)
    ]
    return carry(machine, arguments, found)


def _in_a_snapshot_of_its_own(machine: Machine, arguments: argparse.Namespace) -> ExitStatus:
    tree = arguments.root is not None or arguments.snapshot is not None
    if arguments.names or tree or arguments.now or arguments.dry_run or arguments.json:
        raise UsageError("update: --transaction is about all images of what boots next, and takes no other option")
    machine.require_root("update --transaction")
    output = Output.of(arguments)
    open_ = open_transactions(machine)
    if open_:
        raise TukitSysextError(
            f"snapshot {open_[0]} is open in a transaction, which brings its images itself; nothing was changed",
            next_step=f"when that transaction is over:\n{arguments.typed}",
        )
    target = running_and_next(machine)[-1]
    with output.progress(machine, "update --transaction") as watched:
        prospect = own_transaction.fetch(replace(target, machine=watched), Plugins.of(machine))
    for source, reason in prospect.not_asked.items():
        output.warn(f"source {source}, whether it has something newer is not known: {reason}")
    unasked = ExitStatus.FAILED if prospect.not_asked else ExitStatus.DONE
    if not prospect.comes:
        output.say("No image would change.")
        return unasked
    if prospect.plan.refusing:
        names = ", ".join(image.name for image in prospect.plan.refusing)
        raise TukitSysextError(
            f"an update would be refused, because of {names}; nothing was changed", next_step="tukit-sysext check"
        )
    if _is_transactional(machine):
        output.report(own_transaction.transact().splitlines(), dry_run=False)
        return unasked
    number = own_transaction.snapshot_before()
    output.say(f"Snapshot {number} has the system as it was before.")
    return max(unasked, carry(machine, arguments, [ChangeRequest(target=each) for each in running_and_next(machine)]))


def _is_transactional(machine: Machine) -> bool:
    """Whether the running system is a read-only snapshot, in which nothing changes but by a transaction."""
    running = machine.subvolumes.find(machine.layout.root)
    return running is not None and running.read_only
