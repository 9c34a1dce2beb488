# SPDX-License-Identifier: LGPL-2.1-or-later
"""btrfs subvolumes behind one small protocol, which the tests play on a plain tree."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import NamedTuple, Protocol

_READ_ONLY = 1
"""BTRFS_ROOT_SUBVOL_RDONLY of linux/btrfs_tree.h."""


class Subvolume(NamedTuple):
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

    def identifier(self, path: Path) -> int | None:
        """Only the identifier of what find() finds; no other subvolume gets it before the next mount. Raises OSError.

        It is asked for in hundreds of places, and takes a third of the time.
        """

    def default(self, path: Path) -> int:
        """Identifier of the default subvolume of the file system at ``path``. Raises OSError."""


class BtrfsSubvolumes:
    """Real subvolumes, through libbtrfsutil. Most of it needs root (btrfs-subvolume(8))."""

    def find(self, path: Path) -> Subvolume | None:
        """See Subvolumes."""
        import btrfsutil

        try:
            info = btrfsutil.subvolume_info(path)
        except btrfsutil.BtrfsUtilError as error:
            none = (btrfsutil.ERROR_NOT_BTRFS, btrfsutil.ERROR_NOT_SUBVOLUME)
            if error.btrfsutilerror in none or error.errno in (errno.ENOENT, errno.ENOTDIR):
                return None
            raise OSError(error.errno, os.strerror(error.errno), str(path)) from error
        return Subvolume(
            identifier=info.id,
            uuid=_spelled(info.uuid),
            parent_uuid=_spelled(info.parent_uuid) if any(info.parent_uuid) else None,
            read_only=bool(info.flags & _READ_ONLY),
        )

    def identifier(self, path: Path) -> int | None:
        """See Subvolumes."""
        import btrfsutil

        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except (FileNotFoundError, NotADirectoryError):
            return None
        try:
            identifier: int | None = btrfsutil.subvolume_id(descriptor) if btrfsutil.is_subvolume(descriptor) else None
        except btrfsutil.BtrfsUtilError as error:
            raise OSError(error.errno, os.strerror(error.errno), str(path)) from error
        finally:
            os.close(descriptor)
        return identifier

    def default(self, path: Path) -> int:
        """See Subvolumes."""
        import btrfsutil

        try:
            identifier: int = btrfsutil.get_default_subvolume(path)
        except btrfsutil.BtrfsUtilError as error:
            raise OSError(error.errno, os.strerror(error.errno), str(path)) from error
        return identifier


def _spelled(uuid: bytes) -> str:
    """A UUID as RFC 9562 spells it."""
    text = uuid.hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
