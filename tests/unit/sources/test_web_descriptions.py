# SPDX-License-Identifier: LGPL-2.1-or-later
"""Descriptions of images on servers: those of the list have its hash, others only guide (threats N2, N4, N9, N13)."""

from __future__ import annotations

import gzip
import json
import time
import tracemalloc
from dataclasses import replace
from pathlib import Path

import pytest

from tests.lab.faults import Compressed, Corrupt, Endless, Fault, Redirect, Status
from tests.lab.repository import Repository
from tests.lab.server import Server
from tests.lab.signing import SigningKey
from tests.unit.net.samples import QUICK
from tests.unit.sources.samples import KEYS, DescriptionKind, Run, description, offer, publish, settings, sha256
from tukit_sysext.net.network import NetworkSettings
from tukit_sysext.requirements.contents import Contents
from tukit_sysext.requirements.requirement import Requirement
from tukit_sysext.sources.candidate import Description, Standing

GDB = "gdb-2.x86-64.raw"
MANIFEST = "gdb-2.x86-64.manifest.gz"


def describe(
    server: Server, key: SigningKey, cache: Path, name: str = GDB, *, network: NetworkSettings = QUICK
) -> Description:
    with Run([server.url], settings(key), cache, network=network) as run:
        (known,) = run.describe(name)
    return known


def level(known: Description) -> str | None:
    return known.release.get("SYSEXT_LEVEL") if known.release is not None else None


@pytest.mark.parametrize("kind", ["manifest.gz", "manifest", "raw.json"])
@pytest.mark.parametrize("named", [True, False])
def test_every_kind_is_read_whether_the_list_names_it_or_not(
    tmp_path: Path, key: SigningKey, cache: Path, kind: DescriptionKind, named: bool
) -> None:
    repository = Repository(tmp_path / "own")
    image = offer(repository, "gdb", "2", kind=kind)
    repository.write_list(names=None if named else [image])
    repository.sign(key)
    with Server(repository.folder) as server:
        for _ in range(2):
            known = describe(server, key, cache)
            assert level(known) == "glibc-2.42"
            assert known.merge_name is None
        asked = [request.path for request in server.requests]
    described, _ = description(image, kind)
    assert asked.count(f"/{described}") == 1, "it was asked again though the list is the same"
    assert asked[-1] == "/SHA256SUMS"


def test_the_kind_that_was_there_is_looked_for_first(tmp_path: Path, key: SigningKey, cache: Path) -> None:
    """Of ten images that the list does not describe, nine cost one request each."""
    repository = Repository(tmp_path / "own")
    images = [offer(repository, f"tool{number}", "1", kind="raw.json") for number in range(10)]
    repository.write_list(names=images)
    repository.sign(key)
    with Server(repository.folder) as server, Run([server.url], settings(key), cache) as run:
        assert all(level(known) for known in run.describe())
        assert [request.status for request in server.requests].count(404) == 2
        assert len(server.requests) == 2 + 2 + 10


def undescribed(known: Description, why: str = "") -> bool:
    """Whether nothing is known but that the content decides, and why."""
    return known.release is None and known.failure is None and why in known.reason


def test_what_it_says_of_needs_is_remembered_and_asked_for_once(tmp_path: Path, key: SigningKey, cache: Path) -> None:
    """Notes of a former version, which have nothing of that, do not count."""
    repository = Repository(tmp_path / "own")
    image = offer(repository, "gdb", "2", kind=None)
    document = {"extension": dict(KEYS), "requires": ["glibc >= 2.40"], "needs": ["libc.so.6"]}
    (repository.folder / f"{image.removesuffix('.raw')}.manifest").write_text(json.dumps(document))
    publish(repository, key)
    stated = Contents(needs=("libc.so.6",), stated=(Requirement("glibc", ">=", "2.40"),), described=True)
    note = cache / "descriptions" / "web:gdb"
    with Server(repository.folder) as server:

        def asked() -> int:
            assert describe(server, key, cache).contents == stated
            return [request.path for request in server.requests].count("/gdb-2.x86-64.manifest")

        assert [asked(), asked()] == [1, 1]
        kept = json.loads(note.read_bytes())
        del kept[image]["contents"], kept[image]["time"]
        note.write_text(json.dumps(kept))
        assert [asked(), asked()] == [2, 2]


