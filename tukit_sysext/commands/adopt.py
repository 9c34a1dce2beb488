# SPDX-License-Identifier: LGPL-2.1-or-later
"""``tukit-sysext adopt``: take over entries of /etc/extensions that are not ours, and the source of sysextmgr.conf."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

from tukit_sysext.commands.memory import nearest
from tukit_sysext.commands.output import Output, require_root
from tukit_sysext.config.wanted import Policy, State
from tukit_sysext.errors import TukitSysextError
from tukit_sysext.job.adopt import Adopted, adopt, preview
from tukit_sysext.job.adopt_source import AdoptedSource, adopt_source
from tukit_sysext.job.facts import Foreign
from tukit_sysext.job.resolve import Resolver
from tukit_sysext.machine import Machine
from tukit_sysext.plugins import Plugins
from tukit_sysext.system.lock import shared
from tukit_sysext.system.tree import Tree


@dataclass(frozen=True, kw_only=True, slots=True)
class Done:
    """One entry that was taken over: what it became, its policy, and what is to be known of it."""

    entry: str
    adopted: Adopted
    policy: str
    note: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Failed:
    """Something that was not taken over, and why."""

    entry: str
    reason: str
    hint: str | None = None


def run(machine: Machine, arguments: argparse.Namespace) -> int:
    """Take over the named entries, or all. 0, or 1 where one could not be taken over."""
    dry_run: bool = arguments.dry_run
    if not dry_run:
        require_root(machine, "adopt")
    policy = Policy(arguments.policy or Policy.REQUIRED)
    with nullcontext() if dry_run else shared(machine.layout.lock), Tree(machine.layout.root) as tree:
        store = machine.store(writable=not dry_run)
        resolver = Resolver(machine, tree, partial(Plugins().sources, machine), store)
        resolver.look_locally()
        results = list(_entries(machine, resolver, arguments.names, policy, dry_run=dry_run))
    source = None if arguments.names else _source(machine, dry_run=dry_run)
    out = Output.of(arguments)
    if out.wants_json:
        out.json(_document(results, source, dry_run=dry_run))
    else:
        _show(out, results, source, dry_run=dry_run, nothing=not results and not arguments.names)
    return 1 if any(isinstance(item, Failed) for item in (*results, source)) else 0


def _entries(
    machine: Machine, resolver: Resolver, names: Sequence[str], policy: Policy, *, dry_run: bool
) -> Iterator[Done | Failed]:
    foreign = {item.entry.name: item for item in resolver.facts.foreign}
    for name in names or sorted(foreign):
        entry = next((known for known in (name, f"{name}.raw") if known in foreign), None)
        if entry is None:
            yield Failed(entry=name, reason=_unknown(name, foreign))
            continue
        item = foreign[entry]
        try:
            if item.complaint:
                raise TukitSysextError(f"{entry}: {item.complaint}")
            path = resolver.leads_to(item.entry)
            adopted = preview(machine, item, path) if dry_run else adopt(machine, item, path, policy)
        except (TukitSysextError, OSError) as error:
            hint = error.hint if isinstance(error, TukitSysextError) else None
            yield Failed(entry=entry, reason=f"{entry} is not taken over: {error}", hint=hint)
            continue
        wanted = resolver.facts.wanted.get(adopted.name)
        note = ""
        if wanted is not None and wanted.state is State.REMOVED:
            note = f"{wanted.origin} says State=removed: it goes with the next transaction"
        yield Done(entry=entry, adopted=adopted, policy=str(policy if wanted is None else wanted.policy), note=note)


def _unknown(name: str, foreign: Mapping[str, Foreign]) -> str:
    near = nearest(name, foreign)
    told = f"; did you mean {near}?" if near is not None else ""
    return f"{name}: expected an entry that is not ours, found {', '.join(sorted(foreign)) or 'nothing'}{told}"


def _source(machine: Machine, *, dry_run: bool) -> AdoptedSource | Failed | None:
    try:
        return adopt_source(machine, dry_run=dry_run)
    except TukitSysextError as error:
        return Failed(entry="sysextmgr.conf", reason=f"no source is made of it: {error}", hint=error.hint)


def _show(
    out: Output,
    results: Sequence[Done | Failed],
    source: AdoptedSource | Failed | None,
    *,
    dry_run: bool,
    nothing: bool,
) -> None:
    verb = "would be taken over" if dry_run else "taken over"
    for item in (*results, source):
        match item:
            case Failed():
                out.warn(item.reason, hint=item.hint or "")
            case Done(adopted=adopted):
                kept = f"; what was there is kept as {adopted.kept}" if adopted.kept is not None else ""
                out.say(f"{adopted.name}: {adopted.version} {verb}, {item.policy}, linked as {adopted.link}{kept}")
                if item.note:
                    out.warn(item.note)
            case AdoptedSource():
                out.say(f"{item.file} {'would be ' if dry_run else ''}written, as {item.origin} says: {item.url}")
                for note in item.notes:
                    out.say(f"  {note}")
                if item.hint is not None:
                    out.say(f"  next step: {item.hint}")
    if nothing:
        out.say("Nothing to take over: every entry of /etc/extensions is ours.")


def _document(
    results: Sequence[Done | Failed], source: AdoptedSource | Failed | None, *, dry_run: bool
) -> dict[str, Any]:
    failed = [item for item in (*results, source) if isinstance(item, Failed)]
    return {
        "dry_run": dry_run,
        "adopted": [
            {
                "entry": item.entry,
                "name": item.adopted.name,
                "version": None if item.adopted.version == "?" else item.adopted.version,
                "link": item.adopted.link,
                "policy": item.policy,
                "kept": str(item.adopted.kept) if item.adopted.kept is not None else None,
                "note": item.note or None,
            }
            for item in results
            if isinstance(item, Done)
        ],
        "source": {**asdict(source), "notes": list(source.notes)} if isinstance(source, AdoptedSource) else None,
        "failed": [asdict(item) for item in failed],
    }
