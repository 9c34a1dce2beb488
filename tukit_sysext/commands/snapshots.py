# SPDX-License-Identifier: LGPL-2.1-or-later
"""``tukit-sysext snapshots``: the images of every snapshot, as the disk has them.

On a terminal images that are the same in all snapshots are told below the matrix. Where it would not fit in a few
blocks of columns, each snapshot is told by what changed from the one before it. A pipe gets all in one table.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Collection, Sequence
from typing import Any

from tukit_sysext.commands import matrix
from tukit_sysext.commands.matrix import Line
from tukit_sysext.commands.memory import nearest
from tukit_sysext.commands.output import Output, Tone, Toned, local_time, one_line
from tukit_sysext.errors import TukitSysextError
from tukit_sysext.job.options import image_name, image_version
from tukit_sysext.machine import Machine
from tukit_sysext.rules.release import ReleaseData
from tukit_sysext.state.links import Entry
from tukit_sysext.state.record import seconds_of
from tukit_sysext.state.snapshots import Scan, Snapshot, rfc3339, scan
from tukit_sysext.state.store import Condition, Store, Stored
from tukit_sysext.system.system_release import label

_MOST_BLOCKS = 3
_NUMBER_MARKS = {"*": "boots next", "-": "running", "o": "open transaction"}

Look = Callable[[str], Stored]
"""Looks at a file of the store."""


def looks(store: Store) -> Look:
    """Looks at each file of the store once: snapshots share images."""
    found: dict[str, Stored] = {}

    def look(file_name: str) -> Stored:
        if file_name not in found:
            found[file_name] = store.look(file_name)
        return found[file_name]

    return look


def run(machine: Machine, arguments: argparse.Namespace) -> int:
    """Print all snapshots. 0, or 1 where there is something that could not be read."""
    output = Output.of(arguments)
    found = scan(machine.layout, machine.subvolumes)
    look = looks(machine.store(writable=False))
    if arguments.names and (found.snapshots or not found.unknown):
        _check_names(found, look, arguments.names)
    if output.wants_json:
        documents = [document(snapshot, look, only=arguments.names) for snapshot in found.snapshots]
        output.json({"snapshots": documents, "unknown": found.unknown})
    elif found.snapshots:
        _print(output, found, look, arguments.names)
    if not output.wants_json:
        if not found.snapshots and not found.unknown:
            output.tell("No snapshot was found.")
        for unknown in found.unknown:
            as_root = unknown == found.unknown[-1] and not machine.privileged
            output.warn(f"not known: {unknown}", hint=f"sudo {arguments.typed}" if as_root else "")
    return 1 if found.unknown and not found.snapshots else 0


def _check_names(found: Scan, look: Look, names: Sequence[str]) -> None:
    """Raises TukitSysextError for an image that no snapshot has."""
    known = {_name(entry, look) for snapshot in found.snapshots for entry in snapshot.entries or ()}
    for name in names:
        if name not in known:
            near = nearest(name, known)
            raise TukitSysextError(
                f"{one_line(name[:80])}: expected an image that a snapshot has, found none"
                + (f"; not all is known: {'; '.join(found.unknown)}" if found.unknown else ""),
                hint=f"did you mean {one_line(near)}?" if near is not None else "tukit-sysext snapshots shows all",
            )


def document(snapshot: Snapshot, look: Look, *, only: Collection[str] = ()) -> dict[str, Any]:
    """One snapshot for ``--json``; with ``only`` the images of these names alone."""
    entries = snapshot.entries
    if entries is not None and only:
        entries = tuple(entry for entry in entries if _name(entry, look) in only)
    return {
        "number": snapshot.number,
        "uuid": snapshot.subvolume.uuid,
        "date": rfc3339(snapshot.date),
        "description": snapshot.description,
        "system": label(snapshot.release),
        "read_only": snapshot.subvolume.read_only,
        "default": snapshot.default,
        "running": snapshot.running,
        "open": snapshot.open,
        "images": None if entries is None else [image(entry, look) for entry in entries],
        "unknown": snapshot.unknown or None,
    }


def image(entry: Entry, look: Look) -> dict[str, Any]:
    """One entry of a snapshot's /etc/extensions for ``--json``."""
    stored = look(entry.image) if entry.image is not None else None
    record = stored.record if stored is not None else None
    version = image_version(stored) if stored is not None else "?"
    return {
        "link": entry.name,
        "kind": entry.kind,
        "target": entry.target,
        "image": image_name(stored) if stored is not None else None,
        "version": None if version == "?" else version,
        "file": entry.image,
        "condition": stored.condition if stored is not None else None,
        "source": record.source if record is not None else None,
        "url": record.url if record is not None else None,
    }