def test_the_size_that_it_says_is_remembered(tmp_path: Path, key: SigningKey, cache: Path) -> None:
    """And asked for once; a note that has another thing in its place says none."""
    repository = Repository(tmp_path / "own")
    image = offer(repository, "gdb", "2", kind=None)
    content = (repository.folder / image).read_bytes()
    document = {"extension": dict(KEYS), "packages": [], "sizes": {sha256(content): 4711}}
    (repository.folder / f"{image.removesuffix('.raw')}.manifest").write_text(json.dumps(document))
    publish(repository, key)
    with Server(repository.folder) as server:
        assert [describe(server, key, cache).size for _ in range(2)] == [4711, 4711]
        assert [request.path for request in server.requests].count("/gdb-2.x86-64.manifest") == 1
        note = cache / "descriptions" / "web:gdb"
        kept = json.loads(note.read_bytes())
        kept[image]["size"] = "much"
        note.write_text(json.dumps(kept))
        assert describe(server, key, cache).size is None


def test_one_with_another_hash_than_the_list_says_counts_as_none(server: Server, key: SigningKey, cache: Path) -> None:
    server.fail(MANIFEST, Corrupt(offset=-1))
    assert undescribed(describe(server, key, cache), f"{MANIFEST}: expected SHA-256")


def test_one_that_is_packed_on_the_way_is_not_taken(server: Server, key: SigningKey, cache: Path) -> None:
    server.fail(MANIFEST, Compressed(bomb_mib=8))
    known = describe(server, key, cache)
    assert known.failure is Standing.UNREACHABLE
    assert MANIFEST in known.reason
    server.heal()
    assert level(describe(server, key, cache)) == "glibc-2.42", "the wrong one was kept"


def test_one_that_was_replaced_counts_as_none(
    server: Server, repository: Repository, key: SigningKey, cache: Path
) -> None:
    """A manifest of another release, under this name: the hash of the signed list decides what is read."""
    content = gzip.compress(b'{"extension": {"ID": "_any"}}')
    (repository.folder / MANIFEST).write_bytes(content)
    assert undescribed(describe(server, key, cache), "expected SHA-256")


def test_the_right_one_of_the_next_mirror_is_taken(
    server: Server, mirror: Server, key: SigningKey, cache: Path
) -> None:
    server.fail(MANIFEST, Corrupt(offset=-1))
    with Run([server.url, mirror.url], settings(key), cache) as run:
        (known,) = run.describe(GDB)
    assert level(known) == "glibc-2.42"


def test_the_mirror_that_had_the_list_is_asked_first(
    server: Server, mirror: Server, key: SigningKey, cache: Path
) -> None:
    """What this one has, the others may not have yet."""
    server.fail("SHA256SUMS", Status(code=404))
    with Run([server.url, mirror.url], settings(key), cache) as run:
        (known,) = run.describe(GDB)
        assert run.candidates()[0].locations[0].startswith(mirror.url)
    assert level(known) == "glibc-2.42"
    assert MANIFEST not in [request.path.lstrip("/") for request in server.requests]


def test_one_that_the_list_names_and_nobody_has(
    server: Server, repository: Repository, key: SigningKey, cache: Path
) -> None:
    """It is asked for once a day."""
    (repository.folder / MANIFEST).unlink()
    for asked in (1, 1):
        assert undescribed(describe(server, key, cache), MANIFEST)
        assert [request.path for request in server.requests].count(f"/{MANIFEST}") == asked


