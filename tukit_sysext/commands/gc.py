# SPDX-License-Identifier: LGPL-2.1-or-later
"""``tukit-sysext gc``: collects images that nothing needs; says of every image what keeps it, or since when nothing."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import Any

from tukit_sysext.collect.collection import Collection, CollectionOptions, collect
from tukit_sysext.collect.decision import Disposition
from tukit_sysext.commands.common.decisions import decision_document, decision_text
from tukit_sysext.commands.common.ledger_faults import ledger_faults_told
from tukit_sysext.exit_status import ExitStatus
from tukit_sysext.machine import Machine
from tukit_sysext.plugins.manager import Plugins
from tukit_sysext.quantities import counted, size_text
from tukit_sysext.terminal.output import Output
from tukit_sysext.terminal.text import Table, Tone, Toned


def run(machine: Machine, arguments: argparse.Namespace) -> ExitStatus:
    """Collect.

    0, or 1 where nothing could be deleted because something is not known, a file could not be looked into or deleted,
    or not all could be written.
    """
    machine.require_root("gc")
    output = Output.of(arguments)
    with ledger_faults_told(machine):
        options = CollectionOptions(
            unknown_origin=arguments.unknown_origin, at_once=arguments.now, described=output.wants_json
        )
        collection = collect(machine, Plugins.of(machine), options, dry_run=arguments.dry_run)
    output.json(_document(collection, dry_run=arguments.dry_run))
    output.report(_lines(collection, options, dry_run=arguments.dry_run), dry_run=arguments.dry_run)
    for name in collection.tombstones:
        what = "would go" if arguments.dry_run else "is gone"
        output.say(f"{name}: images.d/{name}.conf (State=removed) {what}: nothing needs it any more")
    if not output.wants_json:
        for unknown in collection.unknown:
            output.warn(f"nothing is deleted, not known: {unknown}")
    if collection.fault:
        output.warn(f"what was deleted is not written down: {collection.fault}")
    wrong = collection.unknown or collection.failed or collection.fault
    return ExitStatus.FAILED if wrong else ExitStatus.DONE


def _lines(collection: Collection, options: CollectionOptions, *, dry_run: bool) -> Iterator[str | Table]:
    rows = [
        (each.file.file_name, size_text(each.file.size), decision_text(each, dry_run=dry_run))
        for each in collection.decisions
    ]
    rows += [(each.file.file_name, size_text(each.file.size), f"deleted: {each.reason}") for each in collection.gone]
    if not rows:
        yield "No image is stored."
        return
    yield Table(("Image", "Size", "What keeps it"), sorted(rows), right=(1,))
    going = collection.gone
    if dry_run:
        going = tuple(each for each in collection.decisions if each.disposition is Disposition.GOES)
    freed = size_text(sum(each.file.size for each in going))
    summary = f"{len(going)} would be deleted, {freed}" if dry_run else f"{len(going)} deleted, {freed} freed"
    yield ""
    yield f"{summary}; the store has {size_text(collection.store_bytes)}"
    waiting = [each for each in collection.decisions if each.disposition is Disposition.WAITS and each.goes_at]
    if waiting and not options.at_once:
        yield f"{counted(len(waiting), 'image')} will go later; to collect now:"
        yield f"  tukit-sysext gc --now{' --unknown-origin' if options.unknown_origin else ''}"
    if collection.too_large:
        yield Toned(f"Problem: that is more than StoreMax= ({size_text(collection.store_max)})", Tone.BAD)
        yield "         next step: raise [Store] StoreMax=, or delete snapshots that are not needed:"
        yield "           snapper delete NUMBER"


def _document(collection: Collection, *, dry_run: bool) -> dict[str, Any]:
    return {
        "dry_run": dry_run,
        "images": [decision_document(each) for each in collection.decisions],
        "deleted": [decision_document(each) for each in collection.gone],
        "unknown": list(collection.unknown),
        "failed": [{"file": name, "reason": reason} for name, reason in sorted(collection.failed.items())],
        "fault": collection.fault or None,
        "tombstones": list(collection.tombstones),
        "store_bytes": collection.store_bytes,
        "store_max": collection.store_max,
    }