def _print(output: Output, found: Scan, look: Look, only: Collection[str]) -> None:
    head = ("#", "Date", "System")
    short = len({_of_system(snapshot.release) for snapshot in found.snapshots}) == 1
    lines = [
        Line(
            cells=(mark(snapshot), snapper_time(snapshot.date), _system(snapshot.release, short=short)),
            has=None if snapshot.entries is None else _versions(snapshot.entries, look, only),
        )
        for snapshot in found.snapshots
    ]
    same = {} if output.width is None or only else matrix.unchanged(lines)
    shown = [name for name in matrix.names(lines) if name not in same]
    blocks = matrix.blocks(head, lines, shown, output.width)
    if len(blocks) <= _MOST_BLOCKS or only:
        for number, block in enumerate(blocks):
            if number:
                output.tell()
            output.table(block.head, block.rows, wraps=())
        cells = [cell for block in blocks for row in block.rows for cell in row[1:]]
    else:
        found_changes = list(matrix.changes(lines, shown))
        cells = [text for texts in found_changes for text in texts]
        rows = [
            (*line.cells, ", ".join(texts) or _nothing(line)) for line, texts in zip(lines, found_changes, strict=True)
        ]
        output.table((*head, "Images, and what changed from one to the next"), rows)
    _print_legend(output, lines, cells, same)
    if len(blocks) > _MOST_BLOCKS and not only:
        example = " ".join([name for name in shown if not name.startswith("(")][:2])
        output.say(f"Some of the {len(shown)} images side by side: tukit-sysext snapshots {example}")


def _nothing(line: Line) -> str:
    if line.has is None:
        return Toned("not known", Tone.NOTICE)
    return "as before" if line.has else "no image"


def _print_legend(output: Output, lines: Sequence[Line], cells: Sequence[str], same: matrix.Versions) -> None:
    output.say()
    if same:
        output.say("In all of them: " + ", ".join(f"{name}={version}" for name, version in sorted(same.items())))
    there = "".join(line.cells[0] for line in lines)
    told = [f"{sign} {what}" for sign, what in _NUMBER_MARKS.items() if sign in there]
    if told:
        output.say(f"#: {', '.join(told)}")
    told = [f"{sign} {what}" for sign, what in matrix.MARKS.items() if any(cell.startswith(sign) for cell in cells)]
    if any(cell.strip() == matrix.UNKNOWN.strip() for cell in cells):
        told.append(f"{matrix.UNKNOWN.strip()} not known")
    if any(matrix.NOT_WHOLE in cell for cell in (*cells, *same.values())):
        told.append(f"{matrix.NOT_WHOLE} not whole, or missing")
    if any(name.startswith("(") for line in lines for name in line.has or ()):
        told.append("(...) not ours")
    if told:
        output.say(f"Images: {', '.join(told)}")


def _versions(entries: Sequence[Entry], look: Look, only: Collection[str]) -> matrix.Versions:
    """The version of each image; of what is not ours that it is there. Several links to an image tell all versions."""
    found: dict[str, str] = {}
    for entry in entries:
        name = _name(entry, look)
        if only and name not in only:
            continue
        if entry.image is None:
            found[f"({name})"] = str(entry.kind)
            continue
        stored = look(entry.image)
        told = image_version(stored) + ("" if stored.condition is Condition.WHOLE else matrix.NOT_WHOLE)
        found[name] = f"{found[name]}{matrix.BETWEEN}{told}" if name in found else told
    return found


def _name(entry: Entry, look: Look) -> str:
    if entry.image is None:
        return entry.name
    return image_name(look(entry.image)) or entry.stem


def mark(snapshot: Snapshot) -> str:
    """The number with marks: boots next, running, open."""
    marks = ("*" if snapshot.default else "", "-" if snapshot.running else "", "o" if snapshot.open else "")
    text = f"{snapshot.number}{''.join(marks)}"
    return Toned(text, Tone.STRONG) if snapshot.default or snapshot.running else text


def snapper_time(date: str) -> str:
    """A date of snapper's info.xml (UTC) for a person: local, to the minute; "-" where there is none."""
    seconds = seconds_of(rfc3339(date) or "")
    return local_time(seconds) if seconds is not None else (date[:16] or "-")


def _of_system(release: ReleaseData | None) -> str | None:
    return release.get("ID") if release is not None else None


def _system(release: ReleaseData | None, *, short: bool) -> str:
    """What system it is; ``short`` without ID, where all are of one."""
    if release is None:
        return "unknown"
    return (release.get("VERSION_ID") if short else None) or label(release) or "unknown"
