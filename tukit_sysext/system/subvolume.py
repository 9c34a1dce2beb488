# SPDX-License-Identifier: LGPL-2.1-or-later
"""btrfs subvolumes behind one small protocol, which the tests play on a plain tree."""

from __future__ import annotations

import os
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True, kw_only=True, slots=True)
class Subvolume:
    """A subvolume: its number in the file system, UUIDs in their usual spelling, and whether it is read-only.

    ``parent_uuid`` is that of the subvolume of which this one is a snapshot, None where it is none.
    """

    identifier: int
    uuid: str
    parent_uuid: str | None
    read_only: bool


class Subvolumes(Protocol):
    """What we ask of subvolumes. Nothing in here changes one."""

    def find(self, path: Path) -> Subvolume | None:
        """The subvolume whose root is ``path``; None where there is none. Raises OSError where it cannot be asked."""

    def default(self, path: Path) -> int:
        """Identifier of the default subvolume of the file system at ``path``. Raises OSError."""


class BtrfsSubvolumes:
    """Real subvolumes, through libbtrfsutil. Most of it needs root (btrfs-subvolume(8))."""

    def find(self, path: Path) -> Subvolume | None:
        """See Subvolumes."""
        import btrfsutil

        try:
            if not btrfsutil.is_subvolume(path):
                return None
            info = btrfsutil.subvolume_info(path)
            read_only = btrfsutil.get_subvolume_read_only(path)
        except btrfsutil.BtrfsUtilError as error:
            if isinstance(error, FileNotFoundError) or error.errno in (2, 20):
                return None
            raise OSError(error.errno, os.strerror(error.errno), str(path)) from error
        parent = uuid.UUID(bytes=info.parent_uuid)
        return Subvolume(
            identifier=info.id,
            uuid=str(uuid.UUID(bytes=info.uuid)),
            parent_uuid=str(parent) if parent.int else None,
            read_only=read_only,
        )

    def default(self, path: Path) -> int:
        """See Subvolumes."""
        import btrfsutil

        try:
            identifier: int = btrfsutil.get_default_subvolume(path)
        except btrfsutil.BtrfsUtilError as error:
            raise OSError(error.errno, os.strerror(error.errno), str(path)) from error
        return identifier
