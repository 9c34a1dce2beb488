# SPDX-License-Identifier: LGPL-2.1-or-later
"""``tukit-sysext purge``: take out our own state; images, links and configuration stay."""

from __future__ import annotations

import argparse

from tukit_sysext.change.purge import purge, purge_preview
from tukit_sysext.commands.common.trees import alone
from tukit_sysext.exit_status import ExitStatus
from tukit_sysext.machine import Machine
from tukit_sysext.quantities import counted, size_text
from tukit_sysext.terminal.output import Output

_MEANS = (
    "Images of the store are of unknown origin then: they stay, are used as before, and no update repairs them by "
    "their hash.",
    "Which lists were seen is forgotten: an older list would be accepted once. So is since when an update is refused, "
    "and what happened to deleted snapshots.",
    "Links, images and configuration stay. The ledger is made anew from the disk by the next event, or by:",
    "  tukit-sysext settle",
)


@alone
def run(machine: Machine, arguments: argparse.Namespace) -> ExitStatus:
    """Purge, or tell what would go. 0."""
    dry_run: bool = arguments.dry_run
    if not dry_run:
        machine.require_root("purge")
    folders_gone = purge_preview(machine) if dry_run else purge(machine)
    out = Output.of(arguments)
    folders = [{"path": str(folder.path), "files": folder.files, "bytes": folder.size} for folder in folders_gone]
    out.json({"dry_run": dry_run, "folders": folders})
    verb = "would be removed" if dry_run else "removed"
    say = out.teller(dry_run=dry_run)
    for folder in folders_gone:
        if folder.files:
            say(f"{folder.path}: {counted(folder.files, 'file')} {verb} ({size_text(folder.size)})")
    anything = any(folder.files for folder in folders_gone)
    for text in _MEANS if anything else ("No state of tukit-sysext could be removed.",):
        say(text)
    return ExitStatus.DONE
