# SPDX-License-Identifier: LGPL-2.1-or-later
"""Images from servers into sinks: whole or not at all."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.lab.faults import Compressed, Corrupt, Cut, Endless, Fault, Redirect, Status, Truncated
from tests.lab.ports import unused_url
from tests.lab.repository import Repository
from tests.lab.server import Server
from tests.lab.signing import SigningKey
from tests.unit.net.samples import QUICK
from tests.unit.sources.samples import Image, Run, offer, publish, settings
from tukit_sysext.errors import ImageBroken, SourceUnreachable, StoreError

GDB = "gdb-2.x86-64.raw"
CONTENT = b"gdb 2\n" * 1000


@pytest.fixture
def run(server: Server, mirror: Server, key: SigningKey, cache: Path) -> Iterator[Run]:
    """With both servers, and a second for each image."""
    with Run([server.url, mirror.url], settings(key), cache, network=replace(QUICK, image_deadline=1)) as made:
        yield made


def asked(server: Server, name: str = GDB) -> list[int | None]:
    return [request.status for request in server.requests if request.path == f"/{name}"]


def test_all_come_whole(run: Run) -> None:
    images, failures = run.fetch()
    assert failures == {}
    assert len(images) == 3
    assert all(image.finished for image in images.values())
    assert images[GDB].content == CONTENT


def test_nothing_is_nothing(run: Run, server: Server) -> None:
    assert run.source.fetch([]) == {}
    assert server.requests == []


@pytest.mark.parametrize(
    "fault", [Status(code=404), Status(code=500), Corrupt(offset=10), Truncated(size=10), Endless(), Compressed()]
)
def test_the_next_mirror_has_it(run: Run, server: Server, mirror: Server, fault: Fault) -> None:
    server.fail(GDB, fault)
    images, failures = run.fetch(GDB)
    assert failures == {}
    assert (images[GDB].content, images[GDB].finished) == (CONTENT, True)
    assert (len(asked(server)), asked(mirror)) == (1, [200])


@pytest.mark.parametrize(
    ("fault", "kind", "words"),
    [
        (Status(code=404), SourceUnreachable, "status 404"),
        (Status(code=500), SourceUnreachable, "status 500"),
        (Corrupt(offset=10), ImageBroken, "other content"),
        (Truncated(size=10), ImageBroken, "other content in 10 bytes"),
        (Endless(), ImageBroken, "larger than the limit of 1000000 bytes"),
        (Compressed(), SourceUnreachable, "Content-Encoding"),
        (Redirect(url="file:///etc/passwd"), SourceUnreachable, "redirects to something else"),
    ],
)
def test_where_nobody_has_it_the_reason_is_told(
    run: Run, server: Server, mirror: Server, fault: Fault, kind: type[Exception], words: str
) -> None:
    for one in (server, mirror):
        one.fail(GDB, fault)
    images, failures = run.fetch()
    assert sorted(images) == ["gdb-1.x86-64.raw", "strace-6.x86-64.raw"], "the others come all the same"
    assert isinstance(failures[GDB], kind)
    assert words in str(failures[GDB])


def test_a_mirror_that_is_down(server: Server, key: SigningKey, cache: Path) -> None:
    with Run([unused_url(), server.url], settings(key), cache) as run:
        images, failures = run.fetch()
    assert (len(images), failures) == (3, {})


def test_a_download_goes_on_where_it_was(run: Run, server: Server) -> None:
    server.fail(GDB, Cut(after=1000), times=1)
    images, _ = run.fetch(GDB)
    assert images[GDB].content == CONTENT
    assert asked(server) == [200, 206]


def test_from_where_the_server_sends_us(run: Run, server: Server, mirror: Server) -> None:
    """Download servers redirect to mirrors: the hash of the signed list makes that harmless."""
    server.fail(GDB, Redirect(url=f"{mirror.url}/{{path}}"))
    images, _ = run.fetch(GDB)
    assert images[GDB].content == CONTENT
    assert asked(mirror) == [200]


def test_the_sink_is_told_the_size_before_the_first_byte(run: Run) -> None:
    """So that room is looked at first: an image may have some GiB."""
    images, _ = run.fetch(GDB)
    assert images[GDB].expected == [len(CONTENT)]


def test_no_room_is_told_at_once(run: Run, server: Server, mirror: Server) -> None:
    class Full(Image):
        def write(self, data: bytes) -> None:
            raise StoreError("no room")

    (candidate,) = [one for one in run.candidates() if one.file_name == GDB]
    failures = run.source.fetch([(candidate, Full(candidate.sha256))])
    assert isinstance(failures[candidate.sha256], StoreError)
    assert (len(asked(server)), asked(mirror)) == (1, [])


def test_several_come_at_once_but_not_all(repository: Repository, key: SigningKey, cache: Path) -> None:
    for number in range(9):
        offer(repository, f"tool{number}", "1", kind=None)
    publish(repository, key)
    with Server(repository.folder, latency_ms=50) as server:
        with Run([server.url], settings(key), cache, network=replace(QUICK, downloads=3)) as run:
            images, _ = run.fetch()
        at = [request.at for request in server.requests if request.path.endswith(".raw")]
    assert len(images) == len(at) == 12
    assert all(later - earlier >= 0.045 for earlier, later in zip(at, at[3:], strict=False))
    assert at[-1] - at[0] < 0.4, "one after the other takes more than half a second"
