# SPDX-License-Identifier: LGPL-2.1-or-later
"""``tukit-sysext gc``: collects images that nothing needs; says of every image what keeps it, or since when nothing."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import Any

from tukit_sysext.collect.collection import Collection, collect
from tukit_sysext.collect.decision import Fate, Judged
from tukit_sysext.commands.common.memory import ledger_faults_told
from tukit_sysext.exit_status import ExitStatus
from tukit_sysext.ledger.ledger import now_text
from tukit_sysext.machine import Machine
from tukit_sysext.metrics import metrics
from tukit_sysext.plugins.manager import Plugins
from tukit_sysext.terminal.output import Output, require_root, size_text
from tukit_sysext.terminal.text import Table, Tone, Toned, local_time

_SHOWN = 3


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


def fate_text(item: Judged, *, dry_run: bool = False) -> str:
    """What keeps a file, or what becomes of it, in a few words."""
    match item.fate:
        case Fate.NEEDED:
            more = len(item.needed_by) - _SHOWN
            return ", ".join(item.needed_by[:_SHOWN]) + (f" and {more} more" if more > 0 else "")
        case Fate.STAYS:
            return f"stays: {item.reason}"
        case Fate.UNKNOWN_ORIGIN:
            return f"{item.reason}; gc --unknown-origin collects it"
        case Fate.GOES:
            return f"{'would be deleted' if dry_run else 'goes with the next run'}: {item.reason}"
    if item.since is None or item.goes_at is None:
        return item.reason
    return f"{item.reason} since {local_time(item.since)}, goes after {local_time(item.goes_at)}"


def _document(found: Collection, *, dry_run: bool) -> dict[str, Any]:
    return {
        "dry_run": dry_run,
        "images": [document(item) for item in found.judged],
        "deleted": [document(item) for item in found.gone],
        "unknown": list(found.unknown),
        "fault": found.fault or None,
        "store_bytes": found.store_bytes,
        "store_max": found.store_max,
    }


def document(item: Judged) -> dict[str, Any]:
    """One file of the store for ``--json``."""
    record = item.kept.record
    return {
        "file": item.kept.file_name,
        "image": record.name if record is not None else None,
        "version": record.version if record is not None else None,
        "size": item.kept.size,
        "fate": item.fate,
        "reason": item.reason or None,
        "needed_by": list(item.needed_by),
        "unreferenced_since": now_text(item.since) if item.since is not None else None,
        "goes_after": now_text(item.goes_at) if item.goes_at is not None else None,
    }