def test_none_at_all_leaves_it_to_the_content(tmp_path: Path, key: SigningKey, cache: Path) -> None:
    repository = Repository(tmp_path / "own")
    offer(repository, "gdb", "2", kind=None)
    publish(repository, key)
    with Server(repository.folder) as server:
        known = describe(server, key, cache)
    assert (known.release, known.failure) == (None, None)
    assert "no description" in known.reason


@pytest.mark.parametrize("named", [True, False])
@pytest.mark.parametrize("fault", [Status(code=400), Status(code=401), Status(code=403), Redirect(url="ftp://x/y")])
def test_one_that_we_are_not_given_is_as_none(
    tmp_path: Path, key: SigningKey, cache: Path, fault: Fault, named: bool
) -> None:
    """And not asked for again the same day."""
    repository = Repository(tmp_path / "own")
    image = offer(repository, "gdb", "2", kind="manifest.gz")
    repository.write_list(names=None if named else [image])
    repository.sign(key)
    with Server(repository.folder) as server:
        server.fail("*.manifest*", fault)
        for requests in (3 if named else 5, 1):
            asked = len(server.requests)
            assert undescribed(describe(server, key, cache))
            assert len(server.requests) - asked == requests


@pytest.mark.parametrize("named", [True, False])
def test_a_page_in_its_place_is_as_none(tmp_path: Path, key: SigningKey, cache: Path, named: bool) -> None:
    repository = Repository(tmp_path / "own")
    image = offer(repository, "gdb", "2", kind="manifest.gz")
    repository.write_list(names=None if named else [image])
    repository.sign(key)
    (repository.folder / MANIFEST).write_text("<!DOCTYPE html><title>Log in</title>\n")
    with Server(repository.folder) as server:
        assert undescribed(describe(server, key, cache))


def test_one_that_is_not_named_comes_from_the_origin_alone(tmp_path: Path, key: SigningKey, cache: Path) -> None:
    """Nothing signed vouches for it: what is elsewhere is as none."""
    repository = Repository(tmp_path / "own")
    image = offer(repository, "gdb", "2", kind="manifest")
    repository.write_list(names=[image])
    repository.sign(key)
    with Server(repository.folder) as server, Server(repository.folder) as elsewhere:
        server.fail("*.manifest", Redirect(url=f"{elsewhere.url}/{{path}}"))
        assert undescribed(describe(server, key, cache))
        assert elsewhere.requests == []


def test_one_that_no_mirror_has_to_which_the_server_redirects_is_as_none(
    server: Server, mirror: Server, key: SigningKey, cache: Path
) -> None:
    """The list names it, and its mirrors are behind: the image may come all the same."""
    server.fail(MANIFEST, Redirect(url=f"{mirror.url}/{{path}}"))
    mirror.fail(MANIFEST, Status(code=404))
    assert undescribed(describe(server, key, cache), "alone says so")


def unlisted(tmp_path: Path, key: SigningKey, content: bytes | None = None) -> Repository:
    """A repository whose list names an image alone; ``content`` describes it (None: nothing does)."""
    repository = Repository(tmp_path / "own")
    image = offer(repository, "gdb", "2", kind=None)
    repository.write_list(names=[image])
    repository.sign(key)
    if content is not None:
        (repository.folder / description(image, "raw.json")[0]).write_bytes(content)
    return repository


NAME, RIGHT = description(GDB, "raw.json")


@pytest.mark.parametrize("content", [None, b"{", b'{"image_name": "other.raw", "sysext": {}}'])
def test_one_that_is_not_named_and_says_nothing_is_as_none_and_looked_at_again_with_another_list(
    tmp_path: Path, key: SigningKey, cache: Path, content: bytes | None
) -> None:
    repository = unlisted(tmp_path, key, content)
    with Server(repository.folder) as server:
        known = describe(server, key, cache)
        assert (known.failure, known.release) == (None, None)
        (repository.folder / NAME).write_bytes(RIGHT)
        asked = len(server.requests)
        assert describe(server, key, cache).release is None
        assert len(server.requests) == asked + 1
        repository.write_list(names=[GDB, offer(repository, "other", "1", kind=None)])
        repository.sign(key)
        assert level(describe(server, key, cache)) == "glibc-2.42"


