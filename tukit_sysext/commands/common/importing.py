# SPDX-License-Identifier: LGPL-2.1-or-later
"""Taking over transfers of systemd-sysupdate: for ``sources import``, and for ``adopt``."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from tukit_sysext.change import requests, source_files
from tukit_sysext.change.source_files import NewSource
from tukit_sysext.change.sysupdate import Transfer
from tukit_sysext.change.transfer_import import ImportOptions, NotImported, TransferImport, plan_import
from tukit_sysext.commands.common.asking import try_out
from tukit_sysext.commands.common.trees import tree_document
from tukit_sysext.config import own_files
from tukit_sysext.config.settings import load_configuration
from tukit_sysext.errors import TukitSysextError
from tukit_sysext.machine import Machine
from tukit_sysext.rules.patterns import specifiers
from tukit_sysext.snapshots.fitting import tree_facts
from tukit_sysext.snapshots.targets import Target, uninterrupted
from tukit_sysext.sources.health import HealthFile
from tukit_sysext.system.system_release import newest_kernel
from tukit_sysext.system.tree import Tree
from tukit_sysext.terminal.output import Output

Read = Callable[[Tree], Sequence[Transfer]]
"""Reads the transfers that are to be taken over in a tree."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TreeImport:
    """What became, or would become, of the transfers in one tree; ``answers`` are what new sources said."""

    target: Target
    imports: tuple[TransferImport, ...]
    failures: tuple[NotImported, ...]
    answers: Mapping[str, str]


def import_transfers(
    machine: Machine, targets: Sequence[Target], read: Read, options: ImportOptions, *, check: bool, dry_run: bool
) -> list[TreeImport]:
    """Take transfers over in trees, or with ``dry_run`` only tell; with ``check`` a new source has to give a good list.

    Raises UnknownState, OutsideTree, OSError.
    """
    planned = {target.path: _plan(target, read, options) for target in targets}
    failed: dict[str, TukitSysextError] = {}
    answers: dict[str, str] = {}
    for new, owners in _new_sources(targets, planned).items():
        try:
            source_files.add(owners, new, force=False, dry_run=True)
            if check:
                with Tree(owners[0].path) as tree:
                    looking = replace(owners[0].machine, read_only=dry_run)
                    answer = try_out(looking, tree, load_configuration(tree), source_files.planned(owners[0], new))
                answers[new.name] = str(answer)
            if not dry_run:
                source_files.add(owners, new, force=False, dry_run=False)
                if check:
                    HealthFile.of(machine).note_good(new.name, answer.images)
        except TukitSysextError as error:
            failed[new.name] = error
    done = [_result(target, planned[target.path], failed, answers) for target in targets]
    if not dry_run:
        with uninterrupted():
            for each in done:
                _write(each)
    return done


def _plan(target: Target, read: Read, options: ImportOptions) -> list[TransferImport | NotImported]:
    with Tree(target.path) as tree:
        facts = tree_facts(tree)
        values = specifiers(facts.release or {}, architecture=facts.architecture, kernel=newest_kernel(tree))
        return plan_import(read(tree), load_configuration(tree).sources, values, options)


def _new_sources(
    targets: Sequence[Target], planned: Mapping[Any, Sequence[TransferImport | NotImported]]
) -> Mapping[NewSource, list[Target]]:
    """The sources that have to be made, each with the trees that lack it."""
    owners: dict[NewSource, list[Target]] = {}
    for target in targets:
        for new in {each.new for each in planned[target.path] if isinstance(each, TransferImport)} - {None}:
            if new is not None:
                owners.setdefault(new, []).append(target)
    return owners


def _result(
    target: Target,
    planned: Sequence[TransferImport | NotImported],
    failed: Mapping[str, TukitSysextError],
    answers: Mapping[str, str],
) -> TreeImport:
    imports = tuple(each for each in planned if isinstance(each, TransferImport))
    good = tuple(each for each in imports if each.new is None or each.new.name not in failed)
    failures = [each for each in planned if isinstance(each, NotImported)]
    failures += [_of_source(each, failed[each.source]) for each in imports if each not in good]
    return TreeImport(target=target, imports=good, failures=tuple(failures), answers=answers)


def _of_source(planned: TransferImport, error: TukitSysextError) -> NotImported:
    step = error.next_step or "correct that, or take it over without fetching its list (--no-check)"
    return NotImported(transfer=planned.transfer, reason=str(error), next_step=step)


def _write(done: TreeImport) -> None:
    """Make the images of a tree wanted, whose sources are there."""
    request = requests.to_install(done.target, {each.image: each.keys for each in done.imports})
    with Tree(done.target.path) as tree:
        for file in request.files:
            if file.content is not None:
                own_files.write(tree, file.folder, file.name, file.content)


def show(output: Output, done: Sequence[TreeImport], *, dry_run: bool) -> None:
    """Tell what became of each transfer that brings an extension image."""
    tell = output.teller(dry_run=dry_run)
    would = "would be " if dry_run else ""
    for each in done:
        where = f"{each.target}: " if len(done) > 1 else ""
        for new in dict.fromkeys(taken.new for taken in each.imports if taken.new is not None):
            unsafe = "" if new.verify else "; its lists are not verified (Verify=no)"
            tell(f"{where}source {new.name} {would}made: {' '.join(new.urls) or new.path}{unsafe}")
            if new.name in each.answers:
                tell(f"  {each.answers[new.name]}")
        for taken in each.imports:
            tell(f"{where}{taken.image} {would}wanted, from source {taken.source}, as {taken.transfer.file} says")
            for note in taken.notes:
                output.warn(f"{where}not imported: {note}")
        for failure in each.failures:
            if failure.extension:
                output.warn(
                    f"{where}{failure.transfer.file} is not imported: {failure.reason}", next_step=failure.next_step
                )
    if any(each.imports for each in done):
        tell("  next step: take these files from systemd-sysupdate, as both would bring images; then:")
        tell("    tukit-sysext update")


def document(done: Sequence[TreeImport]) -> dict[str, Any]:
    """It for ``--json``."""
    return {
        "imported": [
            {
                "tree": tree_document(each.target),
                "file": taken.transfer.file,
                "image": taken.image,
                "source": taken.source,
                "new_source": taken.new is not None,
                "notes": list(taken.notes),
            }
            for each in done
            for taken in each.imports
        ],
        "not_imported": [
            {
                "tree": tree_document(each.target),
                "file": failure.transfer.file,
                "extension": failure.extension,
                "reason": failure.reason,
                "next_step": failure.next_step or None,
            }
            for each in done
            for failure in each.failures
        ],
    }
