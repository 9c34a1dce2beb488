# SPDX-License-Identifier: LGPL-2.1-or-later
"""The fixture ``site``: a fresh lab of each flavour with tukit-sysext installed from its RPM."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import StartLab
from tests.lab import Flavour
from tests.on_lab.site import Site, installed_tree


@pytest.fixture(scope="session")
def our_tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What our RPM installs."""
    return installed_tree(tmp_path_factory.mktemp("rpm"))


@pytest.fixture
def site(flavour: Flavour, start_lab: StartLab, our_tree: Path, tmp_path: Path) -> Site:
    """A fresh machine with tukit-sysext and an empty source."""
    return Site(lab=start_lab(flavour, install={our_tree: "/"})).prepare()
