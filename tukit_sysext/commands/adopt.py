# SPDX-License-Identifier: LGPL-2.1-or-later
"""``tukit-sysext adopt``: take over entries of /etc/extensions that are not ours, and what other tools have to bring:
the source of sysextmgr.conf, and the transfers of sysupdate.d.
"""

from __future__ import annotations

import argparse
from collections.abc import Collection, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Any

from tukit_sysext.change import sysupdate
from tukit_sysext.change.adopt_entry import Adopted, adopt, preview
from tukit_sysext.change.adopt_source import AdoptedSource, adopt_source
from tukit_sysext.change.transfer_import import ImportOptions
from tukit_sysext.commands.common import importing
from tukit_sysext.commands.common.importing import TreeImport
from tukit_sysext.commands.common.trees import alone, tell_open_transactions, tree_document
from tukit_sysext.config.intent import State
from tukit_sysext.config.wanted import Policy
from tukit_sysext.errors import TukitSysextError, next_step_lines
from tukit_sysext.exit_status import ExitStatus
from tukit_sysext.machine import Machine
from tukit_sysext.rules.printable import excerpt, printable
from tukit_sysext.snapshots.entries import leads_to
from tukit_sysext.snapshots.targets import Target, check_changeable, running_and_next
from tukit_sysext.snapshots.versions import newest
from tukit_sysext.system.lock import shared
from tukit_sysext.system.tree import Tree
from tukit_sysext.terminal.output import Output
from tukit_sysext.terminal.suggest import nearest
from tukit_sysext.update.facts import Facts, Foreign
from tukit_sysext.update.local import LocalLook


@dataclass(frozen=True, kw_only=True, slots=True)
class _Adoption:
    """One entry of a tree that was taken over, and what it became."""

    target: Target
    entry: str
    adopted: Adopted


@dataclass(frozen=True, kw_only=True, slots=True)
class _Failure:
    """Something that was not taken over, and why; ``target`` is None where no tree has it."""

    target: Target | None
    entry: str
    reason: str
    next_step: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class _MadeSource:
    """The source that was made of a tree's sysextmgr.conf."""

    target: Target
    made: AdoptedSource


@dataclass(frozen=True, kw_only=True, slots=True)
class _Site:
    """A tree that is open.

    ``entries`` are those that can be taken over by name, with the image that a file of the store is for: what is not
    ours, and (``removed``) links to images that are to be taken out. Those only go over if they are named.
    """

    target: Target
    tree: Tree
    facts: Facts
    entries: dict[str, tuple[Foreign, str | None]]
    removed: frozenset[str]

    def named(self, name: str) -> str | None:
        """The entry that a person means by a name: the entry's, without its suffix, or that of its image."""
        if name in self.entries:
            return name
        if f"{name}.raw" in self.entries:
            return f"{name}.raw"
        return next(
            (
                entry
                for entry, (foreign, image) in self.entries.items()
                if name in (image, foreign.right_name, foreign.entry.stem)
            ),
            None,
        )

    @property
    def names(self) -> frozenset[str]:
        """Names that a person may mean."""
        images = (image for _, image in self.entries.values() if image is not None)
        return frozenset((*(entry.removesuffix(".raw") for entry in self.entries), *images))


_Result = _Adoption | _Failure | _MadeSource


