# SPDX-License-Identifier: LGPL-2.1-or-later
"""A machine that can be collected on."""

from __future__ import annotations

import pytest

from tests.machine import PlainMachine


@pytest.fixture
def snapshot_1(site: PlainMachine) -> PlainMachine:
    """Without any snapshot nothing is known."""
    site.snapshot(1)
    return site
