# SPDX-License-Identifier: LGPL-2.1-or-later
"""``tukit-sysext snapshots``: the images of every snapshot, as the disk has them.

On a terminal images that are the same in all snapshots stand below the matrix. Where it would not fit in a few
blocks of columns, each snapshot has what changed since the one before it. A pipe gets all in one table.
"""

from __future__ import annotations

import argparse
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cmp_to_key
from typing import Any

from tukit_sysext.commands.common.dates import snapper_time
from tukit_sysext.commands.common.trees import LEFT, Look, entry_document
from tukit_sysext.exit_status import ExitStatus
from tukit_sysext.ledger.leftovers import without_settled
from tukit_sysext.machine import Machine
from tukit_sysext.quantities import counted
from tukit_sysext.rules.printable import printable
from tukit_sysext.rules.release import ReleaseData
from tukit_sysext.rules.version import compare
from tukit_sysext.snapshots.entries import Entry
from tukit_sysext.snapshots.snapper import Scan, scan
from tukit_sysext.snapshots.snapper_files import rfc3339
from tukit_sysext.snapshots.snapshot import Snapshot
from tukit_sysext.store.examine import Examiner
from tukit_sysext.store.image_store import Condition
from tukit_sysext.system.system_release import label
from tukit_sysext.terminal.output import Output
from tukit_sysext.terminal.text import GAP, Tone, Toned

_MOST_BLOCKS = 3
_NUMBER_MARKS = {"*": "running and boots next", "+": "boots next", "-": "running", "o": "open transaction", "x": LEFT}
"""The first three as in ``snapper list``."""
_SOUND = (Condition.WHOLE, Condition.UNRECORDED)
"""Conditions of a file that is there and usable; one without a record, as after ``purge``, is."""


def run(machine: Machine, arguments: argparse.Namespace) -> ExitStatus:
    """Print all snapshots. 0, or 1 where there is something that could not be read."""
    output = Output.of(arguments)
    snapshots = without_settled(machine.layout, scan(machine.layout, machine.subvolumes))
    look = Examiner(machine.store(writable=False), full=False).look
    if arguments.names and (snapshots.snapshots or not snapshots.unknown):
        _check_names(snapshots, look, arguments.names)
    if output.wants_json:
        documents = [document(snapshot, look, only=arguments.names) for snapshot in snapshots.snapshots]
        output.json({"snapshots": documents, "unknown": snapshots.unknown})
    elif snapshots.snapshots:
        _print(output, snapshots, look, arguments.names)
    if not output.wants_json:
        if not snapshots.snapshots and not snapshots.unknown:
            output.tell("No snapshot was found.")
        for unknown in snapshots.unknown:
            as_root = unknown == snapshots.unknown[-1] and not machine.privileged
            output.warn(f"not known: {unknown}", next_step=f"sudo {arguments.typed}" if as_root else "")
    return ExitStatus.FAILED if snapshots.unknown and not snapshots.snapshots else ExitStatus.DONE


def _check_names(snapshots: Scan, look: Look, names: Sequence[str]) -> None:
    """Raises TukitSysextError for an image that no snapshot has."""
    from tukit_sysext.commands.common.typed_names import unknown_image  # 11 ms, and few name an image

    known = {_name(entry, look) for snapshot in snapshots.snapshots for entry in snapshot.entries or ()}
    for name in names:
        if name not in known:
            unknown = "; ".join(snapshots.unknown)
            raise unknown_image(name, known, "in any snapshot", unknown=unknown, next_step="tukit-sysext snapshots")


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
        "left": snapshot.left,
        "images": None if entries is None else [entry_document(entry, look) for entry in entries],
        "unknown": snapshot.unknown or None,
    }


