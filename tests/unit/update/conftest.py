# SPDX-License-Identifier: LGPL-2.1-or-later
"""A transaction that has an image to fetch."""

from __future__ import annotations

import pytest

from tests.unit.integrity.verify_site import VerifySite
from tukit_sysext.update.transaction import Transaction


@pytest.fixture
def offering(verify_site: VerifySite) -> VerifySite:
    """The source has gdb 1, which snapshot 7 wants."""
    verify_site.wanting_snapshot(7)
    verify_site.offer("1")
    return verify_site


@pytest.fixture
def transaction(offering: VerifySite) -> Transaction:
    """Snapshot 7 is updated."""
    return Transaction(machine=offering.machine, path=offering.tree(7), number=7)
