# SPDX-License-Identifier: LGPL-2.1-or-later
"""What ``diff`` and ``history`` ask of the ledger, which an ordinary user can read, and which may be missing."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from tukit_sysext.errors import TukitSysextError
from tukit_sysext.ledger.ledger import DEFAULT, Ledger, LedgerEvent, LedgerImage, LedgerSnapshot
from tukit_sysext.ledger.schema import BEGUN
from tukit_sysext.machine import Machine
from tukit_sysext.rules.names import NameRefused
from tukit_sysext.snapshots.snapper_files import rfc3339
from tukit_sysext.snapshots.targets import Target
from tukit_sysext.store.image_store import ImageFile
from tukit_sysext.store.record import RecordUnreadable


@dataclass(frozen=True, kw_only=True, slots=True)
class LedgerContent:
    """All that the ledger remembers; ``left_out`` has reasons by image for a snapshot's number and UUID.

    ``default`` is the number of the snapshot that boots next, None where it is not known. ``begun`` is when the ledger
    was made (UTC, RFC 3339), None where a former version made it. Events stand in the order of their times.
    """

    snapshots: Sequence[LedgerSnapshot] = ()
    images: Mapping[str, LedgerImage] = field(default_factory=dict)
    events: Sequence[LedgerEvent] = ()
    left_out: Mapping[tuple[int, str], Mapping[str, str]] = field(default_factory=dict)
    default: int | None = None
    begun: str | None = None

    @property
    def lacks_a_past(self) -> bool:
        """Whether a snapshot had images before the ledger was made, as after a ledger was lost."""
        made = [rfc3339(row.created) for row in self.snapshots if row.images]
        return self.begun is not None and any(date is not None and date < self.begun for date in made)


def read_ledger(machine: Machine) -> LedgerContent:
    """Read the ledger; empty where there is none yet. Raises TukitSysextError where it cannot be read."""
    path = machine.layout.ledger
    try:
        if not path.exists():
            return LedgerContent()
        with Ledger(path, writable=False) as ledger:
            snapshots = ledger.snapshots()
            number, _, _ = (ledger.recall(DEFAULT) or "").partition(" ")
            return LedgerContent(
                snapshots=snapshots,
                images={image.file: image for image in ledger.images()},
                # one that was noticed late has the time at which it happened
                events=sorted(ledger.events(), key=lambda event: event.time),
                left_out={row.key: ledger.left_out(*row.key) for row in snapshots},
                default=int(number) if number.isdecimal() else None,
                begun=ledger.recall(BEGUN),
            )
    except (OSError, sqlite3.Error) as error:
        raise TukitSysextError(
            f"{path}: cannot be read as a ledger: {error}",
            next_step="have it made anew from the disk:\nsudo tukit-sysext settle",
        ) from error


class Names:
    """Which image a file of the store is, or was. Each is asked for once."""

    def __init__(self, machine: Machine, ledger: LedgerContent) -> None:
        self._records = machine.store(writable=False).records
        self._images = ledger.images
        self._asked: dict[str, tuple[str, str] | None] = {}

    def of(self, file_name: str, link: str = "") -> tuple[str, str]:
        """Name and version (UAPI.10) of the image; "?" for a version that nothing tells.

        The file's record says it, else the ledger, else its name, else that of the link to it.
        """
        if file_name not in self._asked:
            self._asked[file_name] = self._ask(file_name)
        return self._asked[file_name] or ((link or file_name).removesuffix(".raw"), "?")

    def _ask(self, file_name: str) -> tuple[str, str] | None:
        try:
            record = self._records.read(file_name)
        except (RecordUnreadable, NameRefused):
            record = None
        remembered = self._images.get(file_name)
        if record is None and remembered is not None and remembered.name:
            return remembered.name, remembered.version
        image = ImageFile(file_name=file_name, record=record)
        return (image.name, image.version) if image.name is not None else None


def left_out(target: Target) -> Mapping[str, str]:
    """What could not be had when a tree was changed last, by image; nothing where that is not known."""
    path, snapshot = target.machine.layout.ledger, target.snapshot
    if snapshot is None or not path.exists():
        return {}
    try:
        with Ledger(path, writable=False) as ledger:
            return ledger.left_out(*snapshot.key)
    except (OSError, sqlite3.Error):
        return {}
