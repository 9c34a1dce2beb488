# SPDX-License-Identifier: LGPL-2.1-or-later
"""The fixture ``publisher``."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.publish.publisher import Publisher


@pytest.fixture
def publisher(tmp_path: Path) -> Publisher:
    """Who publishes into an empty folder."""
    return Publisher(tmp_path)
