# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a web source asks its servers for: as little as possible, and nothing twice."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.lab.faults import Endless, Status
from tests.lab.repository import Repository
from tests.lab.server import Server
from tests.lab.signing import SigningKey
from tests.unit.sources.samples import Run, offer, publish, settings
from tukit_sysext.errors import ImageBroken, SourceUnreachable

IMAGES = ["gdb-1.x86-64.raw", "gdb-2.x86-64.raw", "strace-6.x86-64.raw"]


def paths(server: Server) -> list[str]:
    return [request.path for request in server.requests]


def test_all_images_of_the_list_are_candidates(server: Server, key: SigningKey, cache: Path) -> None:
    with Run([server.url], settings(key), cache) as run:
        found = run.candidates()
    assert [(one.name, one.version, one.architecture) for one in found] == [
        ("gdb", "1", "x86-64"),
        ("gdb", "2", "x86-64"),
        ("strace", "6", "x86-64"),
    ]
    assert {one.signer for one in found} == {key.fingerprint}
    assert {one.source for one in found} == {"web"}
    assert found[0].locations == (f"{server.url}/gdb-1.x86-64.raw",)
    assert found[0].description == "gdb-1.x86-64.manifest.gz"


def test_a_cold_run_asks_for_list_signature_and_the_descriptions(server: Server, key: SigningKey, cache: Path) -> None:
    with Run([server.url], settings(key), cache) as run:
        known = run.describe("gdb-2.x86-64.raw", "strace-6.x86-64.raw")
    assert [dict(one.release or {})["ID"] for one in known] == ["opensuse-microos"] * 2
    assert paths(server)[:2] == ["/SHA256SUMS", "/SHA256SUMS.gpg"]
    assert sorted(paths(server)[2:]) == ["/gdb-2.x86-64.manifest.gz", "/strace-6.x86-64.manifest.gz"]


def test_a_warm_run_asks_whether_the_list_is_the_same(server: Server, key: SigningKey, cache: Path) -> None:
    for expected in (5, 1, 1):
        server.clear()
        with Run([server.url], settings(key), cache) as run:
            assert len(run.describe()) == 3
        assert len(server.requests) == expected
    assert [request.status for request in server.requests] == [304]


def test_after_a_new_list_what_is_known_is_not_asked_again(
    server: Server, repository: Repository, key: SigningKey, cache: Path
) -> None:
    with Run([server.url], settings(key), cache) as run:
        run.describe()
    offer(repository, "gdb", "3", keys={"ID": "_any"})
    publish(repository, key)
    server.clear()
    with Run([server.url], settings(key), cache) as run:
        assert len(run.describe()) == 4
    assert paths(server) == ["/SHA256SUMS", "/SHA256SUMS.gpg", "/gdb-3.x86-64.manifest.gz"]


def test_a_damaged_cache_is_a_cold_one(server: Server, key: SigningKey, cache: Path) -> None:
    with Run([server.url], settings(key), cache) as run:
        run.describe()
    for path in cache.rglob("*"):
        if path.is_file():
            path.write_bytes(b"rot")
    server.clear()
    with Run([server.url], settings(key), cache) as run:
        assert [one.failure for one in run.describe()] == [None] * 3
    assert len(server.requests) == 5


def test_who_may_not_write_asks_each_time_and_keeps_nothing(server: Server, key: SigningKey, cache: Path) -> None:
    for _ in range(2):
        server.clear()
        with Run([server.url], settings(key), cache, writable=False) as run:
            run.describe()
        assert len(server.requests) == 5
    assert not cache.exists()


def test_descriptions_come_side_by_side(repository: Repository, key: SigningKey, cache: Path) -> None:
    for number in range(20):
        offer(repository, f"tool{number}", "1")
    publish(repository, key)
    with Server(repository.folder, latency_ms=50) as server, Run([server.url], settings(key), cache) as run:
        assert all(one.release for one in run.describe())
        requests = server.requests
        assert len(requests) == 25
        assert requests[-1].at - requests[2].at < 0.6, "one after the other takes more than a second"
        assert server.connections <= 8


def test_two_sources_have_nothing_to_do_with_each_other(
    repository: Repository, tmp_path: Path, key: SigningKey, cache: Path
) -> None:
    other = Repository(tmp_path / "other")
    offer(other, "vim", "9")
    publish(other, key)
    with Server({"one": repository.folder, "two": other.folder}) as server:
        for _ in range(2):
            with Run([f"{server.url}/one"], settings(key, "one"), cache) as run:
                assert run.names() == IMAGES
            with Run([f"{server.url}/two"], settings(key, "two"), cache) as run:
                assert run.names() == ["vim-9.x86-64.raw"]
        assert [request.status for request in server.requests] == [200, 200, 200, 200, 304, 304]


def test_a_source_that_moved_is_asked_anew(
    server: Server, repository: Repository, tmp_path: Path, key: SigningKey, cache: Path
) -> None:
    """Another URL under the same name: what the old one said to recognise its list says nothing there."""
    with Run([server.url], settings(key), cache) as run:
        run.candidates()
    moved = Repository(tmp_path / "moved")
    offer(moved, "vim", "9")
    publish(moved, key)
    with Server(moved.folder) as new, Run([new.url], settings(key), cache) as run:
        assert run.names() == ["vim-9.x86-64.raw"]
        assert "if-none-match" not in new.requests[0].headers


def test_a_list_that_is_not_there(server: Server, key: SigningKey, cache: Path) -> None:
    with (
        Run([f"{server.url}/elsewhere"], settings(key), cache) as run,
        pytest.raises(SourceUnreachable, match=r"/elsewhere/SHA256SUMS: .* status 404"),
    ):
        run.candidates()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"nonsense\n", "no line of it is HASH"),
        (b"0" * 64 + b"  x.raw\n" + b"1" * 64 + b"  x.raw", "line 2"),
        (b"0" * 63 + b"  a-1.raw\n", "line 1"),
        (b"x" * (1024 * 1024 + 1), "larger than"),
    ],
)
def test_a_list_that_cannot_be_used(
    server: Server, repository: Repository, key: SigningKey, cache: Path, content: bytes, words: str
) -> None:
    (repository.folder / "SHA256SUMS").write_bytes(content)
    repository.sign(key)
    with Run([server.url], settings(key), cache) as run, pytest.raises(ImageBroken, match=words):
        run.candidates()


def test_an_endless_list(server: Server, key: SigningKey, cache: Path) -> None:
    server.fail("SHA256SUMS", Endless())
    with (
        Run([server.url], settings(key), cache) as run,
        pytest.raises(ImageBroken, match="SHA256SUMS: larger than the limit of 1048576 bytes"),
    ):
        run.candidates()


def test_a_server_in_trouble_is_asked_again(server: Server, key: SigningKey, cache: Path) -> None:
    server.fail("SHA256SUMS", Status(code=503), times=1)
    with Run([server.url], settings(key), cache) as run:
        assert run.names() == IMAGES
