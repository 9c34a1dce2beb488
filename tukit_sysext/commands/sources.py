# SPDX-License-Identifier: LGPL-2.1-or-later
"""``tukit-sysext sources``: where images come from and who vouches for them."""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tukit_sysext.commands.common.known_sources import key_document, seen_sources, trusted_key_lines
from tukit_sysext.commands.common.source_health import health_document, next_step
from tukit_sysext.commands.common.source_steps import NO_SOURCE
from tukit_sysext.commands.common.trees import tree_document
from tukit_sysext.config.keyring import paths
from tukit_sysext.config.settings import Configuration, SourceSettings, load_configuration
from tukit_sysext.errors import MemoryUnreadable, next_step_lines
from tukit_sysext.exit_status import ExitStatus
from tukit_sysext.machine import Machine
from tukit_sysext.quantities import counted, local_time, span_text, time_text
from tukit_sysext.snapshots.targets import Target, running_and_next
from tukit_sysext.sources.health import HealthFile, SourceHealth
from tukit_sysext.sources.last_lists import NotTaken, not_taken
from tukit_sysext.sources.naming import Naming
from tukit_sysext.sources.seen import Seen
from tukit_sysext.sources.trusted_keys import TrustedKeys, trusted_keys
from tukit_sysext.system.tree import Tree
from tukit_sysext.terminal.output import Output
from tukit_sysext.terminal.text import Table, Tone, Toned
from tukit_sysext.update.local import LocalLook


@dataclass(frozen=True, kw_only=True, slots=True)
class _SourceStatus:
    """One source: its settings, its keys (those that are pinned, where any is), and what was seen of it by key.

    ``next_steps`` are what can be done about its problems, ``health`` is None where it was not asked yet.
    """

    settings: SourceSettings
    keys: TrustedKeys
    seen: Mapping[str, int]
    problems: tuple[str, ...]
    next_steps: tuple[str, ...]
    health: SourceHealth | None
    not_taken: NotTaken

    @property
    def state(self) -> str:
        """Whether its list is good."""
        if not self.settings.enabled:
            return "disabled"
        if self.health is None:
            return "not asked yet"
        return "good" if self.health.failing is None else Toned("FAILS", Tone.BAD)

    @property
    def kind(self) -> str:
        """How it is reached."""
        if self.settings.path is not None:
            return "directory"
        if self.settings.in_registry:
            return "registry"
        return "server" if self.settings.urls else "plugin"

    @property
    def where(self) -> tuple[str, ...]:
        """Its places."""
        return (self.settings.path,) if self.settings.path is not None else self.settings.urls

    @property
    def newest(self) -> tuple[int, str] | None:
        """Time (seconds since the epoch) and key of the newest signature that was seen."""
        return max(((when, key) for key, when in self.seen.items()), default=None)


@dataclass(frozen=True, kw_only=True, slots=True)
class _TreeDifference:
    """What another tree has that the running system has not, lacks, or has with other settings: names of sources."""

    target: Target
    missing: tuple[str, ...]
    beside: tuple[str, ...]
    different: tuple[str, ...]


def run(machine: Machine, arguments: argparse.Namespace) -> ExitStatus:
    """List the sources. 0."""
    output = Output.of(arguments)
    running, *more = running_and_next(machine)
    with Tree(running.path) as tree:
        look = LocalLook(machine, tree)
        configuration, naming = look.configuration, look.naming(look.facts())
    health = HealthFile.of(machine).read()
    every = {**configuration.sources, **configuration.disabled}
    rows = [_row(machine, configuration, source, health.get(name), naming) for name, source in sorted(every.items())]
    others = sorted(set(seen_sources(machine)) - every.keys() - configuration.masked.keys())
    differences = [difference for target in more if (difference := _difference(configuration, target)) is not None]
    output.json(
        {
            "sources": [_document(row) for row in rows],
            "masked": dict(configuration.masked),
            "seen_only": others,
            "differences": [
                {
                    "tree": tree_document(difference.target),
                    "missing": list(difference.missing),
                    "beside": list(difference.beside),
                    "different": list(difference.different),
                }
                for difference in differences
            ],
        }
    )
    output.show(_lines(rows, configuration.masked, others, differences, everything=arguments.all))
    return ExitStatus.DONE


def _difference(here: Configuration, target: Target) -> _TreeDifference | None:
    """Where the sources of a tree are not those of the running system; None where they are."""
    with Tree(target.path) as tree:
        there = load_configuration(tree).sources
    difference = _TreeDifference(
        target=target,
        missing=tuple(sorted(here.sources.keys() - there.keys())),
        beside=tuple(sorted(there.keys() - here.sources.keys())),
        different=tuple(name for name, source in sorted(here.sources.items()) if there.get(name, source) != source),
    )
    return difference if difference.missing or difference.beside or difference.different else None


