# SPDX-License-Identifier: LGPL-2.1-or-later
"""``tukit-sysext sources add``: a source with the key that signs its lists, for the running system and the next."""

from __future__ import annotations

import argparse
from dataclasses import replace

from tukit_sysext.change import source_files
from tukit_sysext.change.source_files import NewSource
from tukit_sysext.commands.common.asking import SourceAnswer, try_out
from tukit_sysext.commands.common.key_file import read_key
from tukit_sysext.commands.common.known_sources import key_document, key_lines
from tukit_sysext.commands.common.trees import alone, tell_open_transactions, tree_document
from tukit_sysext.config.cosign_key import CosignKey
from tukit_sysext.config.settings import load_configuration
from tukit_sysext.errors import TukitSysextError, UsageError
from tukit_sysext.exit_status import ExitStatus
from tukit_sysext.formats import openpgp
from tukit_sysext.formats.oci_urls import is_registry
from tukit_sysext.machine import Machine
from tukit_sysext.snapshots.targets import Target, running_and_next
from tukit_sysext.sources.health import HealthFile
from tukit_sysext.system.tree import Tree
from tukit_sysext.terminal.output import Output


@alone
def run(machine: Machine, arguments: argparse.Namespace) -> ExitStatus:
    """Add a source that gives a good list, or with ``--dry-run`` tell what would be done. 0."""
    # before a next step repeats what was typed: an address with a password in it is refused
    urls, path = source_files.places(arguments.where)
    if not arguments.dry_run:
        machine.require_root(f"sources {arguments.action}")
    output = Output.of(arguments)
    cosign = arguments.cosign_key is not None
    key_file = arguments.cosign_key if cosign else arguments.key
    if key_file is None and not arguments.fingerprint:
        raise UsageError(
            "a signing key is required: --key FILE, or --fingerprint FINGERPRINT of a key in the system's keyring, or "
            "--cosign-key FILE for images of a registry",
            next_step="the publisher tells them",
        )
    if cosign and not all(map(is_registry, urls or [""])):
        raise UsageError("--cosign-key is for images of a registry: oci://")
    if cosign and arguments.fingerprint:
        raise UsageError("--fingerprint is about a signed list, which --cosign-key does without")
    try:
        pins = tuple(dict.fromkeys(openpgp.fingerprint(text) for text in arguments.fingerprint))
    except ValueError as error:
        raise UsageError(f"--fingerprint: {error}") from error
    new = NewSource(
        name=arguments.name,
        urls=urls,
        path=path,
        key=read_key(key_file) if key_file is not None else None,
        key_file=key_file or "",
        cosign=cosign,
        pins=pins,
        priority=arguments.priority,
    )
    dry_run = arguments.dry_run
    targets = running_and_next(machine)
    done = source_files.add(targets, new, force=arguments.force, dry_run=True)
    answer = None if arguments.no_check else _try_out(targets[0], new, arguments)
    if not dry_run:
        done = source_files.add(targets, new, force=arguments.force, dry_run=False)
        health = HealthFile.of(machine)
        if answer is None:
            health.forget(new.name)
        else:
            health.note_good(new.name, answer.images)
    tell = output.teller(dry_run=dry_run)
    for written in done:
        where = f"{written.target}: " if len(targets) > 1 else ""
        tell(f"{where}{new.name}: {written.file} {'would be ' if dry_run else ''}written")
    keys = {key.fingerprint: key for written in done for key in written.keys}
    trusted = [key for fingerprint, key in keys.items() if not pins or fingerprint in pins]
    for line in key_lines(trusted):
        tell(f"  {line}")
    fingerprint = CosignKey(path=key_file, content=new.key).fingerprint if cosign and new.key is not None else None
    if fingerprint is not None:
        tell(f"  key of cosign, SHA-256 {fingerprint}")
    if answer is not None:
        tell(str(answer))
    if not pins:
        tell("  next step: compare this fingerprint with what the publisher says elsewhere")
    if not dry_run:
        step = "list" if answer is not None else f"sources refresh {new.name}"
        if cosign and (answer is None or not answer.images):
            step = f"install --source {new.name} NAME"
        tell("  next step:")
        tell(f"    tukit-sysext {step}")
    output.json(
        {
            "action": "add",
            "dry_run": dry_run,
            "source": new.name,
            "answer": answer.document if answer is not None else None,
            "keys": [key_document(key) for key in trusted],
            "cosign_key": fingerprint,
            "trees": [
                {
                    "tree": tree_document(written.target),
                    "files": [
                        {"path": str(path), "written": True}
                        for path in (written.keyring, written.file)
                        if path is not None
                    ],
                }
                for written in done
            ],
        }
    )
    tell_open_transactions(machine, arguments, output)
    return ExitStatus.DONE


def _try_out(target: Target, new: NewSource, arguments: argparse.Namespace) -> SourceAnswer:
    """Fetch its list and verify it. Raises TukitSysextError."""
    machine = replace(target.machine, read_only=arguments.dry_run)
    with Tree(target.path) as tree:
        try:
            return try_out(machine, tree, load_configuration(tree), source_files.planned(target, new))
        except TukitSysextError as error:
            raise TukitSysextError(
                f"{new.name} is not added: {error}",
                next_step=f"correct that, or add it without fetching its list:\n{arguments.typed} --no-check",
            ) from error
