# SPDX-License-Identifier: LGPL-2.1-or-later
"""Whether two images of the store have the same under one path, where the sizes of their files do not tell."""

from __future__ import annotations

import hashlib
import logging
import time
from collections.abc import Sequence

from tukit_sysext.errors import Busy, NoSpace, NoVerdict, StoreError, ToolBroken
from tukit_sysext.machine import Machine
from tukit_sysext.sources.cache import Cache
from tukit_sysext.store.image_store import Store
from tukit_sysext.store.record import Record
from tukit_sysext.system.compare_images import differing
from tukit_sysext.system.process import TimedOut

log = logging.getLogger(__name__)

_KIND = "compared"
_MOST = 2000
"""So many files of two images are compared; of what is left nothing is said."""
_MOST_SECONDS = 30.0
"""Seconds of a run after which no two images more are compared; the next run goes on."""


class ComparedImages:
    """Mounts two images once to compare them; the answer is kept as a note by both hashes."""

    def __init__(self, machine: Machine, store: Store) -> None:
        self._scratch = machine.layout.cache
        self._cache = Cache(machine.layout.cache, writable=machine.privileged)
        self._store = store
        self._known: dict[str, frozenset[str]] = {}
        self._until = time.monotonic() + _MOST_SECONDS

    def differing(self, one: Record, other: Record, paths: Sequence[str]) -> frozenset[str]:
        """Which of these regular files, as large in both, differ; none where that cannot be found out.

        They are all that two images have in common, so that the answer depends on the images alone.
        """
        key = hashlib.sha256(" ".join(sorted((one.sha256, other.sha256))).encode()).hexdigest()
        if key not in self._known:
            remembered = self._remembered(key)
            self._known[key] = self._compared(key, one, other, paths) if remembered is None else remembered
        return self._known[key]

    def _remembered(self, key: str) -> frozenset[str] | None:
        differ = (self._cache.note(_KIND, key) or {}).get("differ")
        return frozenset(map(str, differ)) if isinstance(differ, list) else None

    def _compared(self, key: str, one: Record, other: Record, paths: Sequence[str]) -> frozenset[str]:
        if time.monotonic() > self._until:
            return frozenset()
        try:
            with self._store.opened(one.file_name) as a, self._store.opened(other.file_name) as b:
                differ = differing(a, b, paths[:_MOST], scratch=self._scratch)
        except TimedOut as error:
            log.info("%s and %s: %s", one.file_name, other.file_name, error)
            differ = frozenset()  # nor would the next run end in time
        except ToolBroken as error:
            log.error("%s and %s: %s", one.file_name, other.file_name, error)
            return frozenset()
        except (NoVerdict, NoSpace, StoreError, Busy, OSError) as error:
            log.info("%s and %s: %s", one.file_name, other.file_name, error)  # counts against neither
            return frozenset()
        self._cache.put_note(_KIND, key, {"differ": sorted(differ)})
        return differ
