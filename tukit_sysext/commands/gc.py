# SPDX-License-Identifier: LGPL-2.1-or-later
"""``tukit-sysext gc``: collects images that nothing needs; says of every image what keeps it, or since when nothing."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import Any

from tukit_sysext.collect.collection import Collection, CollectionOptions, collect
from tukit_sysext.collect.decision import Disposition
from tukit_sysext.commands.common.decisions import decision_document, decision_text
from tukit_sysext.commands.common.from_ledger import ledger_faults_told
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
        options = CollectionOptions(unknown_origin=arguments.unknown_origin)
        found = collect(machine, Plugins.of(machine), options, dry_run=arguments.dry_run)
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
    rows = [
        (each.file.file_name, size_text(each.file.size), decision_text(each, dry_run=dry_run))
        for each in found.decisions
    ]
    rows += [(item.file.file_name, size_text(item.file.size), f"deleted: {item.reason}") for item in found.gone]
    if not rows:
        yield "The image store is empty."
        return
    yield Table(("Image", "Size", "What keeps it"), sorted(rows), right=(1,))
    going = [item for item in found.decisions if item.disposition is Disposition.GOES] if dry_run else found.gone
    freed = size_text(sum(item.file.size for item in going))
    told = f"{len(going)} would be deleted, {freed}" if dry_run else f"{len(going)} deleted, {freed} freed"
    yield ""
    yield f"{told}; the store has {size_text(found.store_bytes)}"
    if found.too_large:
        yield Toned(f"Problem: that is more than StoreMax= ({size_text(found.store_max)})", Tone.BAD)
        yield "         next step: delete snapshots that are not needed (snapper delete), or raise [Store] StoreMax="


def _document(found: Collection, *, dry_run: bool) -> dict[str, Any]:
    return {
        "dry_run": dry_run,
        "images": [decision_document(item) for item in found.decisions],
        "deleted": [decision_document(item) for item in found.gone],
        "unknown": list(found.unknown),
        "fault": found.fault or None,
        "store_bytes": found.store_bytes,
        "store_max": found.store_max,
    }
