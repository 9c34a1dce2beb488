# SPDX-License-Identifier: LGPL-2.1-or-later
"""Signatures of lists on servers: which are asked for, which are believed (threats N6, N8, N10 and N11)."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Literal

import pytest

from tests.lab.faults import Delay, Endless, Fault, Redirect, Status
from tests.lab.repository import Repository
from tests.lab.server import Server
from tests.lab.signing import SigningKey
from tests.unit.net.samples import QUICK
from tests.unit.sources.samples import Run, offer, publish, settings
from tukit_sysext.errors import ImageBroken, SourceUnreachable

IMAGES = ["gdb-1.x86-64.raw", "gdb-2.x86-64.raw", "strace-6.x86-64.raw"]


def paths(server: Server) -> list[str]:
    return [request.path for request in server.requests]


@pytest.mark.parametrize("style", ["text", "binary"])
@pytest.mark.parametrize("armoured", [False, True])
@pytest.mark.parametrize("armoured_keyring", [False, True])
def test_every_form_is_believed(
    server: Server,
    repository: Repository,
    key: SigningKey,
    cache: Path,
    style: Literal["text", "binary"],
    armoured: bool,
    armoured_keyring: bool,
) -> None:
    repository.write_list(style=style)
    repository.sign(key, armoured=armoured)
    with Run([server.url], settings(key, armoured=armoured_keyring), cache) as run:
        assert run.names() == IMAGES
    asked = ["/SHA256SUMS.gpg", "/SHA256SUMS.asc"] if armoured else ["/SHA256SUMS.gpg"]
    assert paths(server) == ["/SHA256SUMS", *asked]


def refused(server: Server, key: SigningKey, cache: Path, words: str) -> None:
    """Refused in a cold run and in a warm one."""
    for _ in range(2):
        with Run([server.url], settings(key), cache) as run, pytest.raises(ImageBroken, match=words) as caught:
            run.candidates()
        assert f"{server.url}/SHA256SUMS" in str(caught.value)


def test_without_a_signature(server: Server, repository: Repository, key: SigningKey, cache: Path) -> None:
    (repository.folder / "SHA256SUMS.gpg").unlink()
    refused(server, key, cache, "it is not signed")
    assert paths(server)[:3] == ["/SHA256SUMS", "/SHA256SUMS.gpg", "/SHA256SUMS.asc"]


def test_an_empty_signature(server: Server, repository: Repository, key: SigningKey, cache: Path) -> None:
    (repository.folder / "SHA256SUMS.gpg").write_bytes(b"")
    refused(server, key, cache, "its signature is refused")


def test_a_foreign_signature(server: Server, repository: Repository, other_key: SigningKey, cache: Path) -> None:
    refused(server, other_key, cache, "is not in the keyring")


def test_the_signature_of_another_list(server: Server, repository: Repository, key: SigningKey, cache: Path) -> None:
    offer(repository, "gdb", "3")
    repository.write_list()
    refused(server, key, cache, "another content")


def test_a_weak_signature(server: Server, repository: Repository, cache: Path) -> None:
    key = SigningKey.shared("RSA <rsa@localhost>", "rsa2048")
    repository.sign(key, digest="SHA1")
    refused(server, key, cache, "its signature is refused")


def test_a_signature_of_text(server: Server, repository: Repository, key: SigningKey, cache: Path) -> None:
    repository.sign(key, text_mode=True)
    refused(server, key, cache, "class 01")


def test_a_signature_from_the_future(server: Server, repository: Repository, key: SigningKey, cache: Path) -> None:
    repository.sign(key, time=datetime.now(UTC) + timedelta(days=1))
    refused(server, key, cache, "from the future")


def test_a_good_one_beside_one_by_an_unknown_key(
    server: Server, repository: Repository, key: SigningKey, other_key: SigningKey, cache: Path
) -> None:
    content = (repository.folder / "SHA256SUMS").read_bytes()
    (repository.folder / "SHA256SUMS.gpg").write_bytes(other_key.sign(content) + key.sign(content))
    with Run([server.url], settings(key), cache) as run:
        assert {one.signer for one in run.candidates()} == {key.fingerprint}


def test_an_endless_signature(server: Server, key: SigningKey, cache: Path) -> None:
    server.fail("SHA256SUMS.gpg", Endless())
    with (
        Run([server.url], settings(key), cache) as run,
        pytest.raises(ImageBroken, match=r"SHA256SUMS.gpg: larger than the limit of 65536 bytes"),
    ):
        run.candidates()


@pytest.mark.parametrize("fault", [Status(code=400), Status(code=401), Status(code=403), Redirect(url="ftp://x/y")])
@pytest.mark.parametrize("ending", ["asc", "sig", "pgp", "sign", "sha256.asc"])
def test_one_name_of_a_signature_that_we_are_not_given_is_as_none(
    server: Server, repository: Repository, key: SigningKey, cache: Path, fault: Fault, ending: str
) -> None:
    (repository.folder / "SHA256SUMS.gpg").rename(repository.folder / f"SHA256SUMS.{ending}")
    server.fail("SHA256SUMS.gpg", fault)
    with Run([server.url], settings(key), cache) as run:
        assert run.names() == IMAGES


def test_a_page_in_the_place_of_a_signature_is_as_none(
    server: Server, repository: Repository, key: SigningKey, cache: Path
) -> None:
    """As servers send it that answer everything with 200."""
    signature = (repository.folder / "SHA256SUMS.gpg").rename(repository.folder / "SHA256SUMS.sig")
    for ending in ("gpg", "asc"):
        (repository.folder / f"SHA256SUMS.{ending}").write_text("\n<!DOCTYPE html><title>Not found</title>\n")
    with Run([server.url], settings(key), cache) as run:
        assert run.names() == IMAGES
    signature.unlink()
    with (
        Run([server.url], settings(key), cache.with_name("cold")) as run,
        pytest.raises(ImageBroken, match="not signed"),
    ):
        run.candidates()


def test_a_signature_that_cannot_be_had_is_no_missing_one(server: Server, key: SigningKey, cache: Path) -> None:
    """Under no name: whether the list is signed, nobody knows."""
    server.fail("SHA256SUMS.gpg", Status(code=403))
    with (
        Run([server.url], settings(key), cache) as run,
        pytest.raises(SourceUnreachable, match=r"SHA256SUMS.gpg: the server answers with status 403"),
    ):
        run.candidates()
    assert paths(server)[-1] == "/SHA256SUMS.sha256.asc"


def test_a_server_in_trouble_has_no_other_name_for_it(server: Server, key: SigningKey, cache: Path) -> None:
    server.fail("SHA256SUMS.gpg", Status(code=500))
    with (
        Run([server.url], settings(key), cache, network=replace(QUICK, deadline=1)) as run,
        pytest.raises(SourceUnreachable, match=r"SHA256SUMS.gpg: the server answers with status 500"),
    ):
        run.candidates()
    assert "/SHA256SUMS.asc" not in paths(server)


def test_a_list_that_was_signed_anew_without_a_change(
    server: Server, repository: Repository, key: SigningKey, other_key: SigningKey, cache: Path
) -> None:
    """The publisher has another key now: the kept signature is refused, the new one is asked for and good."""
    with Run([server.url], settings(key), cache) as run:
        run.candidates()
    repository.sign(other_key)
    server.clear()
    for expected in (["/SHA256SUMS", "/SHA256SUMS.gpg"], ["/SHA256SUMS"]):
        server.clear()
        with Run([server.url], settings(other_key), cache) as run:
            assert {one.signer for one in run.candidates()} == {other_key.fingerprint}
        assert paths(server) == expected
    assert server.requests[0].status == 304


def test_a_key_that_is_no_longer_trusted(server: Server, key: SigningKey, other_key: SigningKey, cache: Path) -> None:
    with Run([server.url], settings(key), cache) as run:
        run.candidates()
    refused(server, other_key, cache, "is not in the keyring")


def test_what_was_not_verified_is_not_believed_later(
    server: Server, repository: Repository, key: SigningKey, other_key: SigningKey, cache: Path
) -> None:
    """The list is in the cache of a source that asked for no signature; then it is switched on."""
    repository.sign(other_key)
    with Run([server.url], settings(None, verify=False), cache) as run:
        assert {one.signer for one in run.candidates()} == {None}
    assert paths(server) == ["/SHA256SUMS"]
    refused(server, key, cache, "is not in the keyring")


def test_without_a_keyring(server: Server, cache: Path) -> None:
    with Run([server.url], settings(None), cache) as run, pytest.raises(ImageBroken, match="there is no keyring"):
        run.candidates()


def test_the_list_of_another_mirror_when_the_first_ones_is_refused(
    server: Server, repository: Repository, tmp_path: Path, key: SigningKey, other_key: SigningKey, cache: Path
) -> None:
    wrong = Repository(tmp_path / "wrong")
    offer(wrong, "evil", "1")
    publish(wrong, other_key)
    with Server(wrong.folder) as bad:
        for _ in range(2):
            with Run([bad.url, server.url], settings(key), cache) as run:
                assert run.names() == IMAGES
                assert all(one.locations[0].startswith(server.url) for one in run.candidates())


def test_when_all_are_refused_each_is_told(server: Server, mirror: Server, other_key: SigningKey, cache: Path) -> None:
    with (
        Run([server.url, mirror.url], settings(other_key), cache) as run,
        pytest.raises(ImageBroken) as caught,
    ):
        run.candidates()
    assert f"{server.url}/SHA256SUMS" in str(caught.value)
    assert f"{mirror.url}/SHA256SUMS" in str(caught.value)


def test_one_refused_and_one_away_is_refused(
    server: Server, mirror: Server, other_key: SigningKey, cache: Path
) -> None:
    mirror.fail("*", Status(code=403))
    with (
        Run([server.url, mirror.url], settings(other_key), cache) as run,
        pytest.raises(ImageBroken, match="is not in the keyring"),
    ):
        run.candidates()


@pytest.mark.parametrize("fault", [Status(code=403), Delay(seconds=60)])
def test_the_next_mirror_where_the_first_ones_signature_cannot_be_had(
    server: Server, mirror: Server, key: SigningKey, cache: Path, fault: Status | Delay
) -> None:
    server.fail("SHA256SUMS.gpg", fault)
    with Run([server.url, mirror.url], settings(key), cache, network=replace(QUICK, deadline=1)) as run:
        assert run.names() == IMAGES


@pytest.mark.parametrize(("days", "stale"), [(-1, True), (0, False), (1, False)])
def test_a_list_says_when_it_goes_stale(
    server: Server, repository: Repository, key: SigningKey, cache: Path, days: int, stale: bool
) -> None:
    today: date = datetime.now(UTC).date()
    repository.write_list(best_before=today + timedelta(days=days))
    repository.sign(key)
    with Run([server.url], settings(key), cache) as run:
        if stale:
            with pytest.raises(ImageBroken, match=f"SHA256SUMS: stale since {today - timedelta(days=1)}"):
                run.candidates()
        else:
            assert run.names() == IMAGES


def test_a_list_that_goes_stale_in_the_cache(
    server: Server, repository: Repository, key: SigningKey, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository.write_list(best_before=datetime.now(UTC).date() + timedelta(days=10))
    repository.sign(key)
    with Run([server.url], settings(key), cache) as run:
        run.candidates()

    class Later(datetime):
        @classmethod
        def now(cls, tz: object = None) -> Later:
            return cls.fromtimestamp(datetime.now(UTC).timestamp() + 11 * 86400, UTC)

    monkeypatch.setattr("tukit_sysext.sources.repository.datetime", Later)
    with Run([server.url], settings(key), cache) as run, pytest.raises(ImageBroken, match="stale since"):
        run.candidates()
    assert [request.status for request in server.requests if request.path == "/SHA256SUMS"] == [200, 304, 200]
