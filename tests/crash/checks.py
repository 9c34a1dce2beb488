# SPDX-License-Identifier: LGPL-2.1-or-later
"""What must hold after a fault, whatever it was: the invariants of the collection, held against the disk.

(1) every link of every snapshot into the store resolves to a file with its recorded hash; (2) nothing unverified or
unsynced has a final name; (3) content that matches its record is never replaced; (4) what nobody needs alone is
deleted; (8) the newest signature time never goes down; (9) nothing is written outside of what is ours.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tests.crash.state import State
from tukit_sysext.layout import STORE
from tukit_sysext.snapshots.entries import image_of

_TAKEN_AWAY = (f"{STORE}/.", "/var/lib/tukit-sysext/", "/var/cache/tukit-sysext/")


def broken(
    before: State, now: State, after: State, published: Mapping[str, str], *, tree: str, left_out: bool
) -> Iterator[str]:
    """What does not hold any more.

    ``before`` is the machine as it was, ``after`` as a run without a fault leaves it, ``published`` the hashes of
    images by their files, ``tree`` the snapshot whose links may change; with ``left_out`` some may be missing in it.
    """
    yield from _links(before, now, after, tree)
    for name in before.links[tree].keys() & after.links[tree].keys() - now.links[tree].keys():
        if not left_out:
            yield f"(1) snapshot {tree}: {name} is gone"
    yield from _store(before, now, after, published)
    for name, record in now.records.items():
        if record is None and (name not in before.records or before.records[name] is not None):
            yield f"(2) the record of {name} is none"
    yield from (f"(2) the index {name} is none" for name, good in now.indexes.items() if not good)
    for name in before.records.keys() - now.records.keys() - (before.records.keys() - after.records.keys()):
        yield f"(4) the record of {name} is gone"
    for source in before.seen.keys() | now.seen.keys():
        was, found = before.seen.get(source), now.seen.get(source)
        if found is None:
            if source in now.seen or source in after.seen:
                yield f"(8) the newest signature time of {source} is lost"
        elif was is not None and any(found.get(key, -1) < when for key, when in was.items()):
            yield f"(8) the newest signature time of {source} went down"
    for path in sorted(before.others.keys() | now.others.keys()):
        if before.others.get(path) != now.others.get(path):
            yield f"(9) {path} changed, and is not ours"


def _links(before: State, now: State, after: State, tree: str) -> Iterator[str]:
    for number, links in now.links.items():
        for name, target in links.items():
            image, was = image_of(target), before.links[number].get(name)
            known = was == target and image is not None and not before.whole(image)
            if image is None or not (known or now.whole(image)):
                yield f"(1) snapshot {number}: {name} leads to {target}, which is not whole"
            if target not in (was, after.links[number].get(name)):
                yield f"(1) snapshot {number}: {name} leads to {target}, which is neither the old nor the new image"
        if number != tree and links != before.links[number]:
            yield f"(9) snapshot {number}: links changed: {dict(links)}"
    # a link may be taken out of a tree, but what was put aside is not lost, and what is whole is not put aside
    for number, held in before.held.items():
        lost = held.keys() - now.held[number].keys() - now.links[number].keys()
        if lost - (held.keys() - after.held[number].keys() - after.links[number].keys()):
            yield f"(1) snapshot {number}: links in quarantine are lost: {sorted(lost)}"
    for number, held in now.held.items():
        silent = [name for name in held if not now.reasons[number].get(name)]
        if silent:
            yield f"snapshot {number}: in quarantine for no reason: {silent}"
    for number, links in after.held.items():
        lost = links.keys() - before.held[number].keys() - now.links[number].keys() - now.held[number].keys()
        if lost:
            yield f"(1) snapshot {number}: neither linked nor in quarantine: {sorted(lost)}"


def _store(before: State, now: State, after: State, published: Mapping[str, str]) -> Iterator[str]:
    for name, file in now.store.items():
        was = before.store.get(name)
        if was == file and now.records.get(name) == before.records.get(name):
            continue
        if name in before.store and name not in before.records and name not in now.records:
            continue  # another tool's, that did not wait for the disk
        if published.get(name) != file.sha256:
            yield f"(2) {name} has content that nobody published"
        if not now.whole(name):
            yield f"(2) {name} has no record of its content"
    for name, was in before.store.items():
        if name not in now.store:
            if name in after.store and name in before.records:
                yield f"(4) {name} is gone"
        elif before.whole(name) and now.store[name] != was:
            yield f"(3) {name} was whole, and was replaced"


def differences(expected: State, found: State) -> Iterator[str]:
    """What lasts and is not as after a run without a fault."""
    wanted, there = expected.lasting(), found.lasting()
    for what, value in wanted.items():
        if there[what] != value:
            yield f"{what}: expected {value}, found {there[what]}"
    rows = None if found.ledger is None else found.ledger["image"]
    yield from _image_rows(expected, found, rows or [])


def done(expected: State, found: State) -> Iterator[str]:
    """The same right after a run: what it said to be done is done, and what happened is told."""
    yield from differences(expected, found)
    wanted, there = (state.ledger["event"] if state.ledger is not None else None for state in (expected, found))
    if wanted != there:
        yield f"ledger: expected the events {wanted}, found {there}"


def _image_rows(expected: State, found: State, rows: Sequence[Sequence[Any]]) -> Iterator[str]:
    """Of images the ledger may know more: a collection for want of room enters all that there is."""
    there = {row[0]: tuple(row) for row in rows}
    for row in (expected.ledger or {}).get("image", ()):
        if there.get(row[0]) != row:
            yield f"ledger: expected {row}, found {there.pop(row[0], None)}"
        there.pop(row[0], None)
    for file, _, sha256, here, _ in there.values():
        if bool(here) != (file in found.store) or (here and found.store[file].sha256 != sha256):
            yield f"ledger: {there[file]} is not so"


def left_over(before: State, now: State) -> Iterator[str]:
    """What a run has left that nobody takes away later, as a collection does in the store and beside the records."""
    for path in sorted(now.temporary - before.temporary):
        if not path.startswith(_TAKEN_AWAY):
            yield f"left for ever: {path}"
