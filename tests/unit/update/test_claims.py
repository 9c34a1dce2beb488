# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a server claims of a size switches no policy off, and deletes nothing (threat P6)."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.lab.faults import Corrupt, Truncated
from tests.lab.server import Server
from tests.trees import make_tree
from tests.unit.integrity.verify_site import VerifySite, fake_look_inside, file_of
from tukit_sysext.plugins.manager import Plugins
from tukit_sysext.store import incoming
from tukit_sysext.update.left_out import LeftOut
from tukit_sysext.update.outcome import Outcome
from tukit_sysext.update.transaction import Transaction, finalize


@pytest.fixture
def claimed_gdb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> VerifySite:
    """What boots next has gdb; the update needs version 1 of a server; nothing needs old.raw, which is in its grace."""
    fake_look_inside(monkeypatch)
    site = VerifySite(tmp_path / "machine")
    site.wanting_snapshot(7)
    site.has_for_former_system("gdb")
    site.offer("1")
    site.store_image("1", "old")
    return site


@pytest.fixture
def server(claimed_gdb: VerifySite) -> Iterator[Server]:
    with Server(claimed_gdb.source) as started:
        yield started


def run(site: VerifySite, *servers: Server, limit: str = "4G") -> Outcome:
    urls = "".join(f"URL={server.url}\n" for server in servers)
    settings = f"[Network]\nDeadline=1\nImageDeadline=2\n[Fetch]\nImageMax={limit}\n"
    make_tree(
        site.tree(7),
        {
            "etc/tukit-sysext/sources.d/local.conf": f"[Source]\n{urls}Verify=no\n",
            "etc/tukit-sysext/tukit-sysext.conf": settings,
        },
    )
    return finalize(Transaction(machine=site.machine, path=site.tree(7), number=7), Plugins())


FULL = SimpleNamespace(f_bavail=5, f_bfree=5, f_blocks=100, f_frsize=4096)


@pytest.mark.parametrize("claim", [4294967000, 2**40, 2**62])
def test_a_claim_is_no_reason_of_ours(claimed_gdb: VerifySite, server: Server, claim: int) -> None:
    """The source cannot be reached then: the image that is there stays, and so does what nothing needs just now."""
    server.fail("*.raw", Truncated(size=5, stated=claim))
    outcome = run(claimed_gdb, server)
    (image,) = outcome.plan.images
    assert (image.left_out, image.refuses) == (LeftOut.UNREACHABLE, True)
    assert (claimed_gdb.layout.store / file_of("1", "old")).exists()


def test_the_next_mirror_is_asked(claimed_gdb: VerifySite, server: Server) -> None:
    with Server(claimed_gdb.source) as liar:
        liar.fail("*.raw", Truncated(size=5, stated=2**40))
        outcome = run(claimed_gdb, liar, server)
    assert outcome.refusals == {}
    assert [change.text for change in outcome.changes] == ["gdb: 1 added, from source local"]


def test_a_claim_beyond_the_limit_is_one_of_the_server(claimed_gdb: VerifySite, server: Server) -> None:
    server.fail("*.raw", Truncated(size=5, stated=2000))
    (image,) = run(claimed_gdb, server, limit="1K").plan.images
    assert image.left_out is LeftOut.UNREACHABLE
    assert "2000 bytes are announced, more than the limit of 1024" in image.reason


def test_where_there_is_no_room_it_is_the_disk(
    claimed_gdb: VerifySite, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Refused all the same: nobody loses the image for it."""
    monkeypatch.setattr(os, "statvfs", lambda _: FULL)
    (image,) = run(claimed_gdb, server).plan.images
    assert (image.left_out, image.refuses) == (LeftOut.NOT_STORED, True)
    assert "KeepFree= keeps 20480" in image.reason


def test_a_file_of_no_bytes_where_there_is_no_room(
    claimed_gdb: VerifySite, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Anybody on the way can answer so, and it would be a fault of ours, which passes."""
    server.fail("*.raw", Truncated(size=0))
    monkeypatch.setattr(os, "statvfs", lambda _: FULL)
    (image,) = run(claimed_gdb, server).plan.images
    assert (image.left_out, image.refuses) == (LeftOut.NOT_STORED, True)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO])
def test_a_download_that_cannot_begin_anew(
    claimed_gdb: VerifySite, server: Server, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """It is not stored; that the sink is told so between two servers makes it no fault of ours."""
    without_name, begun = incoming._without_name, []

    def once(folder: Path) -> int:
        begun.append(folder)
        if len(begun) > 1:
            raise OSError(number, os.strerror(number))
        return without_name(folder)

    monkeypatch.setattr(incoming, "_without_name", once)
    server.fail("*.raw", Corrupt(offset=-1))
    with Server(claimed_gdb.source) as mirror:
        (image,) = run(claimed_gdb, server, mirror).plan.images
    assert (image.left_out, image.refuses) == (LeftOut.NOT_STORED, True)
