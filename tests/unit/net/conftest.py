# SPDX-License-Identifier: LGPL-2.1-or-later
"""Two servers of the same files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.server import Server
from tests.unit.net.samples import IMAGE, LIST


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with ``list``, ``image.raw`` and ``empty``."""
    served = tmp_path / "served"
    served.mkdir()
    (served / "list").write_bytes(LIST)
    (served / "image.raw").write_bytes(IMAGE)
    (served / "empty").touch()
    return served


@pytest.fixture
def server(folder: Path) -> Iterator[Server]:
    """The server that is asked first."""
    with Server(folder) as started:
        yield started


@pytest.fixture
def mirror(folder: Path) -> Iterator[Server]:
    """Another one with the same files."""
    with Server(folder) as started:
        yield started
