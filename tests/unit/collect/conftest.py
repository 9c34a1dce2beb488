# SPDX-License-Identifier: LGPL-2.1-or-later
"""A machine that can be collected on."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.machine import PlainMachine
from tests.unit.collect.collection_site import CollectionSite


@pytest.fixture
def snapshot_1(site: PlainMachine) -> PlainMachine:
    """Without any snapshot nothing is known."""
    site.snapshot(1)
    return site


@pytest.fixture
def a_is_needed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CollectionSite:
    """A machine with images a and b, and snapshot 1 that needs a."""
    return CollectionSite(tmp_path, monkeypatch)
