# SPDX-License-Identifier: LGPL-2.1-or-later
"""A machine that a ledger is about."""

from __future__ import annotations

import pytest

from tests.machine import PlainMachine
from tests.unit.ledger.samples import WITH_A


@pytest.fixture
def with_a(site: PlainMachine) -> PlainMachine:
    """Snapshot 1 has image a."""
    site.snapshot(1, WITH_A)
    return site
