# SPDX-License-Identifier: LGPL-2.1-or-later
"""A machine at which nothing has to be done, and an image that has to be repaired."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.unit.integrity.verify_site import VerifySite, flip, rot
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


FAULTS: dict[str, Callable[[VerifySite, Path], object]] = {
    "gone": lambda _, path: path.unlink(),
    "truncated": lambda _, path: path.write_bytes(path.read_bytes()[:2]),
    "a bit": lambda _, path: flip(path),
    "rot": rot,
}


@pytest.fixture(params=FAULTS)
def lost(verify_site: VerifySite, request: pytest.FixtureRequest) -> Path:
    """An image that is linked and not whole."""
    path = verify_site.store_image("1")
    verify_site.link("1")
    FAULTS[request.param](verify_site, path)
    return path
