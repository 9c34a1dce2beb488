# SPDX-License-Identifier: LGPL-2.1-or-later
"""Events of tukit and snapper: from their arguments, or from the files that the hooks wrote down, to typed values.

An event only says where to look first: settling looks at the disk.
"""

from __future__ import annotations

import logging
import os
import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from tukit_sysext.errors import UsageError

log = logging.getLogger(__name__)

_NUMBER = re.compile(r"[1-9][0-9]{0,9}")
_LIMIT = 64 * 1024


class Kind(StrEnum):
    """What happened; each is settled by the hook of the same name."""

    TRANSACTION_FINALIZED = "transaction_finalized"
    TRANSACTION_DISCARDED = "transaction_discarded"
    TRANSACTION_ABORTED = "transaction_aborted"
    TRANSACTION_KEPT = "transaction_kept"
    SNAPSHOT_CREATED = "snapshot_created"
    SNAPSHOT_MODIFIED = "snapshot_modified"
    SNAPSHOT_DELETED = "snapshot_deleted"
    READ_ONLY_CHANGED = "read_only_changed"
    DEFAULT_CHANGED = "default_changed"
    ROLLED_BACK = "rolled_back"
    BOOTED = "booted"


@dataclass(frozen=True, kw_only=True, slots=True)
class Event:
    """Something that happened to the snapshot ``number``."""

    kind: Kind
    number: int


_TUKIT: Mapping[str, Kind] = {
    "finalize-post": Kind.TRANSACTION_FINALIZED,
    "abort-post": Kind.TRANSACTION_ABORTED,
    "keep-post": Kind.TRANSACTION_KEPT,
}
# old and new versions of snapper name one event differently, some versions call both: settling twice is harmless
_SNAPPER: Mapping[str, Kind] = {
    "create-snapshot": Kind.SNAPSHOT_CREATED,
    "create-snapshot-post": Kind.SNAPSHOT_CREATED,
    "modify-snapshot": Kind.SNAPSHOT_MODIFIED,
    "modify-snapshot-post": Kind.SNAPSHOT_MODIFIED,
    "set-read-only": Kind.READ_ONLY_CHANGED,
    "set-read-only-post": Kind.READ_ONLY_CHANGED,
    "delete-snapshot": Kind.SNAPSHOT_DELETED,
    "delete-snapshot-post": Kind.SNAPSHOT_DELETED,
    "set-default-snapshot": Kind.DEFAULT_CHANGED,
    "set-default-snapshot-post": Kind.DEFAULT_CHANGED,
    "rollback": Kind.ROLLED_BACK,
    "rollback-post": Kind.ROLLED_BACK,
}


def snapshot_number(text: str) -> int:
    """A snapshot's number. Raises UsageError for anything else (threat L5)."""
    if not _NUMBER.fullmatch(text):
        raise UsageError(f"expected the number of a snapshot, found {text[:40]!r}")
    return int(text)


def parse(caller: str, argv: Sequence[str]) -> Event | None:
    """The event that ``caller`` ("tukit" or "snapper") tells with these arguments; None where it is none of ours.

    Raises UsageError where a stage of ours has arguments that it cannot have.
    """
    stage, *rest = argv or [""]
    if caller == "tukit" and stage in _TUKIT:
        if not rest:
            raise UsageError(f"tukit stage {stage}: expected the number of a snapshot, found nothing")
        discarded = rest[1:] == ["discarded"]
        kind = Kind.TRANSACTION_DISCARDED if discarded else _TUKIT[stage]
        return Event(kind=kind, number=snapshot_number(rest[0]))
    if caller == "snapper" and stage in _SNAPPER:
        if len(rest) < 3:
            raise UsageError(f"snapper stage {stage}: expected SUBVOLUME FSTYPE NUMBER, found {len(rest)} arguments")
        subvolume, file_system = rest[:2]
        if subvolume != "/" or file_system != "btrfs":
            return None
        return Event(kind=_SNAPPER[stage], number=snapshot_number(rest[-1]))
    return None


def spooled(folder: Path) -> Sequence[tuple[Path, Event | None]]:
    """The events that were written down, in the order of their names, each with its file.

    None for one that says nothing.
    """
    try:
        names = sorted(name for name in os.listdir(folder) if not name.startswith("."))
    except FileNotFoundError:
        return ()
    return [(folder / name, _read(folder / name)) for name in names]


def take(folder: Path) -> Sequence[Event | None]:
    """The same, less their files: what is taken nobody else gets. One that cannot be removed counts all the same."""
    taken: list[Event | None] = []
    for path, event in spooled(folder):
        try:
            path.unlink()
        except FileNotFoundError:
            continue  # another settling has it
        except OSError as error:
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            log.warning("%s: cannot be removed like an event: %s", path, error.strerror)
        taken.append(event)
    return taken


def _read(path: Path) -> Event | None:
    try:
        # not waiting for a writer of what is no plain file
        with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
            lines = file.read(_LIMIT).decode("utf-8", "surrogateescape").splitlines()
        return parse(lines[0], lines[1:]) if lines else None
    except (OSError, UsageError) as error:
        log.warning("event %s is dropped: %s", path.name, error)
        return None
