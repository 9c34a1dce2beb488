# SPDX-License-Identifier: LGPL-2.1-or-later
"""Merging into the running /usr when somebody asks for it, and what has to be done beside a merge."""

from __future__ import annotations

import shlex
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from tukit_sysext.change.changer import TreeChange
from tukit_sysext.collect.attached import in_use
from tukit_sysext.errors import TukitSysextError
from tukit_sysext.machine import Machine
from tukit_sysext.requirements.after_merge import AfterMerge, after_merge, to_do
from tukit_sysext.requirements.contents import ImageFolder, walk
from tukit_sysext.snapshots.entries import read_entries
from tukit_sysext.store.record import Record
from tukit_sysext.system import merge, old_files
from tukit_sysext.system.old_files import FileUser
from tukit_sysext.system.tree import Tree

_LIMIT = 64 * 1024


@dataclass(frozen=True, kw_only=True, slots=True)
class Step:
    """Something that an image brings, and that a merge alone does not put to use."""

    image: str
    after: AfterMerge


@dataclass(frozen=True, kw_only=True, slots=True)
class BesideMerge:
    """What has to be done beside the merge: for what images bring, and for who runs files that were replaced.

    ``notes`` are what is to be known of the merge itself.
    """

    merged: bool
    steps: tuple[Step, ...] = ()
    users: tuple[FileUser, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def lines(self) -> Iterator[str]:
        """The same in words; what a boot does by itself is left to it where that merges."""
        for image in dict.fromkeys(step.image for step in self.steps):
            yield from to_do(image, [step.after for step in self.steps if step.image == image], merged=self.merged)
        for service in dict.fromkeys(user.service for user in self.users if user.service is not None):
            yield f"{service} runs files that were replaced:"
            yield f"  systemctl restart {shlex.quote(service)}"
        for user in self.users:
            if user.service is None:
                yield f"{user.command} (process {user.pid}) runs files that were replaced, until it ends"

    @property
    def document(self) -> dict[str, Any]:
        """The same for ``--json``."""
        return {
            "after_merge": [
                {
                    "image": step.image,
                    "what": step.after.what,
                    "command": step.after.command,
                    "at_boot": step.after.at_boot,
                }
                for step in self.steps
            ],
            "old_files": [{"pid": user.pid, "command": user.command, "service": user.service} for user in self.users],
        }


def merge_now(machine: Machine, tree: TreeChange) -> BesideMerge:
    """Merge what the running system has linked now. Raises TukitSysextError."""
    new, users, unknown = _changes(machine, tree)
    notes = merge.refresh()
    there = tuple(old_files.still_there(users))
    return BesideMerge(merged=True, steps=tuple(_steps(new, tree)), users=there, notes=(*notes, *unknown))


def _changes(machine: Machine, tree: TreeChange) -> tuple[Sequence[Record], Sequence[FileUser], Sequence[str]]:
    """The images that come with a merge, who runs files that it replaces, and what cannot be found out of that."""
    try:
        before = {name for name, _ in in_use(machine.layout)}
        after = _linked(tree)
        new, old = _records(machine, after - before), _records(machine, before - after)
        return new, old_files.users_of({path for record in (*new, *old) for path in _files(record)}), []
    except (TukitSysextError, OSError) as error:
        return [], [], [_unknown(error)]


def merge_later(machine: Machine, trees: Sequence[TreeChange]) -> BesideMerge:
    """What the images bring that trees have linked anew, and that a boot merges."""
    steps: dict[Step, None] = {}
    try:
        for tree in trees:
            before = {entry.image for entry in tree.plan.tree.entries}
            steps |= dict.fromkeys(_steps(_records(machine, _linked(tree) - before), tree))
    except (TukitSysextError, OSError) as error:
        return BesideMerge(merged=False, notes=(_unknown(error),))
    return BesideMerge(merged=False, steps=tuple(steps))


def _unknown(error: Exception) -> str:
    return f"what images bring that a merge alone does not put to use is not known: {error}"


def _linked(tree: TreeChange) -> set[str]:
    """The files of the store that a tree has links to now."""
    with Tree(tree.target.path) as opened:
        return {entry.image for entry in read_entries(opened) if entry.image is not None}


def _records(machine: Machine, names: Iterable[str]) -> list[Record]:
    store = machine.store(writable=False)
    return [record for name in sorted(names) if (record := store.look(name).record) is not None]


def _files(record: Record) -> Collection[str]:
    files = record.files
    return [path for path, node in walk(files) if not isinstance(node, ImageFolder)] if files is not None else []


def _steps(records: Sequence[Record], tree: TreeChange) -> Iterator[Step]:
    with Tree(tree.target.path) as opened:
        ld_so_conf = (opened.read("etc/ld.so.conf", limit=_LIMIT) or b"").decode(errors="replace")
    for record in records:
        files = record.files
        for after in after_merge(files, record.release, ld_so_conf=ld_so_conf) if files is not None else ():
            yield Step(image=record.name, after=after)
