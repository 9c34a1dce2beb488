# SPDX-License-Identifier: LGPL-2.1-or-later
"""``tukit-sysext diff A B``: which images came, went, or changed their version between two snapshots."""

from __future__ import annotations

import argparse
import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tukit_sysext.commands.common.from_ledger import LedgerContent, Names, read_ledger
from tukit_sysext.errors import NeedsRoot, TukitSysextError, UnknownState
from tukit_sysext.exit_status import ExitStatus
from tukit_sysext.ledger.leftovers import without_settled
from tukit_sysext.machine import Machine
from tukit_sysext.quantities import local_time
from tukit_sysext.rules.names import shown_version
from tukit_sysext.rules.release import ReleaseData
from tukit_sysext.snapshots.entries import Entry, read_entries
from tukit_sysext.snapshots.snapper import Scan, scan_in_use
from tukit_sysext.snapshots.snapshot import Snapshot
from tukit_sysext.store.record import seconds_of
from tukit_sysext.system.system_release import label, read_release
from tukit_sysext.system.tree import Tree
from tukit_sysext.terminal.output import Output
from tukit_sysext.terminal.suggest import nearest
from tukit_sysext.terminal.text import Table, Tone, Toned

if TYPE_CHECKING:
    from tukit_sysext.ledger.ledger import LedgerSnapshot

log = logging.getLogger(__name__)

_RUNNING = "running"
_DEFAULT = "default"

