# SPDX-License-Identifier: LGPL-2.1-or-later
"""The fixture ``site``: a fresh lab of each flavour with tukit-sysext installed from its RPM."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import StartLab
from tests.lab import Flavour
from tests.lab.repository import Repository
from tests.lab.server import Server
from tests.lab.signing import SigningKey
from tests.on_lab.site import Site, Web, installed_tree


@pytest.fixture(scope="session")
def our_tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What our RPM installs."""
    return installed_tree(tmp_path_factory.mktemp("rpm"))


@pytest.fixture
def web(tmp_path: Path) -> Iterator[Web]:
    """An empty repository on a server, with a key."""
    repository = Repository(tmp_path / "repository")
    with Server(repository.folder) as server:
        yield Web(repository=repository, server=server, key=SigningKey.shared())


@pytest.fixture(params=["directory", "web"])
def any_site(request: pytest.FixtureRequest, flavour: Flavour, start_lab: StartLab, our_tree: Path, web: Web) -> Site:
    """A fresh machine with each kind of source."""
    lab = start_lab(flavour, install={our_tree: "/"})
    return Site(lab=lab, web=web if request.param == "web" else None).prepare()


@pytest.fixture
def site(flavour: Flavour, start_lab: StartLab, our_tree: Path, tmp_path: Path) -> Site:
    """A fresh machine with tukit-sysext and an empty source."""
    return Site(lab=start_lab(flavour, install={our_tree: "/"})).prepare()
