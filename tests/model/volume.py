# SPDX-License-Identifier: LGPL-2.1-or-later
"""Where the model's snapshots live: folders that play subvolumes, or real ones on a btrfs."""

from __future__ import annotations

import json
import os
import shutil
import uuid
from pathlib import Path
from typing import Protocol

from tests.machine import PlainSubvolumes
from tukit_sysext.system.subvolume import BtrfsSubvolumes, Subvolumes

_TOP_LEVEL = 5
"""Identifier of the top level of a btrfs."""


class Volume(Protocol):
    """A file system whose subvolumes can be changed."""

    enforces: bool
    """Whether what is read-only cannot be changed."""

    @property
    def subvolumes(self) -> Subvolumes: ...

    def create(self, path: Path, parent: Path | None = None) -> str:
        """Make a subvolume, as a copy of ``parent``, writable; its UUID."""

    def delete(self, path: Path) -> None:
        """Delete a subvolume."""

    def set_read_only(self, path: Path, read_only: bool) -> None:
        """Whether it can be changed."""

    def set_default(self, path: Path) -> None:
        """What boots next."""

    def release(self, path: Path) -> None:
        """Let nothing below ``path`` be what boots next."""


class PlainVolume:
    """Folders below ``root``."""

    enforces = False

    def __init__(self, root: Path) -> None:
        self._plain = PlainSubvolumes(root)
        self.subvolumes: Subvolumes = self._plain

    def create(self, path: Path, parent: Path | None = None) -> str:
        """See Volume."""
        origin = None
        if parent is not None:
            origin = self._plain.find(parent)
            _copy(str(parent), str(path))
            (path / PlainSubvolumes.FILE).unlink()
        return self._plain.create(path, parent=origin).uuid

    def delete(self, path: Path) -> None:
        """See Volume."""
        shutil.rmtree(path)

    def set_read_only(self, path: Path, read_only: bool) -> None:
        """See Volume: nothing holds to it, but it can be asked."""
        file = path / PlainSubvolumes.FILE
        document = json.loads(file.read_text())
        file.unlink()  # a copy of the tree may be another name of the same file
        file.write_text(json.dumps({**document, "read_only": read_only}))

    def set_default(self, path: Path) -> None:
        """See Volume."""
        found = self._plain.find(path)
        assert found is not None
        self._plain.set_default(found.identifier)

    def release(self, path: Path) -> None:
        """See Volume."""


class BtrfsVolume:
    """Subvolumes of a mounted btrfs."""

    enforces = True

    def __init__(self) -> None:
        self.subvolumes: Subvolumes = BtrfsSubvolumes()

    def create(self, path: Path, parent: Path | None = None) -> str:
        """See Volume."""
        import btrfsutil

        if parent is None:
            btrfsutil.create_subvolume(path)
        else:
            btrfsutil.create_snapshot(parent, path)
        return str(uuid.UUID(bytes=btrfsutil.subvolume_info(path).uuid))

    def delete(self, path: Path) -> None:
        """See Volume."""
        import btrfsutil

        btrfsutil.delete_subvolume(path)

    def set_read_only(self, path: Path, read_only: bool) -> None:
        """See Volume."""
        import btrfsutil

        btrfsutil.set_subvolume_read_only(path, read_only)

    def set_default(self, path: Path) -> None:
        """See Volume."""
        import btrfsutil

        btrfsutil.set_default_subvolume(path)

    def release(self, path: Path) -> None:
        """See Volume."""
        import btrfsutil

        btrfsutil.set_default_subvolume(path, _TOP_LEVEL)


def _copy(source: str, target: str) -> None:
    """Copy a tree. Its files are never written to again, but replaced: another name of each is copy enough."""
    os.mkdir(target)
    with os.scandir(source) as entries:
        for entry in entries:
            path = f"{target}/{entry.name}"
            if entry.is_symlink():
                os.symlink(os.readlink(entry.path), path)
            elif entry.is_dir():
                _copy(entry.path, path)
            else:
                os.link(entry.path, path)
