# SPDX-License-Identifier: LGPL-2.1-or-later
"""A machine at which nothing has to be done."""

from __future__ import annotations

import pytest

from tests.unit.integrity.verify_site import VerifySite
from tests.unit.plugins.test_guard import boots_next, running_snapshot
from tukit_sysext.ledger.settling import settle
from tukit_sysext.plugins.manager import Plugins


@pytest.fixture
def well(verify_site: VerifySite) -> VerifySite:
    """Snapshot 7 runs and boots next, its image is whole, and all is settled."""
    site = verify_site
    site.store_image("1")
    site.link("1", root=site.wanting_snapshot(7))
    site.link("1")
    boots_next(site, 7)
    running_snapshot(site)
    settle(site.machine, Plugins())
    return site
