# SPDX-License-Identifier: LGPL-2.1-or-later
"""A folder to serve."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

CONTENT = random.Random(1).randbytes(300_000)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with `list` (6 bytes), `image.raw` (300 kB), `empty` and `deeper/file`."""
    served = tmp_path / "served"
    (served / "deeper").mkdir(parents=True)
    (served / "list").write_bytes(b"hello\n")
    (served / "image.raw").write_bytes(CONTENT)
    (served / "empty").touch()
    (served / "deeper/file").write_bytes(b"deep\n")
    (tmp_path / "secret").write_bytes(b"outside\n")
    return served
