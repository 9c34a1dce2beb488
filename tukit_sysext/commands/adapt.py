# SPDX-License-Identifier: LGPL-2.1-or-later
"""``tukit-sysext adapt``: what systemd starts after zypper changed the packages of a writable running system.

The packages are there already, so that nothing can be refused: images that fit them come, those that do not fit go, and
a missing one is reported as after an update that came without it.
"""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import replace

from tukit_sysext.change.changer import Changer, TreeChange
from tukit_sysext.change.requests import ChangeRequest
from tukit_sysext.commands.common.changing import watched_request
from tukit_sysext.commands.common.tree_changes import lines
from tukit_sysext.commands.common.trees import alone
from tukit_sysext.exit_status import ExitStatus
from tukit_sysext.integrity.merge_rule import BY_HAND
from tukit_sysext.ledger.ledger import Ledger, LedgerEvent, write_or_log
from tukit_sysext.ledger.tables import MISSED
from tukit_sysext.machine import Machine
from tukit_sysext.plugins.manager import Plugins
from tukit_sysext.quantities import time_text
from tukit_sysext.snapshots.targets import running_and_next
from tukit_sysext.terminal.output import Output
from tukit_sysext.update import refusal, report
from tukit_sysext.update.left_out import Consequence
from tukit_sysext.update.outcome import Outcome
from tukit_sysext.update.plan import Plan


@alone
def run(machine: Machine, arguments: argparse.Namespace) -> ExitStatus:
    """Change the links of the running system to what fits it now. 0, or 1 where a required image is missed."""
    output = Output.of(arguments)
    dry_run = arguments.dry_run
    if not dry_run:
        machine.require_root("adapt")
    running = machine.subvolumes.find(machine.layout.root)
    if running is not None and running.read_only:
        output.say("The running system changes in transactions alone, which bring their images.")
        return ExitStatus.DONE
    change = _change(machine, output, dry_run=dry_run)
    if dry_run:
        output.show(lines([change], dry_run=True))
        output.say("Dry run: nothing was changed.")
        return ExitStatus.DONE
    output.report([each.text for each in change.changes], dry_run=False)
    outcome = Outcome(plan=_unrefused(change.plan), changes=change.changes)
    _remember(machine, change, outcome)
    if change.changes:
        output.say("The running /usr is unchanged until the next boot, or:")
        output.say(f"  {BY_HAND}")
    for line in (*report.fallback_lines(outcome), *report.warning_lines(outcome), *report.missed_lines(outcome)):
        print(line, file=sys.stderr)
    if not outcome.missed:
        return ExitStatus.DONE
    print("  the packages are installed already, so that nothing was refused", file=sys.stderr)
    return ExitStatus.FAILED


def _change(machine: Machine, output: Output, *, dry_run: bool) -> TreeChange:
    request = ChangeRequest(target=running_and_next(machine)[0])
    with (
        output.progress(machine, None if dry_run else "adapt") as watched,
        Changer([watched_request(request, watched)], Plugins.of(machine), dry_run=dry_run) as changer,
    ):
        if dry_run:
            return changer.plans()[0]
        changer.fetch()
        return changer.carry_out()[0]


def _unrefused(plan: Plan) -> Plan:
    """The plan of a change that nobody can refuse any more: what would be refused is missed."""
    images = (replace(image, consequence=Consequence.LOUD) if image.refuses else image for image in plan.images)
    return replace(plan, images=tuple(images))


def _remember(machine: Machine, change: TreeChange, outcome: Outcome) -> None:
    """Have status, the login message and the ledger say what is missing, or that it is back."""
    now = int(time.time())
    before = refusal.known(machine)
    number = change.target.snapshot.number if change.target.snapshot is not None else None
    events = [
        LedgerEvent(time=time_text(now), kind=MISSED, snapshot=number, image=image, detail=reason)
        for image, reason in outcome.missed.items()
    ]

    def write(ledger: Ledger) -> None:
        ledger.add(events)

    if events:
        write_or_log(machine.layout.ledger, write, "what is missed")
    refusal.note(machine, outcome, before, now=now)
