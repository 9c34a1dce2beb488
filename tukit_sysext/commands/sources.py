# SPDX-License-Identifier: LGPL-2.1-or-later
"""``tukit-sysext sources``: where images come from and who vouches for them; adds one, and forgets what was seen."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tukit_sysext.commands.memory import nearest
from tukit_sysext.commands.output import Output, Table, Tone, Toned, local_time, require_root
from tukit_sysext.config import settings as settings_files
from tukit_sysext.config.settings import Configuration, SourceSettings
from tukit_sysext.errors import MemoryUnreadable, TukitSysextError, UsageError
from tukit_sysext.formats import openpgp
from tukit_sysext.formats.openpgp import PublicKey
from tukit_sysext.job import source_files
from tukit_sysext.job.source_files import KEY_LIMIT, NewSource
from tukit_sysext.job.source_trust import trust_of
from tukit_sysext.machine import Machine
from tukit_sysext.state.ledger_rows import now_text
from tukit_sysext.system.tree import Tree


def run(machine: Machine, arguments: argparse.Namespace) -> int:
    """List the sources, or change one."""
    match arguments.action:
        case "add":
            return _add(machine, arguments)
        case "reset":
            return _reset(machine, arguments.name, dry_run=arguments.dry_run)
        case "remove":
            return _remove(machine, arguments.name, dry_run=arguments.dry_run)
    return _list(machine, Output.of(arguments))


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """One source: its settings, its keys (those that are pinned, where any is), and what was seen of it by key."""

    settings: SourceSettings
    keys: tuple[PublicKey, ...]
    seen: Mapping[str, int]
    problems: tuple[str, ...]

    @property
    def kind(self) -> str:
        """How it is reached."""
        if self.settings.path is not None:
            return "directory"
        return "server" if self.settings.urls else "plugin"

    @property
    def where(self) -> tuple[str, ...]:
        """Its places."""
        return (self.settings.path,) if self.settings.path is not None else self.settings.urls

    @property
    def newest(self) -> tuple[int, str] | None:
        """Time (seconds since the epoch) and key of the newest signature that was seen."""
        return max(((when, key) for key, when in self.seen.items()), default=None)


def _list(machine: Machine, output: Output) -> int:
    with Tree(machine.layout.root) as tree:
        configuration = settings_files.load(tree)
    rows = [_row(machine, configuration, found) for _, found in sorted(configuration.sources.items())]
    others = sorted(set(_remembered(machine)) - configuration.sources.keys())
    output.json({"sources": [_document(row) for row in rows], "seen_only": others})
    output.show(_lines(rows, others))
    return 0


def _row(machine: Machine, configuration: Configuration, found: SourceSettings) -> Row:
    problems = [str(problem) for problem in configuration.problems if problem.file == found.origin]
    trust = trust_of(found)
    problems += trust.problems
    if found.verify and found.keyring is None:
        problems.append(f"next step: tukit-sysext sources add {found.name} URL --key FILE --force")
    if found.credentials is not None and not any(url.startswith("https:") for url in found.urls):
        problems.append(f"{found.credentials.path} goes over the network in the clear, as there is no https:// URL")
    seen: Mapping[str, int] = {}
    try:
        seen = machine.seen().times(found.name)
    except MemoryUnreadable as error:
        problems.append(str(error))
    return Row(settings=found, keys=trust.keys, seen=seen, problems=tuple(problems))


def _remembered(machine: Machine) -> Sequence[str]:
    try:
        return machine.seen().sources()
    except OSError as error:
        raise TukitSysextError(f"{machine.layout.seen}: cannot be read: {error.strerror}") from error


def _lines(rows: Sequence[Row], others: Sequence[str]) -> Iterator[str | Table]:
    if not rows:
        yield "No source is configured; next step: tukit-sysext sources add NAME URL --key FILE"
    else:
        yield Table(
            ("Source", "Kind", "Priority", "Newest list seen", "Where"),
            [
                (
                    row.settings.name,
                    row.kind,
                    str(row.settings.priority),
                    local_time(row.newest[0]) if row.newest is not None else "-",
                    " ".join(row.where) or "-",
                )
                for row in rows
            ],
        )
    for row in rows:
        yield ""
        yield f"{row.settings.name}: {_trust(row.settings)}"
        yield from (f"  {line}" for line in key_lines(row.keys))
        yield from (Toned(f"  problem: {problem}", Tone.BAD) for problem in row.problems)
    if others:
        yield ""
        yield f"Seen, but not configured any more: {', '.join(others)}"


def _trust(found: SourceSettings) -> str:
    if not found.verify:
        return "not verified (Verify=no): whoever is on the way can put anything there"
    where = found.keyring.path if found.keyring is not None else "no keyring"
    pinned = ", pinned" if found.fingerprints is not None else ""
    oldest = f", signed at most {found.max_age / 86400:g} days ago" if found.max_age is not None else ""
    return f"signed by a key of {where}{pinned}{oldest}"


def key_lines(keys: Sequence[PublicKey]) -> Iterator[str]:
    """Fingerprints as people compare them, with what the keys call themselves."""
    for key in keys:
        grouped = " ".join(key.fingerprint[start : start + 4] for start in range(0, len(key.fingerprint), 4))
        yield f"key {grouped}"
        yield from (f"    {user_id}" for user_id in key.user_ids)


def _document(row: Row) -> dict[str, Any]:
    newest = row.newest
    return {
        "name": row.settings.name,
        "file": row.settings.origin,
        "kind": row.kind,
        "where": list(row.where),
        "priority": row.settings.priority,
        "verify": row.settings.verify,
        "keyring": row.settings.keyring.path if row.settings.keyring is not None else None,
        "keys": [{"fingerprint": key.fingerprint, "user_ids": list(key.user_ids)} for key in row.keys],
        "pinned": list(row.settings.fingerprints) if row.settings.fingerprints is not None else None,
        "credentials": row.settings.credentials.path if row.settings.credentials is not None else None,
        "max_age": row.settings.max_age,
        "newest_seen": now_text(newest[0]) if newest is not None else None,
        "newest_seen_key": newest[1] if newest is not None else None,
        "problems": list(row.problems),
    }


def _add(machine: Machine, arguments: argparse.Namespace) -> int:
    if not arguments.dry_run:
        require_root(machine, "sources add")
    if arguments.key is None and not arguments.fingerprint:
        raise UsageError(
            "whose signatures are to be believed: expected --key FILE, or --fingerprint FINGERPRINT of a key of the "
            "system's keyring",
            hint="the publisher tells both",
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
    done = source_files.add(machine, new, force=arguments.force, dry_run=arguments.dry_run)
    print(f"{new.name}: {done.file} {'would be ' if arguments.dry_run else ''}written")
    believed = [key for key in done.keys if not pins or key.fingerprint in pins]
    for line in key_lines(believed):
        print(f"  {line}")
    if not pins:
        print("  next step: compare this fingerprint with what the publisher says elsewhere")
    return 0


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


def _reset(machine: Machine, name: str, *, dry_run: bool) -> int:
    if not dry_run:
        require_root(machine, "sources reset")
    _check_known(machine, name)
    seen = machine.seen()
    try:
        newest = max(seen.times(name).values(), default=None)
    except MemoryUnreadable as error:
        newest = None
        print(f"tukit-sysext: {error}", file=sys.stderr)
    there = name in seen.sources() if dry_run else seen.reset(name)
    if not there:
        print(f"{name}: no list of it was seen yet")
        return 0
    told = f"the newest list seen was signed {local_time(newest)}; " if newest is not None else ""
    done = "would be forgotten" if dry_run else "forgotten"
    print(f"{name}: {done}; {told}the next good list is believed, whenever it was signed")
    return 0


def _remove(machine: Machine, name: str, *, dry_run: bool) -> int:
    if not dry_run:
        require_root(machine, "sources remove")
    _check_known(machine, name)
    for path in source_files.remove(machine, name, dry_run=dry_run):
        print(f"{path} {'would be ' if dry_run else ''}removed")
    return 0


def _check_known(machine: Machine, name: str) -> None:
    """Raises UsageError for a source that is neither configured nor remembered."""
    with Tree(machine.layout.root) as tree:
        known = {*settings_files.load(tree).sources, *_remembered(machine)}
        if name in known:
            return
    near = nearest(name, known)
    meant = f"did you mean {near}?" if near is not None else f"known: {', '.join(sorted(known)) or 'none'}"
    raise UsageError(f"{name}: no such source; {meant}", hint="tukit-sysext sources lists them")