def _print(output: Output, snapshots: Scan, look: Look, only: Collection[str]) -> None:
    head = ("#", "Date", "System")
    releases = [snapshot.release for snapshot in snapshots.snapshots]
    short = len({release.get("ID") if release is not None else None for release in releases}) == 1
    lines = [
        Line(
            cells=(mark(snapshot), snapper_time(snapshot.date), _system(snapshot.release, short=short)),
            has=None if snapshot.entries is None else _versions(snapshot.entries, look, only),
        )
        for snapshot in snapshots.snapshots
    ]
    same = {} if output.width is None or only else unchanged(lines)
    shown = [name for name in names(lines) if name not in same]
    parts = blocks(head, lines, shown, output.width)
    if len(parts) <= _MOST_BLOCKS or only:
        for number, block in enumerate(parts):
            if number:
                output.tell()
            output.table(block.head, block.rows, wraps=())
        cells = [cell for block in parts for row in block.rows for cell in row[1:]]
    else:
        found_changes = list(changes(lines, shown))
        cells = [text for texts in found_changes for text in texts]
        rows = [
            (*line.cells, ", ".join(texts) or _nothing(line)) for line, texts in zip(lines, found_changes, strict=True)
        ]
        output.table((*head, "Images, and what changed from one to the next"), rows)
    _print_legend(output, lines, cells, same)
    if len(parts) > _MOST_BLOCKS and not only:
        example = " ".join([name for name in shown if not name.startswith("(")][:2])
        output.say(f"Some of the {counted(len(shown), 'image')} side by side:")
        output.say(f"  tukit-sysext snapshots {example}")


def _nothing(line: Line) -> str:
    if line.has is None:
        return Toned("not known", Tone.NOTICE)
    return "as before" if line.has else "no image"


def _print_legend(output: Output, lines: Sequence[Line], cells: Sequence[str], same: Versions) -> None:
    output.say()
    if same:
        output.say("In all of them: " + ", ".join(f"{name}={version}" for name, version in sorted(same.items())))
    there = "".join(line.cells[0] for line in lines)
    signs = [f"{sign} {what}" for sign, what in _NUMBER_MARKS.items() if sign in there]
    if signs:
        output.say(f"#: {', '.join(signs)}")
    for line in lines:
        if "x" in line.cells[0]:
            output.say("to remove it:")
            output.say(f"  tukit abort {line.cells[0].removesuffix('x')}")
    signs = [f"{sign} {what}" for sign, what in MARKS.items() if any(cell.startswith(sign) for cell in cells)]
    if _ABSENT in cells:
        signs.append(f"{_ABSENT.strip()} none")
    if any(cell.strip() == UNKNOWN.strip() for cell in cells):
        signs.append(f"{UNKNOWN.strip()} not known")
    if any(NOT_WHOLE in cell for cell in (*cells, *same.values())):
        signs.append(f"{NOT_WHOLE} damaged or missing")
    if any(name.startswith("(") for line in lines for name in line.has or ()):
        signs.append("(...) not ours")
    if signs:
        output.say(f"Images: {', '.join(signs)}")


def _versions(entries: Sequence[Entry], look: Look, only: Collection[str]) -> Versions:
    """The version of each image; of what is not ours that it is there. Several links to an image tell all versions."""
    versions: dict[str, str] = {}
    for entry in entries:
        name = _name(entry, look)
        if only and name not in only:
            continue
        if entry.image is None:
            kind = "mask" if entry.is_mask else "versions" if entry.is_versions else str(entry.kind)
            versions[f"({name})"] = kind
            continue
        stored = look(entry.image)
        version = stored.shown + ("" if stored.condition in _SOUND else NOT_WHOLE)
        versions[name] = f"{versions[name]}{BETWEEN}{version}" if name in versions else version
    return versions


def _name(entry: Entry, look: Look) -> str:
    if entry.image is None:
        return entry.name
    return look(entry.image).name or entry.stem


def mark(snapshot: Snapshot) -> str:
    """The number with snapper's marks, and with one of ours for an open transaction."""
    in_use = {(True, True): "*", (True, False): "+", (False, True): "-"}.get((snapshot.default, snapshot.running), "")
    text = f"{snapshot.number}{in_use}{'x' if snapshot.left else 'o' if snapshot.open else ''}"
    return Toned(text, Tone.STRONG) if snapshot.default or snapshot.running else text


def _system(release: ReleaseData | None, *, short: bool) -> str:
    """What system it is; ``short`` without ID, where all are of one."""
    if release is None:
        return "unknown"
    return (release.get("VERSION_ID") if short else None) or label(release) or "unknown"


Versions = Mapping[str, str]
"""What one snapshot has: the version of each image by name."""


_ABSENT = " ."


_WENT = "-"


UNKNOWN = " ?"


