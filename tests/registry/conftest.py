# SPDX-License-Identifier: LGPL-2.1-or-later
"""The fixtures ``publisher`` and ``registry``."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.lab.registry import Registry
from tests.unit.publish.publisher import Publisher


@pytest.fixture
def publisher(tmp_path: Path) -> Iterator[Publisher]:
    """Who publishes into an empty folder."""
    with closing(Publisher(tmp_path)) as publisher:
        yield publisher


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[Registry]:
    """An empty registry without TLS."""
    with Registry(tmp_path / "registry") as registry:
        yield registry