@alone
def run(machine: Machine, arguments: argparse.Namespace) -> ExitStatus:
    """Take over the named entries, or all, in the running system and what boots next.

    0, or 1 where one could not be taken over.
    """
    dry_run: bool = arguments.dry_run
    if not dry_run:
        machine.require_root("adopt")
    policy = Policy(arguments.policy) if arguments.policy is not None else None
    targets = running_and_next(machine)
    with ExitStack() as stack:
        if not dry_run:
            stack.enter_context(shared(machine.layout.lock))
        sites = [_look(target, stack.enter_context(Tree(target.path)), dry_run=dry_run) for target in targets]
        results = list(_results(sites, arguments.names, policy, dry_run=dry_run))
    imports: list[TreeImport] = []
    if not arguments.names:
        options = ImportOptions(policy=arguments.policy)
        imports = importing.import_transfers(machine, targets, sysupdate.of_tree, options, check=False, dry_run=dry_run)
    out = Output.of(arguments)
    out.json({**_document(results, dry_run=dry_run), "transfers": importing.document(imports)})
    _show(out, results, dry_run=dry_run, several=len(targets) > 1)
    importing.show(out, imports, dry_run=dry_run)
    failures = [failure for each in imports for failure in each.failures if failure.extension]
    if not results and not failures and not any(each.imports for each in imports):
        out.say("No entry could be taken over: all of /etc/extensions is ours.")
    for done, target in _alone(results, sites):
        out.warn(
            f"{target} has no {done.entry}, and {'would not be' if dry_run else 'was not'} changed",
            next_step=f"to have the image there too:\ntukit-sysext install {done.adopted.name}",
        )
    tell_open_transactions(machine, arguments, out)
    failed = bool(failures) or any(isinstance(result, _Failure) for result in results)
    return ExitStatus.FAILED if failed else ExitStatus.DONE


def _look(target: Target, tree: Tree, *, dry_run: bool) -> _Site:
    check_changeable(target, tree)
    look = LocalLook(replace(target.machine, read_only=dry_run), tree)
    facts = look.facts()
    wanted = facts.wanted
    # who takes over an image that is to be taken out wants to have it
    kept = {name: image for name, image in wanted.items() if image.state is State.WANTED}
    facts = look.with_links(replace(facts, wanted=kept))
    entries: dict[str, tuple[Foreign, str | None]] = {}
    for foreign in facts.foreign:
        if foreign.entry.is_mask:
            continue  # it leads to no image
        stored = facts.stored.get(foreign.entry.image) if foreign.entry.image is not None else None
        entries[foreign.entry.name] = foreign, stored.name if stored is not None else None
    return _Site(
        target=target,
        tree=tree,
        facts=facts,
        entries=entries,
        removed=frozenset(name for name, (_, image) in entries.items() if image in wanted),
    )


def _results(
    sites: Sequence[_Site], names: Sequence[str], policy: Policy | None, *, dry_run: bool
) -> Iterator[_Result]:
    for site in sites:
        asked = [entry for name in names if (entry := site.named(name)) is not None]
        for entry in dict.fromkeys(asked) if names else sorted(site.entries.keys() - site.removed):
            yield _take(site, entry, policy, dry_run=dry_run)
    for name in names:
        if all(site.named(name) is None for site in sites):
            yield _Failure(target=None, entry=name, reason=_unknown(name, sites))
    for site in sites if not names else ():
        yield from _source(site, dry_run=dry_run)


def _take(site: _Site, entry: str, policy: Policy | None, *, dry_run: bool) -> _Adoption | _Failure:
    foreign, _ = site.entries[entry]
    try:
        if foreign.complaint and foreign.right_name is None:
            raise TukitSysextError(f"{entry}: {foreign.complaint}")
        path = leads_to(foreign.entry, tree=site.tree.path, root=site.target.machine.layout.root)
        if foreign.entry.is_versions and path.is_dir():
            path = newest(path, site.facts.tree.architecture) or path
        take = preview if dry_run else adopt
        return _Adoption(target=site.target, entry=entry, adopted=take(site.target, site.tree, foreign, path, policy))
    except (TukitSysextError, OSError) as error:
        step = error.next_step if isinstance(error, TukitSysextError) else None
        why = str(error).removeprefix(f"{entry}: ")
        return _Failure(target=site.target, entry=entry, reason=f"{entry} is not adopted: {why}", next_step=step)


