# SPDX-License-Identifier: LGPL-2.1-or-later
"""A project in a registry, with a signed list: what is asked for, what is believed, and what is not (row N41)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from tests.lab.made_up_registry import PROJECT, MadeUpRegistry
from tests.lab.repository import Repository
from tests.lab.scripted import Answer, Asked, ScriptedServer
from tests.lab.signing import SigningKey
from tests.unit.net.samples import QUICK
from tests.unit.sources.samples import KEYS, Run, offer, publish, settings, sha256
from tukit_sysext.errors import ImageBroken, NotFound, SourceUnreachable
from tukit_sysext.formats import oci
from tukit_sysext.formats.oci import Descriptor, Index, Manifest
from tukit_sysext.rules.release import ReleaseData

IMAGES = ["gdb-1.x86-64.raw", "gdb-2.x86-64.raw", "strace-6.x86-64.raw"]
LIST = "sha256sums/manifests/latest"


@pytest.fixture
def registry(repository: Repository) -> Iterator[MadeUpRegistry]:
    with MadeUpRegistry() as started:
        started.publish(repository.folder)
        yield started


@pytest.fixture
def other(repository: Repository) -> Iterator[MadeUpRegistry]:
    with MadeUpRegistry() as started:
        started.publish(repository.folder)
        yield started


def test_all_of_it(registry: MadeUpRegistry, repository: Repository, key: SigningKey, cache: Path) -> None:
    with Run([registry.url], settings(key), cache) as run:
        assert run.names() == IMAGES
        assert {one.signer for one in run.candidates()} == {key.fingerprint}
        assert [known.release for known in run.describe("gdb-2.x86-64.raw")] == [ReleaseData(KEYS)]
        came, failures = run.fetch()
    assert failures == {}
    assert {name: image.content for name, image in came.items()} == {
        name: (repository.folder / name).read_bytes() for name in IMAGES
    }
    image = sha256((repository.folder / IMAGES[0]).read_bytes())
    assert f"gdb/blobs/sha256:{image}" in registry.paths


def test_what_is_asked_for_cold_and_warm(registry: MadeUpRegistry, key: SigningKey, cache: Path) -> None:
    """The tag alone, where nothing changed: all else is known by its hash."""
    for expected in (3, 1):
        registry.asked.clear()
        with Run([registry.url], settings(key), cache) as run:
            assert len(run.candidates()) == 3
        assert registry.paths[0] == LIST
        assert len(registry.paths) == expected
    assert registry.asked[0].headers["accept"] == oci.ACCEPTED


def test_a_list_that_was_signed_anew(
    registry: MadeUpRegistry, repository: Repository, key: SigningKey, cache: Path
) -> None:
    """The list is known by its hash, and not fetched again."""
    with Run([registry.url], settings(key), cache) as run:
        run.candidates()
    repository.sign(key, time=datetime.now(UTC) + timedelta(seconds=1))
    registry.publish(repository.folder)
    registry.asked.clear()
    with Run([registry.url], settings(key), cache) as run:
        assert run.names() == IMAGES
    assert len(registry.paths) == 2


@pytest.mark.parametrize("ending", ["asc", "sig"])
def test_other_names_of_signatures(
    registry: MadeUpRegistry, repository: Repository, key: SigningKey, cache: Path, ending: str
) -> None:
    (repository.folder / "SHA256SUMS.gpg").rename(repository.folder / f"SHA256SUMS.{ending}")
    registry.publish(repository.folder, lists=("SHA256SUMS", f"SHA256SUMS.{ending}"))
    with Run([registry.url], settings(key), cache) as run:
        assert run.names() == IMAGES


def refused(registry: MadeUpRegistry, key: SigningKey, cache: Path, words: str) -> None:
    """Refused in a cold run and in a warm one."""
    for _ in range(2):
        with Run([registry.url], settings(key), cache) as run, pytest.raises(ImageBroken, match=words):
            run.candidates()


def test_a_list_without_a_signature(
    registry: MadeUpRegistry, repository: Repository, key: SigningKey, cache: Path
) -> None:
    registry.publish(repository.folder, lists=("SHA256SUMS",))
    refused(registry, key, cache, "sha256sums:latest: it is not signed")


def test_a_list_of_another_key(registry: MadeUpRegistry, other_key: SigningKey, cache: Path) -> None:
    refused(registry, other_key, cache, "sha256sums:latest: its signature is refused.*is not in the keyring")


def test_a_list_that_is_stale(registry: MadeUpRegistry, repository: Repository, key: SigningKey, cache: Path) -> None:
    repository.write_list(best_before=date(2020, 1, 1))
    repository.sign(key)
    registry.publish(repository.folder)
    refused(registry, key, cache, "stale since 2020-01-01")


def test_an_older_list_is_not_believed_again(
    registry: MadeUpRegistry, other: MadeUpRegistry, repository: Repository, aged: SigningKey, cache: Path
) -> None:
    """Whoever has the registry tags an old one as the newest."""
    repository.sign(aged, time=datetime(2021, 1, 1, tzinfo=UTC))
    registry.publish(repository.folder)
    offer(repository, "gdb", "3")
    publish(repository, aged)
    other.publish(repository.folder)
    with Run([other.url], settings(aged), cache) as run:
        assert len(run.candidates()) == 4
    with Run([registry.url], settings(aged), cache) as run, pytest.raises(ImageBroken, match="older than the newest"):
        run.candidates()
    with Run([registry.url, other.url], settings(aged), cache) as run:
        assert len(run.candidates()) == 4


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({"other": b"x"}, "expected one layer that is called SHA256SUMS"),
        ({"SHA256SUMS": b"<html>", "SHA256SUMS.gpg": b""}, "its signature is refused"),
    ],
)
def test_an_artifact_that_has_no_list(
    registry: MadeUpRegistry, key: SigningKey, cache: Path, files: dict[str, bytes], words: str
) -> None:
    registry.put_files("sha256sums", files, "latest")
    refused(registry, key, cache, words)


@pytest.mark.parametrize("content", [b"", b"{}", b"<html>", b"[" * 100_000, b"\xff" * 10])
def test_what_is_no_manifest(registry: MadeUpRegistry, key: SigningKey, cache: Path, content: bytes) -> None:
    registry.put_manifest("sha256sums", content, "latest")
    refused(registry, key, cache, "sha256sums:latest: ")


def test_an_index_is_no_list(registry: MadeUpRegistry, key: SigningKey, cache: Path) -> None:
    found = Descriptor.of(oci.MANIFEST, registry.manifests["sha256sums", "latest"])
    registry.put_manifest("sha256sums", Index(manifests=(found,)), "latest")
    refused(registry, key, cache, "expected one layer that is called SHA256SUMS")


def test_a_mirror_with_a_bad_manifest_is_passed_over(
    registry: MadeUpRegistry, other: MadeUpRegistry, key: SigningKey, cache: Path
) -> None:
    registry.put_manifest("sha256sums", b"{}", "latest")
    with Run([registry.url, other.url], settings(key), cache) as run:
        assert run.names() == IMAGES
        assert all(one.locations[0].startswith(other.api) for one in run.candidates())


def test_a_mirror_whose_manifest_names_what_nobody_has_is_passed_over(
    registry: MadeUpRegistry, other: MadeUpRegistry, key: SigningKey, cache: Path
) -> None:
    layer = Descriptor.of(oci.PLAIN_LAYER, b"of nobody", title="SHA256SUMS")
    config = Descriptor.of(oci.EMPTY_CONFIG, oci.EMPTY)
    registry.put_manifest("sha256sums", Manifest(config=config, layers=(layer,)), "latest")
    with Run([registry.url, other.url], settings(key), cache) as run:
        assert run.names() == IMAGES
        assert all(one.locations[0].startswith(other.api) for one in run.candidates())


def test_other_bytes_than_the_digest_says(registry: MadeUpRegistry, key: SigningKey, cache: Path) -> None:
    """They are not even shown to gpgv."""
    for repository, digest in [each for each in registry.blobs if each[0] == "sha256sums"]:
        registry.blobs[repository, digest] += b"\n"
    with Run([registry.url], settings(key), cache) as run, pytest.raises(ImageBroken, match="found other bytes"):
        run.candidates()


def test_a_blob_of_the_list_from_the_mirror_that_has_it(
    registry: MadeUpRegistry, other: MadeUpRegistry, key: SigningKey, cache: Path
) -> None:
    for each in [each for each in registry.blobs if each[0] == "sha256sums"]:
        del registry.blobs[each]
    with Run([registry.url, other.url], settings(key), cache) as run:
        assert run.names() == IMAGES


def test_a_project_that_is_not_there(key: SigningKey, cache: Path) -> None:
    with (
        MadeUpRegistry() as empty,
        Run([empty.url], settings(key), cache) as run,
        pytest.raises(
            SourceUnreachable, match=f"{PROJECT}/sha256sums/manifests/latest: the server answers with status 404"
        ),
    ):
        run.candidates()


def test_a_registry_that_is_away(registry: MadeUpRegistry, key: SigningKey, cache: Path) -> None:
    network = replace(QUICK, patient=False)
    with (
        Run(["oci+http://127.0.0.1:1/images"], settings(key), cache, network=network) as run,
        pytest.raises(SourceUnreachable),
    ):
        run.candidates()
    with Run(["oci+http://127.0.0.1:1/images", registry.url], settings(key), cache, network=network) as run:
        assert run.names() == IMAGES


def test_an_image_whose_blob_is_gone(registry: MadeUpRegistry, key: SigningKey, cache: Path) -> None:
    with Run([registry.url], settings(key), cache) as run:
        (first, *_) = run.candidates()
        del registry.blobs["gdb", first.sha256]
        _, failures = run.fetch("gdb-1.x86-64.raw", "gdb-2.x86-64.raw")
    assert [type(error) for error in failures.values()] == [NotFound]


def test_an_image_whose_bytes_are_others(registry: MadeUpRegistry, key: SigningKey, cache: Path) -> None:
    with Run([registry.url], settings(key), cache) as run:
        (first, *_) = run.candidates()
        registry.blobs["gdb", first.sha256] = b"forged"
        came, failures = run.fetch(first.file_name)
    assert came == {}
    assert [type(error) for error in failures.values()] == [ImageBroken]


def test_blobs_may_come_from_another_host(
    registry: MadeUpRegistry, repository: Repository, key: SigningKey, cache: Path
) -> None:
    """Large registries keep them elsewhere; with the list's hash anybody may bring them, who is not told who we are."""
    content = (repository.folder / IMAGES[0]).read_bytes()
    with ScriptedServer(lambda _: Answer(body=content)) as elsewhere:

        def moved(asked: Asked) -> Answer | None:
            if "/gdb/blobs/" in asked.path:
                return Answer(status=307, headers={"Location": f"{elsewhere.url}/x?signature=y"})
            return None

        registry.instead = moved
        with Run([registry.url], settings(key), cache) as run:
            came, failures = run.fetch(IMAGES[0])
        assert (list(came), failures) == ([IMAGES[0]], {})
        assert "authorization" not in elsewhere.asked[0].headers