def _row(
    machine: Machine, configuration: Configuration, source: SourceSettings, health: SourceHealth | None, naming: Naming
) -> _SourceStatus:
    problems = [str(problem) for problem in configuration.problems if problem.file == source.origin]
    trust = trusted_keys(source, time.time())
    problems += trust.problems
    steps = []
    if source.has_signed_list and not source.keyrings:
        steps.append(f"tukit-sysext sources add {source.name} URL --key FILE --force")
    if source.tells_in_the_clear and source.credentials is not None:
        secure = "oci://" if source.in_registry else "https://"
        problems.append(f"{source.credentials.path} goes over the network in the clear, as there is no {secure} URL")
    seen: Mapping[str, int] = {}
    try:
        seen = Seen.of(machine).times(source.name)
    except MemoryUnreadable as error:
        problems.append(str(error))
        steps.append(error.next_step or "")
    return _SourceStatus(
        settings=source,
        keys=trust,
        seen=seen,
        problems=tuple(problems),
        next_steps=tuple(steps),
        health=health,
        not_taken=not_taken(machine, source, naming),
    )


def _lines(
    rows: Sequence[_SourceStatus],
    masked: Mapping[str, str],
    others: Sequence[str],
    differences: Sequence[_TreeDifference],
    *,
    everything: bool,
) -> Iterator[str | Table]:
    if not rows:
        yield from NO_SOURCE
    else:
        yield Table(
            ("Source", "Kind", "Priority", "State", "Newest list seen", "Where"),
            [
                (
                    row.settings.name,
                    row.kind,
                    str(row.settings.priority),
                    row.state,
                    local_time(row.newest[0]) if row.newest is not None else "-",
                    " ".join(row.where) or "-",
                )
                for row in rows
            ],
        )
    for row in rows:
        yield ""
        yield f"{row.settings.name}: {_trust(row.settings)}"
        if not row.settings.enabled:
            yield "  disabled, it is not asked"
            yield "  next step:"
            yield f"    tukit-sysext sources enable {row.settings.name}"
            continue
        yield from (f"  {line}" for line in trusted_key_lines(row.keys.keys))
        if row.newest is not None:
            when, key = row.newest
            where = ", ".join(row.keys.keyrings_of(key)) or "no keyring of it any more"
            yield f"  newest list seen: signed {local_time(when)} by {key}, a key of {where}"
        yield from (Toned(f"  {warning}", Tone.NOTICE) for warning in row.keys.warnings)
        yield from _health_lines(row.settings.name, row.health)
        yield from (f"  {line}" for line in row.not_taken if everything)
        yield from (Toned(f"  problem: {problem}", Tone.BAD) for problem in row.problems)
        yield from (f"  {line}" for step in row.next_steps for line in next_step_lines(step))
    for name, by in sorted(masked.items()):
        yield ""
        yield f"{name}: hidden by {by}, it is not asked"
        yield "  next step:"
        yield f"    tukit-sysext sources enable {name}"
    if others:
        yield ""
        yield f"Seen, but not configured any more: {', '.join(others)}"
    for difference in differences:
        parts = [f"lacks {', '.join(difference.missing)}"] if difference.missing else []
        parts += [f"has {', '.join(difference.beside)} beside"] if difference.beside else []
        parts += [f"says something else of {', '.join(difference.different)}"] if difference.different else []
        yield ""
        yield Toned(f"Other sources count in {difference.target}: it {', '.join(parts)}", Tone.NOTICE)


def _health_lines(name: str, health: SourceHealth | None) -> Iterator[str]:
    if health is None:
        yield "  not asked yet"
        yield "  next step:"
        yield f"    tukit-sysext sources refresh {name}"
    elif health.failing is None:
        yield f"  {counted(health.images or 0, 'image')}, as of {local_time(health.asked)}"
    else:
        yield Toned(f"  {health.failure(local_time)}", Tone.BAD)
        yield from (f"  {line}" for line in next_step_lines(next_step(name, health)))


def _trust(source: SourceSettings) -> str:
    if not source.verify:
        return "not verified (Verify=no): whoever is on the way can put anything there"
    if source.cosign_key is not None:
        return f"each image signed with cosign by {source.cosign_key.path}"
    where = paths(source.keyrings) or "no keyring"
    pinned = ", pinned" if source.fingerprints is not None else ""
    oldest = f", signed at most {span_text(source.max_age)} ago" if source.max_age is not None else ""
    return f"signed by a key of {where}{pinned}{oldest}"


def _document(row: _SourceStatus) -> dict[str, Any]:
    newest = row.newest
    return {
        "name": row.settings.name,
        "file": row.settings.origin,
        "enabled": row.settings.enabled,
        "kind": row.kind,
        "where": list(row.where),
        "priority": row.settings.priority,
        "verify": row.settings.verify,
        "keyrings": [ring.path for ring in row.settings.keyrings],
        "keys": [{**key_document(each.key), "keyrings": list(each.keyrings)} for each in row.keys.keys],
        "pinned": list(row.settings.fingerprints) if row.settings.fingerprints is not None else None,
        "cosign_key": row.settings.cosign_key.path if row.settings.cosign_key is not None else None,
        "credentials": row.settings.credentials.path if row.settings.credentials is not None else None,
        "max_age": row.settings.max_age,
        "newest_seen": time_text(newest[0]) if newest is not None else None,
        "newest_seen_key": newest[1] if newest is not None else None,
        "health": health_document(row.health),
        "warnings": list(row.keys.warnings),
        "not_understood": [{"file": file.file_name, "reason": file.reason} for file in row.not_taken.files],
        "foreign_lines": row.not_taken.lines,
        "problems": list(row.problems),
        "next_steps": list(row.next_steps),
    }
