# SPDX-License-Identifier: LGPL-2.1-or-later
"""``tukit-sysext gc``: collects images that nothing needs; says of every image what keeps it, or since when nothing."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import Any

from tukit_sysext.collect.collection import Collection, collect
from tukit_sysext.collect.decision import Fate
from tukit_sysext.commands.common.kept import fate_text, kept_document
from tukit_sysext.commands.common.memory import ledger_faults_told
from tukit_sysext.commands.common.privilege import require_root
from tukit_sysext.exit_status import ExitStatus
from tukit_sysext.machine import Machine
from tukit_sysext.metrics import metrics
from tukit_sysext.plugins.manager import Plugins
from tukit_sysext.quantities import size_text
from tukit_sysext.terminal.output import Output
from tukit_sysext.terminal.text import Table, Tone, Toned


def run(machine: Machine, arguments: argparse.Namespace) -> ExitStatus:
    """Collect. 0, or 1 where nothing could be deleted because something is not known, or not all could be written."""
    require_root(machine, "gc")
    with ledger_faults_told(machine):
        found = collect(
            machine, Plugins.of(machine), dry_run=arguments.dry_run, unknown_origin=arguments.unknown_origin
        )
    if not arguments.dry_run:
        metrics.update(machine)
    output = Output.of(arguments)
    output.json(_document(found, dry_run=arguments.dry_run))
    output.show(_lines(found, dry_run=arguments.dry_run))
    if not output.wants_json:
        for unknown in found.unknown:
            output.warn(f"nothing is deleted, not known: {unknown}")
    if found.fault:
        output.warn(f"what was deleted is not written down: {found.fault}")
    return ExitStatus.FAILED if found.unknown or found.fault else ExitStatus.DONE


def _lines(found: Collection, *, dry_run: bool) -> Iterator[str | Table]:
    rows = [(item.kept.file_name, size_text(item.kept.size), fate_text(item, dry_run=dry_run)) for item in found.judged]
    rows += [(item.kept.file_name, size_text(item.kept.size), f"deleted: {item.reason}") for item in found.gone]
    if not rows:
        yield "The image store is empty."
        return
    yield Table(("Image", "Size", "What keeps it"), sorted(rows), right=(1,))
    going = [item for item in found.judged if item.fate is Fate.GOES] if dry_run else found.gone
    freed = size_text(sum(item.kept.size for item in going))
    told = f"{len(going)} would be deleted, {freed}" if dry_run else f"{len(going)} deleted, {freed} freed"
    yield ""
    yield f"{told}; the store has {size_text(found.store_bytes)}"
    if found.too_large:
        yield Toned(f"Problem: that is more than StoreMax= ({size_text(found.store_max)})", Tone.BAD)
        yield "         next step: delete snapshots that are not needed (snapper delete), or raise [Store] StoreMax="


def _document(found: Collection, *, dry_run: bool) -> dict[str, Any]:
    return {
        "dry_run": dry_run,
        "images": [kept_document(item) for item in found.judged],
        "deleted": [kept_document(item) for item in found.gone],
        "unknown": list(found.unknown),
        "fault": found.fault or None,
        "store_bytes": found.store_bytes,
        "store_max": found.store_max,
    }