MARKS = {"+": "added", ">": "newer than before", "<": "older than before", "-": "removed"}
"""The first character of a cell; a blank where nothing changed, so that versions stand below each other."""


BETWEEN = ","
"""Stands between the versions of an image that has several links."""


NOT_WHOLE = "!"
"""The last character of a version whose file is damaged or missing."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Line:
    """One snapshot: the cells before those of the images, and what it has (None: not known)."""

    cells: tuple[str, ...]
    has: Versions | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Block:
    """A part of the matrix that fits beside each other: the names of its images, and rows of cells."""

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def unchanged(lines: Sequence[Line]) -> Versions:
    """Images that every snapshot has in the same version; none where there is but one snapshot, or one is not known."""
    known = [line.has for line in lines if line.has is not None]
    if len(known) < 2 or len(known) < len(lines):
        return {}
    return {name: version for name, version in known[0].items() if all(has.get(name) == version for has in known)}


def names(lines: Sequence[Line]) -> list[str]:
    """All images of the snapshots."""
    return sorted({name for line in lines for name in line.has or ()})


def cell(before: Versions | None, has: Versions | None, name: str) -> str:
    """The version with the mark of what changed since ``before`` (None: not known, nothing is marked)."""
    if has is None:
        return Toned(UNKNOWN, Tone.NOTICE)
    new = has.get(name)
    old = before.get(name) if before is not None else None
    if new is None:
        return Toned(_ABSENT, Tone.FAINT) if old is None else Toned(_WENT, Tone.BAD)
    if before is not None and old is None:
        return Toned(f"+{new}", Tone.GOOD)
    order = compare(_newest(new), _newest(old)) if old is not None else 0
    if order == 0:  # a second link, and whether the file is whole, change no version
        return Toned(f" {new}", Tone.BAD) if NOT_WHOLE in new else f" {new}"
    return Toned(f"{'<' if order < 0 else '>'}{new}", Tone.NOTICE)


def _newest(versions: str) -> str:
    """Of the versions of a cell the newest: where there are several, systemd would merge them all."""
    plain = (version.removesuffix(NOT_WHOLE) for version in versions.split(BETWEEN))
    return max(plain, key=cmp_to_key(compare))


def column(lines: Sequence[Line], name: str) -> list[str]:
    """The cells of one image."""
    cells: list[str] = []
    before: Versions | None = None
    for line in lines:
        cells.append(cell(before, line.has, name))
        before = line.has if line.has is not None else before
    return cells


def blocks(head: Sequence[str], lines: Sequence[Line], shown: Sequence[str], width: int | None) -> list[Block]:
    """The matrix of these images, cut into blocks of at most ``width`` columns of a terminal (None: one block).

    The first block has all of ``head``, the others its first column alone.
    """
    base = [[title, *(line.cells[index] for line in lines)] for index, title in enumerate(head)]
    done: list[Block] = []
    current, used = list(base), _width(base)
    fresh = True
    for name in shown:
        cells = [f" {printable(name)}", *column(lines, name)]
        size = GAP + max(map(len, cells))
        if width is not None and not fresh and used + size > width:
            done.append(_block(current))
            current, used = base[:1], _width(base[:1])
        current.append(cells)
        used += size
        fresh = False
    done.append(_block(current))
    return done


def _width(columns: Sequence[Sequence[str]]) -> int:
    return sum(max(map(len, cells)) for cells in columns) + GAP * (len(columns) - 1)


def _block(columns: Sequence[Sequence[str]]) -> Block:
    head, *rows = zip(*columns, strict=True)
    return Block(head=head, rows=tuple(rows))


def changes(lines: Sequence[Line], shown: Sequence[str]) -> Iterator[Sequence[str]]:
    """What changed from one snapshot to the next, as ``>gdb=15.2`` and ``-gdb``; the first has all, without marks."""
    before: Versions | None = None
    for line in lines:
        cells = {name: cell(before, line.has, name) for name in shown} if line.has is not None else {}
        marked = {name: text for name, text in cells.items() if text[0] in MARKS}
        if before is None:
            marked = {name: text for name, text in cells.items() if text != _ABSENT}
        yield [text[0].strip() + name + (f"={text[1:]}" if text[1:] else "") for name, text in marked.items()]
        before = line.has if line.has is not None else before
