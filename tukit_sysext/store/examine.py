# SPDX-License-Identifier: LGPL-2.1-or-later
"""Checking images of the store, each once: the cheap check, or the full one by hash."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING

from tukit_sysext.errors import ImageBroken, NoVerdict
from tukit_sysext.store.digest import ROT, hash_of
from tukit_sysext.store.image_store import Condition, Store, Stored
from tukit_sysext.store.record import RecordUnreadable

if TYPE_CHECKING:
    from tukit_sysext.system.inspect_image import Inspection

log = logging.getLogger(__name__)


class Examiner:
    """Remembers what it saw. With ``full`` every recorded image is read and hashed.

    ``contents`` has what inspections of images returned, by file, name of the link and systemd's version.
    """

    def __init__(self, store: Store, *, full: bool, writable: bool = False) -> None:
        self.store = store
        self._full = full
        self._writable = writable
        self._seen: dict[str, Stored] = {}
        self.contents: dict[tuple[str, str, str], Inspection | ImageBroken | NoVerdict] = {}

    def look(self, file_name: str) -> Stored:
        """What a file of the store is worth."""
        if file_name not in self._seen:
            self._seen[file_name] = self._look(file_name)
        return self._seen[file_name]

    def look_again(self) -> None:
        """Something was repaired: what was not whole is looked at again."""
        self._seen = {name: stored for name, stored in self._seen.items() if stored.condition is Condition.WHOLE}
        self.contents.clear()

    def _look(self, file_name: str) -> Stored:
        stored = self.store.look(file_name)
        record = stored.record
        if not self._full or record is None or stored.condition is not Condition.WHOLE:
            return stored  # what is not whole by the cheap check was hashed by it, or has nothing to be held against
        try:
            with self.store.opened(file_name) as descriptor:
                sha256 = hash_of(descriptor)
        except OSError as error:
            reason = f"it cannot be read: {error.strerror}"
            if error.errno not in ROT:
                return replace(stored, condition=Condition.UNREADABLE, reason=reason)
        else:
            if sha256 == record.sha256:
                return stored
            reason = f"its SHA-256 is {sha256[:16]}..., recorded is {record.sha256[:16]}..."
        self._distrust(stored)
        return replace(stored, condition=Condition.DAMAGED, reason=reason)

    def _distrust(self, stored: Stored) -> None:
        """Rot changes neither size nor times: take the identity out of the record.

        Whoever looks at the image then hashes it, and sees it too; publishing the right content replaces it.
        """
        record = stored.record
        if not self._writable or record is None:
            return
        try:
            if self.store.records.read(stored.file_name) == record:
                self.store.records.write(replace(record, identity=None))
        except (OSError, RecordUnreadable) as error:
            log.warning("record of %s: cannot be changed: %s", stored.file_name, error)
