# SPDX-License-Identifier: LGPL-2.1-or-later
"""Tells whether somebody else made all disks last, as sync(2) does: a power cut would show nothing then."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from tests.crash.mounts import attached, mount

_SIZE = 128 << 20
_SUPERBLOCK = 64 << 10, 4096
"""Where btrfs has it, and how long it is, in bytes: every commit writes it."""


class Witness:
    """A disk of its own, which has always something that is not written yet, and that nobody waits for.

    Tests of others on this machine call sync(2), which commits what is on any disk. It is mounted first, and the kernel
    goes through file systems in the order of their mounts: what was committed on others is committed here.
    """

    def __init__(self, folder: Path) -> None:
        """Mount it below ``folder``; it is gone with our mount namespace."""
        self._image = folder / "witness.disk"
        self._mounted = folder / "witness"
        self._mounted.mkdir()
        with open(self._image, "wb") as file:
            file.truncate(_SIZE)
        subprocess.run(["mkfs.btrfs", "-q", self._image], check=True, capture_output=True)
        path, keeper = attached(self._image)
        mount(path, self._mounted, "btrfs", data="commit=600")
        os.close(keeper)  # the mount keeps it
        self._before = b""

    def begin(self) -> None:
        """From now on."""
        self._before = self._superblock()
        # a transaction is open from here on, until somebody has it written
        (self._mounted / "name").touch()
        (self._mounted / "name").unlink()

    def disturbed(self) -> bool:
        """Whether somebody made all disks last since then."""
        return self._superblock() != self._before

    def _superblock(self) -> bytes:
        start, length = _SUPERBLOCK
        with open(self._image, "rb") as file:
            file.seek(start)
            return file.read(length)
