# SPDX-License-Identifier: LGPL-2.1-or-later
"""What images of a system are merged over: its tree without any image; answers of its RPM database are kept."""

from __future__ import annotations

import logging
import weakref
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zlib import crc32

from tukit_sysext import __version__
from tukit_sysext.machine import Machine
from tukit_sysext.snapshots.snapper import running_snapshot
from tukit_sysext.system.tree import Tree
from tukit_sysext.system.tree_ground import TreeGround

if TYPE_CHECKING:
    from tukit_sysext.requirements.ground import Ground
    from tukit_sysext.sources.cache import Cache

log = logging.getLogger(__name__)


def open_ground(machine: Machine, path: Path, *, scratch: Path | None = None) -> Ground:
    """What images of a system are merged over: of the running one its snapshot, where /usr has no image in it.

    ``scratch`` is a directory that may be written (None: ours). Its tree is closed with it. Raises UnknownState.
    """
    if path == machine.layout.root:
        try:
            path = running_snapshot(machine.layout, machine.subvolumes) or path
        except OSError as error:
            log.info("the running system's snapshot cannot be read: %s", error)
    tree = Tree(path)
    ground = TreeGround(tree, scratch=scratch or machine.layout.cache, memory=AnswersInCache(machine))
    weakref.finalize(ground, tree.close)
    return ground


class AnswersInCache:
    """Keeps what RPM databases answered in the cache, each in one of a few notes."""

    _KIND = "offers"
    _NOTES = 16

    def __init__(self, machine: Machine) -> None:
        self._machine = machine

    def recall(self, identity: str) -> Mapping[str, Any]:
        """See Memory."""
        note = self._cache.note(self._KIND, self._slot(identity)) or {}
        return note if note.get("identity") == self._named(identity) else {}

    def keep(self, identity: str, answers: Mapping[str, Any]) -> None:
        """See Memory."""
        self._cache.put_note(self._KIND, self._slot(identity), {"identity": self._named(identity), **answers})

    @property
    def _cache(self) -> Cache:
        from tukit_sysext.sources.cache import Cache

        return Cache(self._machine.layout.cache, writable=self._machine.privileged)

    def _named(self, identity: str) -> str:
        return f"{__version__} {identity}"

    def _slot(self, identity: str) -> str:
        return f"{crc32(identity.encode()) % self._NOTES:x}"
