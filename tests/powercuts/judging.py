# SPDX-License-Identifier: LGPL-2.1-or-later
"""What must hold of a disk after a power cut, and of the machine that boots from it."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

STORE = "/var/lib/sysext-store"


@dataclass(frozen=True, kw_only=True)
class Holding:
    """What a disk holds of images; see look.py."""

    default: str
    snapshots: Mapping[str, Mapping[str, str]]
    store: Mapping[str, str]
    records: Mapping[str, str]

    @classmethod
    def of(cls, document: Any) -> Holding:
        """Of what look.py printed."""
        return cls(**document)


def lost(
    found: Holding, before: Holding, after: Holding, published: Mapping[str, str], defaults: Collection[str]
) -> Iterator[str]:
    """What is not there, or not whole.

    :param before: what the disk held when the last step ended that ended before the cut, whose promises hold
    :param after: what it held when the next step ended
    :param published: the hashes of images by their files
    :param defaults: the snapshots that may boot: who sets the default one does not wait for the disk
    """
    for number, links in sorted(found.snapshots.items()):
        for name, target in sorted(links.items()):
            problem = _not_whole(found, target, published)
            if problem:
                yield f"snapshot {number}: {name} leads to {target or 'nothing'}, {problem}"
    for number in sorted(before.snapshots.keys() & after.snapshots.keys()):
        if number not in found.snapshots:
            yield f"snapshot {number} is gone"
            continue
        was, will, links = before.snapshots[number], after.snapshots[number], found.snapshots[number]
        for name in sorted(was.keys() | will.keys() | links.keys()):
            allowed = {was.get(name), will.get(name)}
            if links.get(name) not in allowed:
                yield f"snapshot {number}: {name} is {links.get(name)}, and not one of {sorted(map(str, allowed))}"
    for file in sorted(before.store.keys() & after.store.keys()):
        if found.store.get(file) != published.get(file):
            yield f"{file} is {'damaged' if file in found.store else 'gone'}"
    if found.default not in defaults:
        yield f"snapshot {found.default} boots, and not one of {sorted(defaults)}"


def _not_whole(found: Holding, target: str, published: Mapping[str, str]) -> str:
    path = PurePath(target)
    if str(path.parent) != STORE:
        return "which is not in the store"
    if path.name not in found.store:
        return "which is not there"
    if found.store[path.name] != published.get(path.name):
        return "which is damaged"
    if found.records.get(path.name) != published[path.name]:
        return f"whose record says {found.records.get(path.name) or 'nothing'}"
    return ""


def runs(holding: Holding, merged: Mapping[str, str]) -> Iterator[str]:
    """What is wrong with the images that run, by name and version: they are to be those that the snapshot links."""
    wanted = {}
    for name, target in holding.snapshots[holding.default].items():
        image = name.removesuffix(".raw")
        version = PurePath(target).name.removeprefix(f"{image}-")
        wanted[image] = version.removesuffix(".raw").removesuffix(".x86-64")
    if merged != wanted:
        yield f"runs with {dict(sorted(merged.items()))}, and not {dict(sorted(wanted.items()))}"
