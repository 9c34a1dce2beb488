# SPDX-License-Identifier: LGPL-2.1-or-later
"""The same on a real btrfs: real subvolumes with their UUIDs, of which those of old snapshots are read-only."""

from __future__ import annotations

import subprocess
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import pytest

from tests.model.__main__ import figures, run
from tests.model.machine import Snapshots
from tests.model.volume import BtrfsVolume
from tests.model.world import World

SEED = 20261102
EXAMPLES = 80
WANTED = 1000


@pytest.fixture
def btrfs(tmp_path: Path) -> Iterator[Path]:
    """A mounted loopback btrfs."""
    image, mount = tmp_path / "image", tmp_path / "mount"
    with open(image, "wb") as file:
        file.truncate(512 << 20)
    mount.mkdir()
    subprocess.run(["mkfs.btrfs", "-q", image], check=True, capture_output=True)
    subprocess.run(["mount", "-o", "loop", image, mount], check=True, capture_output=True)
    yield mount
    subprocess.run(["umount", mount], check=True, capture_output=True)


@pytest.mark.root
@pytest.mark.long
def test_the_invariants_hold_on_btrfs(btrfs: Path) -> None:
    class Machine(Snapshots):
        taken: ClassVar[Counter[str]] = Counter()
        seen: ClassVar[Counter[str]] = Counter()

        def make(self) -> World:
            self.folder = Path(tempfile.mkdtemp(dir=btrfs))
            root = self.folder / "root"
            root.mkdir()
            return World(root, BtrfsVolume())

    run(Machine, examples=EXAMPLES, number=SEED)
    assert figures(Machine)["steps"] >= WANTED
