# SPDX-License-Identifier: LGPL-2.1-or-later
"""A repository on a server, a mirror of it, and who signs it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.lab.repository import Repository
from tests.lab.server import Server
from tests.lab.signing import SigningKey
from tests.unit.sources.samples import offer, publish

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


@pytest.fixture
def key() -> SigningKey:
    return SigningKey.shared()


@pytest.fixture
def other_key() -> SigningKey:
    return SigningKey.shared("Somebody else <else@localhost>")


@pytest.fixture
def aged() -> SigningKey:
    """A key that is old enough to have signed old lists."""
    return SigningKey.shared("Aged <aged@localhost>", created=LONG_AGO)


@pytest.fixture
def other_aged() -> SigningKey:
    return SigningKey.shared("Aged too <else@localhost>", created=LONG_AGO)


@pytest.fixture
def repository(tmp_path: Path, key: SigningKey) -> Repository:
    """gdb 1 and 2, and strace 6, described, listed and signed."""
    made = Repository(tmp_path / "repository")
    for name, version in (("gdb", "1"), ("gdb", "2"), ("strace", "6")):
        offer(made, name, version)
    publish(made, key)
    return made


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


@pytest.fixture
def server(repository: Repository) -> Iterator[Server]:
    with Server(repository.folder) as started:
        yield started


@pytest.fixture
def mirror(repository: Repository) -> Iterator[Server]:
    with Server(repository.folder) as started:
        yield started
