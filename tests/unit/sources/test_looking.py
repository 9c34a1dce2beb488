# SPDX-License-Identifier: LGPL-2.1-or-later
"""An image is looked into when its signed hash is right, and not a byte of it before (threat L6)."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from tests.lab.faults import Corrupt, Cut, Truncated, WrongRange
from tests.lab.repository import Repository
from tests.lab.server import Server
from tests.lab.signing import SigningKey
from tests.trees import make_tree
from tests.unit.integrity.verify_site import VerifySite, file_of
from tests.unit.sources.samples import sha256
from tukit_sysext.plugins.manager import Plugins
from tukit_sysext.system.inspect_image import Inspection
from tukit_sysext.update import content_judge
from tukit_sysext.update.transaction import Transaction, finalize

CONTENT = b"gdb 1"


@pytest.fixture
def signed_source(verify_site: VerifySite, key: SigningKey) -> VerifySite:
    site = verify_site
    make_tree(
        site.root,
        {
            "etc/systemd/import-pubring.gpg": key.public(),
            "etc/tukit-sysext/tukit-sysext.conf": "[Network]\nDeadline=1\nImageDeadline=1\n",
        },
    )
    site.offer("1")
    Repository(site.source).sign(key)
    return site


@pytest.fixture
def looked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The hash of what was there whenever somebody looked into an image that was brought."""
    found: list[str] = []
    real = vars(content_judge)["inspect_image"]  # the one that fake_look_inside() put there

    def look(image: int | Path, *, preferred: str, scratch: Path) -> Inspection:
        assert isinstance(image, int), "by descriptor: what is looked into is what is published"
        found.append(hashlib.sha256(os.pread(image, 1000, 0)).hexdigest())
        inspection: Inspection = real(image, preferred=preferred, scratch=scratch)
        return inspection

    monkeypatch.setattr(content_judge, "inspect_image", look)
    return found


def configure(site: VerifySite, where: str) -> None:
    (site.root / "etc/tukit-sysext/sources.d/local.conf").write_text(f"[Source]\n{where}\n")


def run(site: VerifySite) -> list[str]:
    """The entries of /etc/extensions after a transaction."""
    finalize(
        Transaction(machine=site.machine, path=site.root, number=1),
        Plugins(),
    )
    return os.listdir(site.root / "etc/extensions")


def test_from_a_folder(signed_source: VerifySite, looked: list[str]) -> None:
    configure(signed_source, f"Path={signed_source.source}")
    assert run(signed_source) == ["gdb.raw"]
    assert looked == [sha256(CONTENT)]


def test_from_a_folder_with_another_content(signed_source: VerifySite, looked: list[str]) -> None:
    configure(signed_source, f"Path={signed_source.source}")
    (signed_source.source / file_of("1")).write_bytes(b"gdb 2")
    assert run(signed_source) == []
    assert looked == []


def test_from_a_folder_without_a_good_signature(
    signed_source: VerifySite, other_key: SigningKey, looked: list[str]
) -> None:
    configure(signed_source, f"Path={signed_source.source}")
    Repository(signed_source.source).sign(other_key)
    assert run(signed_source) == []
    assert looked == []


@pytest.mark.parametrize("fault", [Corrupt(offset=2), Truncated(size=3)])
def test_from_a_server_with_another_content(
    signed_source: VerifySite, looked: list[str], fault: Corrupt | Truncated
) -> None:
    with Server(signed_source.source) as server:
        configure(signed_source, f"URL={server.url}")
        server.fail(file_of("1"), fault)
        assert run(signed_source) == []
    assert looked == []


def test_what_is_wrong_at_first_is_looked_into_when_it_is_right(signed_source: VerifySite, looked: list[str]) -> None:
    """It broke off, and the rest of it was other bytes: all of it once more."""
    with Server(signed_source.source) as server:
        configure(signed_source, f"URL={server.url}")
        server.fail(file_of("1"), Cut(after=2), times=1)
        server.fail(file_of("1"), WrongRange(stated=0, sent=1), times=2)
        assert run(signed_source) == ["gdb.raw"]
        assert [request.status for request in server.requests if request.path.endswith(".raw")] == [200, 206, 200]
    assert looked == [sha256(CONTENT)]
