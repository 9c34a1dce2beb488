# SPDX-License-Identifier: LGPL-2.1-or-later
"""An empty image store in a folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.ledger.samples import StoreFolder


@pytest.fixture
def store_folder(tmp_path: Path) -> StoreFolder:
    """A module says for itself what is in it."""
    return StoreFolder(tmp_path)