def _unknown(name: str, sites: Sequence[_Site]) -> str:
    near = nearest(name.removesuffix(".raw"), frozenset().union(*(site.names for site in sites)))
    there = sorted({entry for site in sites for entry in site.entries.keys() - site.removed})
    if near is not None:
        return f'No entry "{excerpt(name)}" that could be adopted. Did you mean {printable(near)}?'
    return f'No entry "{excerpt(name)}" that could be adopted; there is: {", ".join(there) or "none"}'


def _source(site: _Site, *, dry_run: bool) -> Iterator[_MadeSource | _Failure]:
    try:
        made = adopt_source(site.tree, site.target.machine.layout, dry_run=dry_run)
    except TukitSysextError as error:
        reason = f"no source is made of it: {error}"
        yield _Failure(target=site.target, entry="sysextmgr.conf", reason=reason, next_step=error.next_step)
        return
    if made is not None:
        yield _MadeSource(target=site.target, made=made)


def _alone(results: Sequence[_Result], sites: Sequence[_Site]) -> Iterator[tuple[_Adoption, Target]]:
    """What was taken over, and each other tree that has no such entry nor wants such an image."""
    for done in results:
        if isinstance(done, _Adoption):
            for site in sites:
                tried = _of_tree(results, site.target)
                if done.entry not in tried and done.adopted.name not in site.facts.wanted:
                    yield done, site.target


def _of_tree(results: Sequence[_Result], target: Target) -> Collection[str]:
    return {result.entry for result in results if isinstance(result, _Adoption | _Failure) and result.target == target}


def _show(out: Output, results: Sequence[_Result], *, dry_run: bool, several: bool) -> None:
    verb = "would be adopted" if dry_run else "adopted"
    say = out.teller(dry_run=dry_run)
    for result in results:
        where = f"{result.target}: " if several and result.target is not None else ""
        match result:
            case _Failure():
                out.warn(f"{where}{result.reason}", next_step=result.next_step or "")
            case _Adoption(adopted=adopted):
                kept = f"; what was there is kept as {adopted.kept}" if adopted.kept is not None else ""
                known = f"version {adopted.version}" if adopted.version not in ("0", "?") else "version unknown"
                link = adopted.link if adopted.link == result.entry else f"{adopted.link} (was {result.entry})"
                text = f"{adopted.name}: {verb} ({known}), {adopted.policy}, linked as {link}{kept}"
                say(f"{where}{text}")
                if adopted.note:
                    out.warn(f"{where}{adopted.name}: {adopted.note}")
            case _MadeSource(made=made):
                say(f"{where}{made.file} {'would be ' if dry_run else ''}written, as {made.origin} says: {made.url}")
                for note in made.notes:
                    say(f"  {note}")
                for line in next_step_lines(made.next_step or ""):
                    say(f"  {line}")


def _document(results: Sequence[_Result], *, dry_run: bool) -> dict[str, Any]:
    sources = [result for result in results if isinstance(result, _MadeSource)]
    return {
        "dry_run": dry_run,
        "adopted": [
            {
                "tree": tree_document(result.target),
                "entry": result.entry,
                "name": result.adopted.name,
                "version": None if result.adopted.version == "?" else result.adopted.version,
                "link": result.adopted.link,
                "policy": result.adopted.policy,
                "kept": str(result.adopted.kept) if result.adopted.kept is not None else None,
                "note": result.adopted.note or None,
            }
            for result in results
            if isinstance(result, _Adoption)
        ],
        "source": {
            "url": sources[0].made.url,
            "verify": sources[0].made.verify,
            "file": sources[0].made.file,
            "origin": sources[0].made.origin,
            "notes": list(sources[0].made.notes),
            "next_step": sources[0].made.next_step,
            "trees": [tree_document(result.target) for result in sources],
        }
        if sources
        else None,
        "failed": [
            {
                "tree": tree_document(result.target) if result.target is not None else None,
                "entry": result.entry,
                "reason": result.reason,
                "next_step": result.next_step,
            }
            for result in results
            if isinstance(result, _Failure)
        ],
    }
