# SPDX-License-Identifier: LGPL-2.1-or-later
"""A mirror that is behind refuses no update while another one is right (threat N12)."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.lab.repository import Repository
from tests.lab.server import Server
from tests.lab.signing import SigningKey
from tests.trees import make_tree
from tests.unit.integrity.verify_site import VerifySite, file_of
from tukit_sysext.plugins.manager import Plugins
from tukit_sysext.update.left_out import LeftOut
from tukit_sysext.update.outcome import Outcome
from tukit_sysext.update.plan import Action
from tukit_sysext.update.transaction import Transaction, finalize

NOW = datetime.now(UTC)


@pytest.fixture
def key() -> SigningKey:
    return SigningKey.shared("Aged <aged@localhost>", created=datetime(2020, 1, 1, tzinfo=UTC))


@pytest.fixture
def skewed(verify_site: VerifySite, key: SigningKey, tmp_path: Path) -> VerifySite:
    """What boots next has gdb; two days ago nothing fitted the update, and today version 2 does."""
    site = verify_site
    site.wanting_snapshot(7)
    site.has_for_former_system("gdb")
    site.offer("1", level="glibc-2.1")
    Repository(site.source).sign(key, time=NOW - timedelta(days=2))
    shutil.copytree(site.source, tmp_path / "behind")
    site.offer("2")
    Repository(site.source).sign(key, time=NOW)
    return site


@pytest.fixture
def right(skewed: VerifySite) -> Iterator[Server]:
    with Server(skewed.source) as server:
        yield server


@pytest.fixture
def behind(skewed: VerifySite, tmp_path: Path) -> Iterator[Server]:
    with Server(tmp_path / "behind") as server:
        yield server


def update(site: VerifySite, key: SigningKey, *servers: Server) -> Outcome:
    urls = "".join(f"URL={server.url}\n" for server in servers)
    make_tree(
        site.tree(7),
        {
            "etc/systemd/import-pubring.pgp": key.public(),
            "etc/tukit-sysext/sources.d/local.conf": f"[Source]\n{urls}",
            "etc/tukit-sysext/tukit-sysext.conf": "[Network]\nDeadline=2\n",
        },
    )
    return finalize(Transaction(machine=site.machine, path=site.tree(7), number=7), Plugins())


def test_the_other_mirror_has_what_fits(skewed: VerifySite, key: SigningKey, behind: Server, right: Server) -> None:
    outcome = update(skewed, key, behind, right)
    (image,) = outcome.plan.images
    assert (image.action, outcome.refusals) == (Action.LINK, {})
    assert (skewed.layout.store / file_of("2")).read_bytes() == b"gdb 2"


def test_where_all_are_behind_the_update_is_refused(skewed: VerifySite, key: SigningKey, behind: Server) -> None:
    outcome = update(skewed, key, behind)
    (image,) = outcome.plan.images
    assert (image.left_out, list(outcome.refusals)) == (LeftOut.NOTHING_FITS, ["gdb"])
    assert [request.path for request in behind.requests].count("/SHA256SUMS") == 2, "once, and once past caches"


def test_an_update_that_passes_asks_nobody_else(
    skewed: VerifySite, key: SigningKey, behind: Server, right: Server
) -> None:
    update(skewed, key, right, behind)
    assert behind.requests == []
