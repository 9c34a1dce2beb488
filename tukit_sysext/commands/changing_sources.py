# SPDX-License-Identifier: LGPL-2.1-or-later
"""``tukit-sysext sources add``, ``remove`` and ``reset``: in the running system and what boots next."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence

from tukit_sysext.change import source_files
from tukit_sysext.change.source_files import KEY_LIMIT, NewSource
from tukit_sysext.commands.common.alone import alone
from tukit_sysext.commands.common.keys import key_document, key_lines, remembered
from tukit_sysext.commands.common.trees import tell_open_transactions, tree_document
from tukit_sysext.config import settings
from tukit_sysext.errors import MemoryUnreadable, TukitSysextError, UsageError
from tukit_sysext.exit_status import ExitStatus
from tukit_sysext.formats import openpgp
from tukit_sysext.ledger.rows import now_text
from tukit_sysext.machine import Machine
from tukit_sysext.snapshots.targets import Target, running_and_next
from tukit_sysext.system.tree import Tree
from tukit_sysext.terminal.output import Output, require_root
from tukit_sysext.terminal.suggest import nearest
from tukit_sysext.terminal.text import local_time


@alone
def change(machine: Machine, arguments: argparse.Namespace) -> ExitStatus:
    """Add, remove or reset a source, or with ``--dry-run`` tell what would be done. 0."""
    if arguments.action == "add":
        # before a next step repeats what was typed: an address with a password in it is refused
        source_files.places(arguments.where)
    if not arguments.dry_run:
        require_root(machine, f"sources {arguments.action}")
    output = Output.of(arguments)
    match arguments.action:
        case "add":
            _add(machine, arguments, output)
        case "remove":
            _remove(machine, arguments.name, output, dry_run=arguments.dry_run)
        case _:
            _reset(machine, arguments.name, output, dry_run=arguments.dry_run)
    if not arguments.dry_run and arguments.action != "reset":
        tell_open_transactions(machine, arguments, output)
    return ExitStatus.DONE


def _teller(output: Output, *, dry_run: bool) -> Callable[[str], None]:
    """A dry run is asked for what it tells; else it is told what goes on."""
    return output.tell if dry_run else output.say


def _add(machine: Machine, arguments: argparse.Namespace, output: Output) -> None:
    if arguments.key is None and not arguments.fingerprint:
        raise UsageError(
            "whose signatures are to be believed: expected --key FILE, or --fingerprint FINGERPRINT of a key of the "
            "system's keyring",
            next_step="the publisher tells both",
        )
    urls, path = source_files.places(arguments.where)
    try:
        pins = tuple(dict.fromkeys(openpgp.fingerprint(text) for text in arguments.fingerprint))
    except ValueError as error:
        raise UsageError(f"--fingerprint: {error}") from error
    new = NewSource(
        name=arguments.name,
        urls=urls,
        path=path,
        key=_read(arguments.key) if arguments.key is not None else None,
        pins=pins,
        priority=arguments.priority,
    )
    dry_run = arguments.dry_run
    targets = running_and_next(machine)
    done = source_files.add(targets, new, force=arguments.force, dry_run=dry_run)
    tell = _teller(output, dry_run=dry_run)
    for written in done:
        where = f"{written.target}: " if len(targets) > 1 else ""
        tell(f"{where}{new.name}: {written.file} {'would be ' if dry_run else ''}written")
    keys = {key.fingerprint: key for written in done for key in written.keys}
    believed = [key for fingerprint, key in keys.items() if not pins or fingerprint in pins]
    for line in key_lines(believed):
        tell(f"  {line}")
    if not pins:
        tell("  next step: compare this fingerprint with what the publisher says elsewhere")
    output.json(
        {
            "action": "add",
            "dry_run": dry_run,
            "source": new.name,
            "keys": [key_document(key) for key in believed],
            "trees": [
                {
                    **tree_document(written.target),
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


def _read(name: str) -> bytes:
    """A file of keys; "-" is standard input. Raises TukitSysextError."""
    try:
        if name == "-":
            content = sys.stdin.buffer.read(KEY_LIMIT + 1)
        else:
            with open(name, "rb") as file:
                content = file.read(KEY_LIMIT + 1)
    except OSError as error:
        raise TukitSysextError(f"{name}: the key cannot be read: {error.strerror}") from error
    if len(content) > KEY_LIMIT:
        raise TukitSysextError(f"{name}: larger than {KEY_LIMIT} bytes, expected a public key")
    return content


def _remove(machine: Machine, name: str, output: Output, *, dry_run: bool) -> None:
    targets = running_and_next(machine)
    _check_known(machine, targets, name)
    done = source_files.remove(targets, name, dry_run=dry_run)
    tell = _teller(output, dry_run=dry_run)
    for gone in done:
        where = f"{gone.target}: " if len(targets) > 1 else ""
        for path in gone.files:
            tell(f"{where}{path} {'would be ' if dry_run else ''}removed")
        if gone.kept is not None:
            tell(f"{where}{gone.kept} stays, as {', '.join(gone.users)} has it too")
        for image in gone.wanted_by:
            output.warn(
                f"{where}{image} is wanted from source {name} alone: no version of it can be had then",
                next_step=f"tukit-sysext install --source SOURCE {image}",
            )
    output.json(
        {
            "action": "remove",
            "dry_run": dry_run,
            "source": name,
            "trees": [
                {
                    **tree_document(gone.target),
                    "files": [{"path": path, "written": False} for path in gone.files],
                    "kept": gone.kept,
                    "wanted_by": list(gone.wanted_by),
                }
                for gone in done
            ],
        }
    )


def _reset(machine: Machine, name: str, output: Output, *, dry_run: bool) -> None:
    _check_known(machine, running_and_next(machine), name)
    seen = machine.seen()
    try:
        newest = max(seen.times(name).values(), default=None)
    except MemoryUnreadable as error:
        newest = None
        output.warn(str(error))
    there = name in seen.sources() if dry_run else seen.reset(name)
    told = f"the newest list seen was signed {local_time(newest)}; " if newest is not None else ""
    done = "would be forgotten" if dry_run else "forgotten"
    _teller(output, dry_run=dry_run)(
        f"{name}: {done}; {told}the next good list is believed, whenever it was signed"
        if there
        else f"{name}: no list of it was seen yet"
    )
    output.json(
        {
            "action": "reset",
            "dry_run": dry_run,
            "source": name,
            "seen": bool(there),
            "newest_seen": now_text(newest) if newest is not None else None,
        }
    )


def _check_known(machine: Machine, targets: Sequence[Target], name: str) -> None:
    """Raises UsageError for a source that is neither configured in any tree nor remembered."""
    known = {*remembered(machine)}
    for target in targets:
        with Tree(target.path) as tree:
            known |= settings.load(tree).sources.keys()
    if name in known:
        return
    near = nearest(name, known)
    meant = f"did you mean {near}?" if near is not None else f"known: {', '.join(sorted(known)) or 'none'}"
    raise UsageError(f"{name}: no such source; {meant}", next_step="tukit-sysext sources lists them")