def test_one_that_is_not_named_and_does_not_end_is_as_none(tmp_path: Path, key: SigningKey, cache: Path) -> None:
    """Anybody on the way can make it so: it would keep the image away as a broken one."""
    with Server(unlisted(tmp_path, key, RIGHT).folder) as server:
        server.fail(NAME, Endless())
        known = describe(server, key, cache)
    assert (known.failure, known.release) == (None, None)


def test_what_nobody_vouches_for_is_remembered_as_that_for_a_day(
    tmp_path: Path, key: SigningKey, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever wrote it on the way decides no more than when it came, and not for longer."""
    repository = unlisted(tmp_path, key, RIGHT)
    now = time.time()
    with Server(repository.folder) as server:
        for seconds, requests in ((0, None), (86399, 1), (86401, 4), (-10, 4)):
            monkeypatch.setattr(time, "time", lambda at=now + seconds: at)
            asked = len(server.requests)
            known = describe(server, key, cache)
            assert (level(known), known.vouched) == ("glibc-2.42", False)
            assert requests in (None, len(server.requests) - asked), seconds


def test_what_is_published_elsewhere_is_asked_again(tmp_path: Path, key: SigningKey, cache: Path) -> None:
    repository = unlisted(tmp_path, key)
    with Server(repository.folder) as server, Server(repository.folder) as other:
        assert describe(server, key, cache).release is None
        (repository.folder / NAME).write_bytes(RIGHT)
        assert level(describe(other, key, cache)) == "glibc-2.42"


def test_a_description_that_cannot_be_had_is_not_remembered(tmp_path: Path, key: SigningKey, cache: Path) -> None:
    repository = unlisted(tmp_path, key, RIGHT)
    with Server(repository.folder) as server:
        server.fail(NAME, Status(code=500))
        assert describe(server, key, cache, network=replace(QUICK, deadline=1)).failure is Standing.UNREACHABLE
        server.heal()
        assert level(describe(server, key, cache)) == "glibc-2.42"


def test_one_of_the_list_that_cannot_be_read_is_not_asked_again(tmp_path: Path, key: SigningKey, cache: Path) -> None:
    repository = Repository(tmp_path / "own")
    offer(repository, "gdb", "2", kind=None)
    (repository.folder / NAME).write_bytes(b"{")
    repository.write_list()
    repository.sign(key)
    with Server(repository.folder) as server:
        for requests in (3, 1):
            asked = len(server.requests)
            assert undescribed(describe(server, key, cache), "not JSON")
            assert len(server.requests) - asked == requests


def test_an_endless_one(server: Server, key: SigningKey, cache: Path) -> None:
    server.fail(MANIFEST, Endless())
    assert undescribed(describe(server, key, cache), "larger than the limit of 1048576 bytes")


@pytest.mark.parametrize("described", [0, 1, 30])
@pytest.mark.parametrize("writable", [True, False])
def test_that_a_publisher_has_none_is_found_out_of_a_few(
    tmp_path: Path, key: SigningKey, cache: Path, described: int, writable: bool
) -> None:
    """600 images would cost 1800 requests for files that are not there, each time that anybody looks."""
    repository = Repository(tmp_path / "own")
    images = [offer(repository, f"tool{number:03}", "1", kind=None) for number in range(600)]
    for image in images[:described]:
        (repository.folder / description(image, "raw.json")[0]).write_bytes(description(image, "raw.json")[1])
    repository.write_list(names=images)
    repository.sign(key)
    # one that has some is asked about all; of one that has none, ten images tell it
    first = 2 + {0: 10 * 3, 1: 1 + 2 + 599 * 3, 30: 2 + 30 + 570 * 3}[described]
    with Server(repository.folder) as server:
        for requests in (first, 1 if writable else first):
            asked = len(server.requests)
            with Run([server.url], settings(key), cache, writable=writable) as run:
                known = run.describe()
            assert [level(each) for each in known] == ["glibc-2.42"] * described + [None] * (600 - described)
            assert len(server.requests) - asked == requests


@pytest.mark.parametrize("named", [True, False])
@pytest.mark.parametrize("name", ["git-2.43.x86-64.manifest.gz", "git-2.43.x86-64.sysext.manifest.gz"])
@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("image", ["git-2.43.x86-64.sysext.raw", "git-2.43.x86-64.sysext.raw.zst"])
def test_the_manifest_of_an_image_with_two_endings(
    tmp_path: Path, key: SigningKey, cache: Path, name: str, named: bool, packed: bool, image: str
) -> None:
    """With and without .sysext; and one that somebody unpacked on the way is read under its old name."""
    repository = Repository(tmp_path / "own")
    (repository.folder / image).write_bytes(b"image")
    plain = json.dumps({"config": {"name": "git", "version": "2.43"}, "extension": KEYS}).encode()
    (repository.folder / name).write_bytes(gzip.compress(plain) if packed else plain)
    repository.write_list(names=None if named else [image])
    repository.sign(key)
    with Server(repository.folder) as server:
        known = describe(server, key, cache, image)
    assert (level(known), known.early) == ("glibc-2.42", True)


def test_a_server_that_goes_away_after_its_list_was_had(server: Server, key: SigningKey, cache: Path) -> None:
    with Run([server.url], settings(key), cache, network=replace(QUICK, deadline=1)) as run:
        (candidate,) = [one for one in run.candidates() if one.file_name == GDB]
        server.stop()
        (known,) = run.source.describe([candidate]).values()
    assert known.failure is Standing.UNREACHABLE
    assert f"{server.url}/{MANIFEST}: connection refused" in known.reason


def test_one_missing_description_leaves_the_others(server: Server, key: SigningKey, cache: Path) -> None:
    server.fail(MANIFEST, Status(code=404))
    with Run([server.url], settings(key), cache) as run:
        first, missing, third = run.describe()
    assert (level(first), level(third)) == ("glibc-2.42", "glibc-2.42")
    assert undescribed(missing)


@pytest.mark.parametrize("named", [True, False])
def test_what_the_list_does_not_name_is_vouched_for_by_nobody(
    tmp_path: Path, key: SigningKey, cache: Path, named: bool
) -> None:
    """It came over HTTP: anybody on the way could have written it (threat P9)."""
    repository = Repository(tmp_path / "own")
    image = offer(repository, "gdb", "2", kind="manifest")
    repository.write_list(names=None if named else [image])
    repository.sign(key)
    with Server(repository.folder) as server:
        assert describe(server, key, cache).vouched is named


def test_of_many_large_ones_a_few_keys_stay_in_memory(tmp_path: Path, key: SigningKey, cache: Path) -> None:
    """60 of 1 MiB each, as a manifest is that lists packages, cost 384 MiB once."""
    repository = Repository(tmp_path / "own")
    for number in range(30):
        image = offer(repository, f"tool{number}", "1", kind=None)
        packages = [{"name": "x" * 1000, "version": str(line)} for line in range(900)]
        document = {"manifest_version": 1, "config": {}, "extension": dict(KEYS), "packages": packages}
        (repository.folder / f"{image.removesuffix('.raw')}.manifest").write_text(json.dumps(document))
    publish(repository, key)
    with Server(repository.folder) as server, Run([server.url], settings(key), cache) as run:
        run.candidates()
        tracemalloc.start()
        try:
            known = run.describe()
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert {level(each) for each in known} == {"glibc-2.42"}
    assert peak < 20 * 1024 * 1024
