# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the commands have in common that only change files of trees: ``hold``, ``block`` and their opposites."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from tukit_sysext.change.changer import Changer
from tukit_sysext.change.requests import ChangeRequest
from tukit_sysext.commands.common.tree_changes import document, next_step
from tukit_sysext.commands.common.trees import tell_open_transactions
from tukit_sysext.exit_status import ExitStatus
from tukit_sysext.machine import Machine
from tukit_sysext.plugins.manager import Plugins
from tukit_sysext.terminal.output import Output
from tukit_sysext.update.plan import Action


def edit(
    machine: Machine, arguments: argparse.Namespace, told: Sequence[tuple[ChangeRequest, Sequence[str]]]
) -> ExitStatus:
    """Change files of trees, or tell what would be changed; each request comes with the lines that tell it. 0."""
    output = Output.of(arguments)
    if not arguments.dry_run:
        machine.require_root(arguments.command)
    with Changer([request for request, _ in told], Plugins.of(machine), dry_run=arguments.dry_run) as changer:
        trees = changer.plans() if arguments.dry_run else changer.carry_out()
        away = changer.not_asked()
    several = len(told) > 1 or any(not request.target.running for request, _ in told)
    for request, texts in told:
        for text in texts:
            output.tell(f"{request.target}: {text}" if several else text)
    # where no source was asked nothing can be said of what will come
    for tree in (tree for tree, (request, _) in zip(trees, told, strict=True) if request.ask):
        for image in tree.plan.images:
            if image.left_out is not None:
                output.warn(
                    f"{tree.target}: no update has a version of {image.name} then: {image.reason}",
                    next_step=next_step(tree, image.name),
                )
            elif image.action in (Action.FETCH, Action.LINK) and not arguments.dry_run:
                output.say(f"tukit-sysext update {image.name} brings it.")
    if arguments.dry_run:
        output.say("Dry run: nothing was changed.")
    output.json(document(trees, dry_run=arguments.dry_run, refreshed=False, away=away))
    tell_open_transactions(machine, arguments, output)
    return ExitStatus.DONE
