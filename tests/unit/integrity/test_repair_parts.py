# SPDX-License-Identifier: LGPL-2.1-or-later
"""Repairing what is damaged out of itself: a chunk of it counts by its hash, and the rest comes from the source."""

from __future__ import annotations

import errno
import json
import os
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.chunks import index_in_pieces
from tests.lab.faults import NoRanges
from tests.lab.made_up_registry import MadeUpRegistry
from tests.lab.server import Server
from tests.records import record
from tests.trees import make_tree
from tests.unit.integrity.mending import mend
from tests.unit.integrity.verify_site import VerifySite, file_of, rot
from tukit_sysext import cli
from tukit_sysext.integrity.repair import RepairOutcome
from tukit_sysext.quantities import KEEP_FREE
from tukit_sysext.store.image_store import Condition

CHUNK = 16 * 1024
CONTENT = random.Random(12).randbytes(4 * 1024 * 1024 + 77)
INDEX = index_in_pieces(CONTENT, CHUNK)
BAD = (0, 3 * CHUNK + 5, 200 * CHUNK, len(CONTENT) - 1)
"""Where bits are flipped."""


def keep(site: VerifySite, content: bytes, version: str, *, index: bytes | None = INDEX) -> Path:
    """Publish an image into the store, with the index of its chunks; its path there."""
    wanted = record(content, file_of(version), name="gdb", version=version)
    store = site.machine.store()
    with store.receive(sha256=wanted.sha256, limit=1 << 24, where="SOURCE", keep_free=KEEP_FREE) as incoming:
        if index is not None:
            incoming.keep_index(index)
        incoming.write(content)
        incoming.finish()
        store.publish(incoming, wanted, replaceable=lambda _: False)
    return site.layout.store / wanted.file_name


def damage(site: VerifySite, path: Path) -> None:
    """Some bits, and nothing that stat(2) says tells it."""
    content = bytearray(path.read_bytes())
    for offset in BAD[1:]:
        content[offset] ^= 1
    path.write_bytes(content)
    rot(site, path)


@pytest.fixture
def server(verify_site: VerifySite) -> Iterator[Server]:
    """Serves the image; the source of the machine."""
    (verify_site.source / file_of("1")).write_bytes(CONTENT)
    with Server(verify_site.source) as server:
        configure(verify_site, server.url)
        yield server


def configure(site: VerifySite, url: str) -> None:
    make_tree(site.root, {"etc/tukit-sysext/sources.d/local.conf": f"[Source]\nURL={url}\nVerify=no\n"})


def sent(server: Server) -> int:
    return sum(request.sent for request in server.requests)


@pytest.fixture
def damaged(verify_site: VerifySite) -> Path:
    path = keep(verify_site, CONTENT, "1")
    verify_site.link("1")
    damage(verify_site, path)
    assert verify_site.finding().condition is Condition.DAMAGED
    return path


def test_what_is_good_of_a_damaged_image_is_not_fetched(
    verify_site: VerifySite, damaged: Path, server: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    cli.main(["verify", "--repair"], machine=verify_site.machine)
    assert damaged.read_bytes() == CONTENT
    came = 3 * CHUNK + 77
    assert sent(server) == came
    said = "repaired from source local: 48.1 KiB fetched, 4.0 MiB were here"
    assert said in " ".join(capsys.readouterr().out.split())
    assert cli.main(["history", "--json"], machine=verify_site.machine) == 0
    (event,) = (each for each in json.loads(capsys.readouterr().out)["events"] if each["kind"] == "repaired")
    assert (event["bytes_fetched"], event["bytes_reused"]) == (came, len(CONTENT) - came)
    assert said in event["detail"]
    known = verify_site.machine.store().records.read(damaged.name)
    assert known is not None
    assert (known.fetched, known.reused) == (came, len(CONTENT) - came)


@pytest.mark.parametrize("offset", BAD)
def test_blocks_that_cannot_be_read_are_fetched(
    verify_site: VerifySite, server: Server, monkeypatch: pytest.MonkeyPatch, offset: int
) -> None:
    """As btrfs gives those that fail their checksum."""
    path = keep(verify_site, CONTENT, "1")
    verify_site.link("1")
    rot(verify_site, path)
    read = os.pread

    def rotten(descriptor: int, size: int, begin: int) -> bytes:
        if begin <= offset < begin + size and os.readlink(f"/proc/self/fd/{descriptor}") == str(path):
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return read(descriptor, size, begin)

    monkeypatch.setattr("tukit_sysext.sources.delta.os.pread", rotten)
    assert mend(verify_site).outcome is RepairOutcome.REPAIRED
    assert path.read_bytes() == CONTENT
    assert 0 < sent(server) <= 2 * CHUNK


def test_a_lost_one_is_made_of_another_version(verify_site: VerifySite, server: Server) -> None:
    keep(verify_site, CONTENT, "1").unlink()
    other = CONTENT[: 100 * CHUNK] + b"x" * CHUNK + CONTENT[101 * CHUNK :]
    keep(verify_site, other, "2", index=index_in_pieces(other, CHUNK))
    verify_site.link("1")
    assert mend(verify_site).outcome is RepairOutcome.REPAIRED
    assert (verify_site.layout.store / file_of("1")).read_bytes() == CONTENT
    assert sent(server) == CHUNK


def test_from_a_registry(verify_site: VerifySite, damaged: Path) -> None:
    with MadeUpRegistry() as registry:
        configure(verify_site, registry.url)
        registry.put_blob("gdb", CONTENT)
        assert mend(verify_site).outcome is RepairOutcome.REPAIRED
        assert len(registry.asked) == len(BAD)
        assert all("range" in asked.headers for asked in registry.asked)
    assert damaged.read_bytes() == CONTENT


LIES = {
    "no index": b"x" * 5000,
    "of another image": index_in_pieces(CONTENT[::-1], CHUNK),
    "of a part of it": index_in_pieces(CONTENT[: 100 * CHUNK], CHUNK),
    "of more": index_in_pieces(CONTENT + b"more", CHUNK),
    "of what is damaged": None,
}


@pytest.mark.parametrize("lie", LIES)
def test_an_index_that_lies_costs_bytes_and_no_more(
    verify_site: VerifySite, damaged: Path, server: Server, lie: str
) -> None:
    """The hash of the whole decides; it is fetched whole then."""
    content = LIES[lie] or index_in_pieces(damaged.read_bytes(), CHUNK)
    verify_site.machine.store().records.write_index(damaged.name, content)
    done = mend(verify_site)
    assert (done.outcome, damaged.read_bytes()) == (RepairOutcome.REPAIRED, CONTENT)
    assert len(CONTENT) <= sent(server) <= len(CONTENT) + 4 * CHUNK


def test_without_an_index_or_without_ranges_it_is_fetched_whole(
    verify_site: VerifySite, damaged: Path, server: Server
) -> None:
    (verify_site.layout.records / f"{damaged.name}.caibx").unlink()
    assert mend(verify_site).text == "repaired from source local"
    assert damaged.read_bytes() == CONTENT
    verify_site.machine.store().records.write_index(damaged.name, INDEX)
    damage(verify_site, damaged)
    server.clear()
    server.fail("*.raw", NoRanges())
    assert mend(verify_site).outcome is RepairOutcome.REPAIRED
    assert damaged.read_bytes() == CONTENT
    assert sent(server) == len(CONTENT)