def test_what_the_list_does_not_describe_its_content_decides(
    repository: Repository, key: SigningKey, cache: Path
) -> None:
    for path in repository.folder.glob("*.manifest.gz"):
        path.unlink()
    publish(repository, key)
    with MadeUpRegistry() as registry:
        registry.publish(repository.folder)
        with Run([registry.url], settings(key), cache) as run:
            assert {known.release for known in run.describe()} == {None}
        assert len(registry.paths) == 3


def test_a_token_for_each_repository(registry: MadeUpRegistry, key: SigningKey, cache: Path) -> None:
    scopes: list[str] = []

    def give(asked: Asked) -> Answer:
        scopes.append(asked.path.rpartition("%2F")[2])
        return Answer(body=json.dumps({"token": scopes[-1]}).encode())

    with ScriptedServer(give) as tokens:

        def guard(asked: Asked) -> Answer | None:
            name = asked.path.split("/")[3]
            if asked.headers.get("authorization") == f"Bearer {name}%3Apull":
                return None
            challenge = f'Bearer realm="{tokens.url}/token",service="lab",scope="repository:{PROJECT}/{name}:pull"'
            return Answer(status=401, headers={"WWW-Authenticate": challenge})

        registry.instead = guard
        with Run([registry.url], settings(key), cache) as run:
            came, failures = run.fetch()
    assert (len(came), failures) == (3, {})
    assert sorted(scopes) == ["gdb%3Apull", "sha256sums%3Apull", "strace%3Apull"]
