# SPDX-License-Identifier: LGPL-2.1-or-later
"""``tukit-sysext provision``: what systemd starts after the boot, for wanted images that this machine never had."""

from __future__ import annotations

import argparse
import time
from collections.abc import Mapping, Sequence

from tukit_sysext.change import provision
from tukit_sysext.change.changer import Changer, TreeChange
from tukit_sysext.change.provision import Attempts, NeverHad
from tukit_sysext.change.requests import ChangeRequest, installed
from tukit_sysext.commands.common.changing import watched_request
from tukit_sysext.commands.common.tree_changes import lines
from tukit_sysext.commands.common.trees import alone
from tukit_sysext.errors import TukitSysextError, in_words
from tukit_sysext.exit_status import ExitStatus
from tukit_sysext.integrity.merge_rule import merge_by_itself
from tukit_sysext.machine import Machine
from tukit_sysext.plugins.manager import Plugins
from tukit_sysext.snapshots.targets import running_and_next
from tukit_sysext.terminal.output import Output


@alone
def run(machine: Machine, arguments: argparse.Namespace) -> ExitStatus:
    """Fetch and link what is missing. 0 once nothing is tried again, 1 while something is: systemd starts it again."""
    output = Output.of(arguments)
    dry_run = arguments.dry_run
    if not dry_run:
        machine.require_root("provision")
    missing = [image for image in provision.never_had(machine) if image.pending]
    if not missing:
        output.say("No image waits to be brought for the first time.")
        return ExitStatus.DONE
    now = int(time.time())
    try:
        trees = _change(machine, output, [image.name for image in missing], dry_run=dry_run)
    except (TukitSysextError, OSError) as error:
        if not dry_run:
            failed = {image.name: image.attempts.failed(in_words(error), now=now) for image in missing}
            provision.remember(machine.layout.provision, failed)
        raise
    output.report(lines(trees, dry_run=dry_run), dry_run=dry_run)
    if dry_run:
        output.say("Dry run: nothing was changed.")
        return ExitStatus.DONE
    tried = provision.judge(missing, trees, now=now)
    provision.remember(machine.layout.provision, tried)
    output.report(merge_by_itself(machine, _links(trees), allowed=True).lines, dry_run=False)
    return _tell(output, missing, tried)


def _change(machine: Machine, output: Output, names: Sequence[str], *, dry_run: bool) -> Sequence[TreeChange]:
    """Bring the images into the running system, and into what boots next where that wants them too."""
    requests = [
        ChangeRequest(target=target, names=wanted)
        for target in running_and_next(machine)
        if (wanted := [name for name in names if installed(target).wants(name)])
    ]
    with (
        output.progress(machine, None if dry_run else "provision") as watched,
        Changer([watched_request(each, watched) for each in requests], Plugins.of(machine), dry_run=dry_run) as changer,
    ):
        if dry_run:
            return changer.plans()
        changer.fetch()
        return changer.carry_out()


def _links(trees: Sequence[TreeChange]) -> Sequence[str]:
    """What the running system has of them, by the names that systemd-sysext sees."""
    images = (image for tree in trees if tree.target.running for image in tree.plan.images)
    return [image.link.removesuffix(".raw") for image in images if image.link is not None and image.left_out is None]


def _tell(output: Output, missing: Sequence[NeverHad], tried: Mapping[str, Attempts]) -> ExitStatus:
    for image in missing:
        attempts = tried[image.name]
        if attempts.ending is None:
            output.warn(f"{image.name}: try {attempts.tries} failed, and is followed by others: {attempts.reason}")
        elif attempts.ending is not provision.Ending.LINKED:
            step = f"wait for an update of the system, which tries it too, or:\ntukit-sysext update {image.name}"
            output.warn(f"{image.name}: {attempts.ending}: {attempts.reason}", next_step=step)
    return ExitStatus.FAILED if any(each.ending is None for each in tried.values()) else ExitStatus.DONE
