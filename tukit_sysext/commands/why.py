# SPDX-License-Identifier: LGPL-2.1-or-later
"""``tukit-sysext why IMAGE``: what keeps an image of the store."""

from __future__ import annotations

import argparse

from tukit_sysext.collect.collection import CollectionOptions, collect
from tukit_sysext.collect.decision import Decision, Disposition
from tukit_sysext.commands.common.decisions import decision_document, decision_text
from tukit_sysext.commands.common.typed_names import unknown_image
from tukit_sysext.errors import TukitSysextError
from tukit_sysext.exit_status import ExitStatus
from tukit_sysext.machine import Machine
from tukit_sysext.plugins.manager import Plugins
from tukit_sysext.store.image_store import StoreFile
from tukit_sysext.terminal.output import Output
from tukit_sysext.terminal.text import Tone, Toned


def run(machine: Machine, arguments: argparse.Namespace) -> ExitStatus:
    """Print it. 0, or 1 where something is not known."""
    machine.require_root("why")

    def asked_for(file: StoreFile) -> bool:
        return arguments.image in _names(file)

    collection = collect(machine, Plugins.of(machine), CollectionOptions(about=asked_for, described=True), dry_run=True)
    chosen = [decision for decision in collection.decisions if asked_for(decision.file)]
    if not chosen:
        raise _no_such_image(arguments.image, collection.decisions)
    output = Output.of(arguments)
    output.json({"images": [decision_document(decision) for decision in chosen], "unknown": list(collection.unknown)})
    for decision in chosen:
        output.tell(Toned(f"{decision.file.file_name}:", Tone.STRONG))
        needed = decision.disposition is Disposition.NEEDED
        lines = decision.needed_by if needed else (decision_text(decision, dry_run=True),)
        output.show(f"  {line}" for line in lines)
    if not output.wants_json:
        for unknown in collection.unknown:
            output.warn(f"not known: {unknown}")
    return ExitStatus.FAILED if collection.unknown else ExitStatus.DONE


def _names(file: StoreFile) -> tuple[str, ...]:
    """What a person may call it."""
    names = (file.name, f"{file.name}-{file.version}") if file.name is not None else ()
    return file.file_name, *names


def _no_such_image(name: str, decisions: tuple[Decision, ...]) -> TukitSysextError:
    known = sorted({other for decision in decisions for other in _names(decision.file)})
    return unknown_image(name, known, "in the store", next_step="tukit-sysext gc --dry-run")
