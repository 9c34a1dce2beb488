# SPDX-License-Identifier: LGPL-2.1-or-later
"""Events of tukit and snapper: from their arguments, or from the files that the hooks wrote down, to typed values.

An event only says where to look first: settling looks at the disk.
"""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from tukit_sysext.errors import UsageError
from tukit_sysext.quantities import counted
from tukit_sysext.system.small_file import read_small

log = logging.getLogger(__name__)

_NUMBER = re.compile(r"[1-9][0-9]{0,9}")
_LIMIT = 64 * 1024


class EventKind(StrEnum):
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
class SnapshotEvent:
    """Something that happened to the snapshot ``number``."""

    kind: EventKind
    number: int


_TUKIT: Mapping[str, EventKind] = {
    "finalize-post": EventKind.TRANSACTION_FINALIZED,
    "abort-post": EventKind.TRANSACTION_ABORTED,
    "keep-post": EventKind.TRANSACTION_KEPT,
}
# old and new versions of snapper name one event differently, some versions call both: settling twice is harmless
_SNAPPER: Mapping[str, EventKind] = {
    "create-snapshot": EventKind.SNAPSHOT_CREATED,
    "create-snapshot-post": EventKind.SNAPSHOT_CREATED,
    "modify-snapshot": EventKind.SNAPSHOT_MODIFIED,
    "modify-snapshot-post": EventKind.SNAPSHOT_MODIFIED,
    "set-read-only": EventKind.READ_ONLY_CHANGED,
    "set-read-only-post": EventKind.READ_ONLY_CHANGED,
    "delete-snapshot": EventKind.SNAPSHOT_DELETED,
    "delete-snapshot-post": EventKind.SNAPSHOT_DELETED,
    "set-default-snapshot": EventKind.DEFAULT_CHANGED,
    "set-default-snapshot-post": EventKind.DEFAULT_CHANGED,
    "rollback": EventKind.ROLLED_BACK,
    "rollback-post": EventKind.ROLLED_BACK,
}


def snapshot_number(text: str) -> int:
    """A snapshot's number. Raises UsageError for anything else (threat L5)."""
    if not _NUMBER.fullmatch(text):
        raise UsageError(f"expected the number of a snapshot, found {text[:40]!r}")
    return int(text)


def parse(caller: str, argv: Sequence[str]) -> SnapshotEvent | None:
    """The event that ``caller`` ("tukit" or "snapper") reports with these arguments; None where it is none of ours.

    Raises UsageError where a stage of ours has arguments that it cannot have.
    """
    stage, *rest = argv or [""]
    if caller == "tukit" and stage in _TUKIT:
        if not rest:
            raise UsageError(f"tukit stage {stage}: expected the number of a snapshot, found nothing")
        discarded = rest[1:] == ["discarded"]
        kind = EventKind.TRANSACTION_DISCARDED if discarded else _TUKIT[stage]
        return SnapshotEvent(kind=kind, number=snapshot_number(rest[0]))
    if caller == "snapper" and stage in _SNAPPER:
        if len(rest) < 3:
            raise UsageError(
                f"snapper stage {stage}: expected SUBVOLUME FSTYPE NUMBER, found {counted(len(rest), 'argument')}"
            )
        subvolume, file_system = rest[:2]
        if subvolume != "/" or file_system != "btrfs":
            return None
        return SnapshotEvent(kind=_SNAPPER[stage], number=snapshot_number(rest[-1]))
    return None


def spooled(folder: Path) -> Sequence[tuple[Path, SnapshotEvent | None]]:
    """The events that were written down, each with its file, in the order of their names; None for an empty one."""
    try:
        names = sorted(name for name in os.listdir(folder) if not name.startswith("."))
    except FileNotFoundError:
        return ()
    return [(folder / name, _read(folder / name)) for name in names]


def waiting(folder: Path) -> bool:
    """Whether an event was written down that nobody settled; not where that cannot be told."""
    try:
        return any(not name.startswith(".") for name in os.listdir(folder))
    except OSError:
        return False


def ask(folder: Path) -> None:
    """Have systemd settle, without any event: what happened is on the disk. Raises OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "look").touch()


def take(folder: Path) -> Sequence[SnapshotEvent | None]:
    """Take the events that were written down: their files are removed, or cannot be; nobody else gets them."""
    taken: list[SnapshotEvent | None] = []
    for path, event in spooled(folder):
        try:
            path.unlink()
        except FileNotFoundError:
            continue  # another settling has it
        except OSError as error:
            if path.is_dir():
                import shutil

                shutil.rmtree(path, ignore_errors=True)
            log.warning("%s: cannot be removed like an event: %s", path, error.strerror)
        taken.append(event)
    return taken


def _read(path: Path) -> SnapshotEvent | None:
    try:
        lines = read_small(path, limit=_LIMIT).decode("utf-8", "surrogateescape").splitlines()
        return parse(lines[0], lines[1:]) if lines else None
    except (OSError, UsageError) as error:
        log.warning("event %s is dropped: %s", path.name, error)
        return None