Images = Mapping[str, tuple[tuple[str, str], ...]]
"""Versions (UAPI.10) and files of each image by its name; more than one where links are doubled."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Side:
    """One of the two: its images, its other entries by name, and in ``origin`` where that comes from.

    ``others`` is None where nobody remembers them, ``number`` where that of the running system is not known.
    """

    number: int | None
    uuid: str
    system: str
    images: Images
    others: Mapping[str, str] | None
    gone: str | None = None
    origin: str = ""

    @property
    def called(self) -> str:
        return "the running system" if self.number is None else f"snapshot {self.number}"


@dataclass(frozen=True, kw_only=True, slots=True)
class _Difference:
    """Of an image, or of another entry of /etc/extensions: what it is on both sides, None where it is not there."""

    name: str
    before: tuple[tuple[str, str], ...] | None
    after: tuple[tuple[str, str], ...] | None
    ours: bool = True

    @property
    def word(self) -> str:
        if self.before is None:
            return "came"
        return "went" if self.after is None else "changed"


def run(machine: Machine, arguments: argparse.Namespace) -> ExitStatus:
    """Print it. 0; raises TukitSysextError where a snapshot is not known or cannot be read."""
    output = Output.of(arguments)
    words = (arguments.a, arguments.b)
    numbers = {int(word) for word in words if word.isdecimal()}
    there = scan_in_use(machine.layout, machine.subvolumes, also=lambda number, _: number in numbers)
    snapshots = without_settled(machine.layout, there)
    needed = any(word != _RUNNING and _on_disk(snapshots, word) is None for word in words)
    ledger = _ledger(machine, output, needed=needed)
    names = Names(machine, ledger)
    before, after = (_side(machine, names, snapshots, ledger, word) for word in words)
    differences = [*_images(before, after), *_others(before, after)]
    output.json(_document(before, after, differences))
    output.show(_lines(before, after, differences))
    return ExitStatus.DONE


def _ledger(machine: Machine, output: Output, *, needed: bool) -> LedgerContent:
    """What the ledger remembers. Of what is on the disk it only tells names of images whose record is gone."""
    try:
        return read_ledger(machine)
    except TukitSysextError as error:
        if needed:
            raise
        output.warn(str(error), next_step=error.next_step or "")
        return LedgerContent()


def _side(machine: Machine, names: Names, snapshots: Scan, ledger: LedgerContent, word: str) -> _Side:
    snapshot = _on_disk(snapshots, word)
    if snapshot is not None:
        return _from_disk(names, snapshot)
    if word == _RUNNING:
        return _from_root(machine, names, ledger)
    number = ledger.default if word == _DEFAULT and not snapshots.numbers else None
    number = int(word) if number is None and word.isdecimal() else number
    # the last one that had the number; one that should be there is asked of the ledger only where no disk can be asked
    for row in reversed(ledger.snapshots):
        if row.number == number and (row.gone is not None or not snapshots.numbers):
            return _from_ledger(names, row, snapshots)
    raise _no_such_snapshot(word, snapshots, ledger, privileged=machine.privileged)


def _on_disk(snapshots: Scan, word: str) -> Snapshot | None:
    if word in (_RUNNING, _DEFAULT):
        return snapshots.running if word == _RUNNING else snapshots.default
    return snapshots.get(int(word)) if word.isdecimal() else None


def _from_disk(names: Names, snapshot: Snapshot) -> _Side:
    if snapshot.entries is None:
        raise UnknownState(f"snapshot {snapshot.number}: its images are not known: {snapshot.unknown}")
    return _from_entries(
        names, snapshot.entries, snapshot.release, number=snapshot.number, uuid=snapshot.subvolume.uuid
    )


def _from_root(machine: Machine, names: Names, ledger: LedgerContent) -> _Side:
    """The running system as it is mounted, where its snapshot cannot be looked for; the ledger may know its number."""
    uuid = ""
    try:
        subvolume = machine.subvolumes.find(machine.layout.root)
        uuid = subvolume.uuid if subvolume is not None else ""
    except OSError as error:
        log.info("%s: which subvolume it is cannot be told: %s", machine.layout.root, error)
    number = next((row.number for row in ledger.snapshots if row.uuid == uuid and row.gone is None), None)
    with Tree(machine.layout.root) as tree:
        return _from_entries(names, read_entries(tree), read_release(tree), number=number, uuid=uuid)


def _from_entries(
    names: Names, entries: Sequence[Entry], release: ReleaseData | None, *, number: int | None, uuid: str
) -> _Side:
    return _Side(
        number=number,
        uuid=uuid,
        system=label(release),
        images=_by_name(names, [(entry.name, entry.image) for entry in entries if entry.image is not None]),
        others={entry.name: entry.target or str(entry.kind) for entry in entries if entry.image is None},
    )


def _from_ledger(names: Names, row: LedgerSnapshot, snapshots: Scan) -> _Side:
    seconds = seconds_of(row.gone or "")
    when = f" ({local_time(seconds)} or before)" if seconds is not None else ""
    state = f"deleted{when}" if row.gone is not None else f"not read ({'; '.join(snapshots.unknown)})"
    return _Side(
        number=row.number,
        uuid=row.uuid,
        system=label(ReleaseData(row.release)) if row.release else "unknown",
        images=_by_name(names, row.images),
        others=None,
        gone=row.gone,
        origin=f"{state}, from the ledger",
    )


def _by_name(names: Names, found: Iterable[tuple[str, str]]) -> Images:
    images: dict[str, tuple[tuple[str, str], ...]] = {}
    for link, file in found:
        name, version = names.of(file, link)
        images[name] = tuple(sorted({*images.get(name, ()), (version, file)}))
    return images


def _images(before: _Side, after: _Side) -> Iterator[_Difference]:
    for name in sorted({*before.images, *after.images}):
        one, other = before.images.get(name), after.images.get(name)
        if one != other:
            yield _Difference(name=name, before=one, after=other)


def _others(before: _Side, after: _Side) -> Iterator[_Difference]:
    """Entries that lead nowhere into the store, where both sides are known to have them or not."""
    if before.others is None or after.others is None:
        return
    for name in sorted({*before.others, *after.others}):
        one, other = before.others.get(name), after.others.get(name)
        if one != other:
            yield _Difference(
                name=name,
                before=None if one is None else (("", one),),
                after=None if other is None else (("", other),),
                ours=False,
            )


def _no_such_snapshot(word: str, snapshots: Scan, ledger: LedgerContent, *, privileged: bool) -> TukitSysextError:
    if not snapshots.numbers and not privileged and (word == _DEFAULT or word.isdecimal()):
        return NeedsRoot(f"{word[:40]!r}: which snapshots there are is not known: {'; '.join(snapshots.unknown)}")
    here = snapshots.numbers
    gone = sorted({row.number for row in ledger.snapshots if row.gone is not None} - set(here))
    there = [f"there are {', '.join(map(str, here))}"] if here else [*snapshots.unknown]
    there += [f"deleted and remembered {', '.join(map(str, gone))}"] if gone else []
    near = nearest(word, {*map(str, here), *map(str, gone), _RUNNING, _DEFAULT} - {word})
    return TukitSysextError(
        f"{word[:40]!r}: expected the number of a snapshot, {_RUNNING} or {_DEFAULT}; {'; '.join(there)}",
        next_step=f"did you mean {near}?" if near is not None else "tukit-sysext snapshots",
    )


def _lines(before: _Side, after: _Side, differences: list[_Difference]) -> Iterator[str | Table]:
    for word, side in (("From", before), ("To", after)):
        yield f"{word:4} {side.called}: {side.system}{f' ({side.origin})' if side.origin else ''}"
    yield ""
    if not differences:
        yield "No image differs."
    else:
        rows = [(d.name, _shown(d, d.before), _shown(d, d.after), Toned(_what(d), _TONES[d.word])) for d in differences]
        heads = (str(side.number) if side.number is not None else _RUNNING for side in (before, after))
        yield Table(("Image", *heads, "What happened"), rows)
    if before.others is None or after.others is None:
        yield ""
        yield "Entries that lead nowhere into the image store are not remembered, so they are not compared."


_TONES = {"came": Tone.GOOD, "changed": Tone.NOTICE, "went": Tone.BAD}
_WORDS = {"came": "added", "changed": "changed", "went": "removed"}


def _shown(difference: _Difference, versions: tuple[tuple[str, str], ...] | None) -> str:
    if versions is None:
        return "-"
    return ", ".join(shown_version(version, what) if difference.ours else what for version, what in versions)


def _what(difference: _Difference) -> str:
    if not difference.ours:
        return f"{_WORDS[difference.word]} (not ours)"
    versions = [[version for version, _ in side] for side in (difference.before, difference.after) if side is not None]
    same = len(versions) == 2 and versions[0] == versions[1]
    return "another file of the same version" if same else _WORDS[difference.word]


def _document(before: _Side, after: _Side, differences: list[_Difference]) -> dict[str, Any]:
    return {
        "from": _side_document(before),
        "to": _side_document(after),
        "images": [
            {
                "image": d.name,
                "change": d.word,
                "before": _versions(d.before),
                "after": _versions(d.after),
            }
            for d in differences
            if d.ours
        ],
        "others": None
        if before.others is None or after.others is None
        else [
            {
                "entry": d.name,
                "change": d.word,
                "before": d.before[0][1] if d.before is not None else None,
                "after": d.after[0][1] if d.after is not None else None,
            }
            for d in differences
            if not d.ours
        ],
    }


def _versions(side: tuple[tuple[str, str], ...] | None) -> list[dict[str, str | None]]:
    return [
        {
            "version": None if version == "?" else version,
            "shown": None if version == "?" else shown_version(version, file),
            "file": file,
        }
        for version, file in side or ()
    ]


def _side_document(side: _Side) -> dict[str, Any]:
    return {
        "number": side.number,
        "uuid": side.uuid or None,
        "system": side.system,
        "gone": side.gone,
        "from_ledger": bool(side.origin),
    }
