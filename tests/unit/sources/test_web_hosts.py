# SPDX-License-Identifier: LGPL-2.1-or-later
"""Servers that redirect to others (threat N12): a redirector of mirrors, a CDN, one of them behind, or a liar.

``server`` is the configured one, ``mirror`` and ``third`` are hosts to which it redirects.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from tests.lab.authority import Authority
from tests.lab.faults import Corrupt, Endless, Redirect, Status, Truncated
from tests.lab.ports import unused_url
from tests.lab.repository import Repository
from tests.lab.server import Server
from tests.lab.signing import SigningKey
from tests.unit.net.samples import QUICK
from tests.unit.sources.samples import Run, settings
from tests.unit.sources.test_replay import NOW
from tukit_sysext.errors import ImageBroken, NotFound, NotServed, SourceUnreachable

IMAGES = ["gdb-1.x86-64.raw", "gdb-2.x86-64.raw", "strace-6.x86-64.raw"]
GDB = "gdb-2.x86-64.raw"
NO_CACHE = ("cache-control", "no-cache")


@pytest.fixture
def key(aged: SigningKey) -> SigningKey:
    """One that could sign two days ago."""
    return aged


@pytest.fixture
def behind(repository: Repository, key: SigningKey, tmp_path: Path) -> Iterator[Server]:
    """A host that is two days behind: it has the list of then, and other bytes under a name of today."""
    old = Repository(Path(shutil.copytree(repository.folder, tmp_path / "behind")))
    repository.sign(key, time=NOW)
    (old.folder / GDB).write_bytes(b"yesterday's\n")
    old.write_list()
    old.sign(key, time=NOW - timedelta(days=2))
    with Server(old.folder) as started:
        yield started


@pytest.fixture
def third(repository: Repository) -> Iterator[Server]:
    with Server(repository.folder) as started:
        yield started


def to(server: Server) -> Redirect:
    return Redirect(url=f"{server.url}/{{path}}")


def asked(server: Server, name: str) -> list[bool]:
    """The requests for a file, and which of them went past caches."""
    return [NO_CACHE in request.headers.items() for request in server.requests if request.path == f"/{name}"]


def test_list_signature_descriptions_and_images_may_come_from_elsewhere(
    server: Server, mirror: Server, key: SigningKey, cache: Path
) -> None:
    """As MirrorCache and the release pages of a forge do it. The record has the URL of the source."""
    server.fail("*", to(mirror))
    for _ in range(2):
        with Run([server.url], settings(key), cache) as run:
            assert run.names() == IMAGES
            assert all(description.failure is None for description in run.describe())
            images, failures = run.fetch()
            assert (len(images), failures) == (3, {})
            assert run.candidates()[0].locations == (f"{server.url}/{IMAGES[0]}",)
    first, *rest = [request.status for request in mirror.requests if request.path == "/SHA256SUMS"]
    assert (first, set(rest)) == (200, {304})


def test_without_a_signature_nothing_comes_from_elsewhere(server: Server, mirror: Server, cache: Path) -> None:
    server.fail("SHA256SUMS", to(mirror))
    with (
        Run([server.url], settings(None, verify=False), cache) as run,
        pytest.raises(SourceUnreachable, match="redirects to another server, which is not followed"),
    ):
        run.candidates()
    assert mirror.requests == []


def test_a_list_that_nobody_signs_may_come_from_where_an_https_server_leads(
    repository: Repository, secure: Server, mirror: Server, authority: Authority, cache: Path
) -> None:
    """The bakery of Flatcar: the server that is trusted says so, over connections that nobody else writes to."""
    network = replace(QUICK, ca_file=str(authority.certificate_path))
    with Server(repository.folder, authority=authority) as elsewhere:
        secure.fail("*", to(elsewhere))
        with Run([secure.url], settings(None, verify=False), cache, network=network) as run:
            assert run.names() == IMAGES
            assert len(run.fetch()[0]) == 3
        elsewhere.fail("SHA256SUMS", to(mirror))
        with (
            Run([secure.url], settings(None, "other", verify=False), cache, network=network) as run,
            pytest.raises(SourceUnreachable, match="from HTTPS to HTTP"),
        ):
            run.candidates()


def test_list_and_signature_of_two_hosts_are_no_pair(
    server: Server, mirror: Server, third: Server, key: SigningKey, cache: Path
) -> None:
    """Though they would fit: the signature is asked for beside the list, and taken from there alone."""
    server.fail("SHA256SUMS", to(mirror))
    server.fail("SHA256SUMS.gpg", to(third))
    with Run([server.url], settings(key), cache) as run:
        assert run.names() == IMAGES
    assert asked(mirror, "SHA256SUMS.gpg") == [False]

    mirror.fail("SHA256SUMS.gpg", Status(code=404))
    with Run([server.url], settings(key, "other"), cache) as run, pytest.raises(SourceUnreachable) as caught:
        run.candidates()
    assert f"its signature from {third.url}/SHA256SUMS.gpg" in str(caught.value)
    assert not isinstance(caught.value, NotFound)


def test_a_pair_that_does_not_belong_together_is_asked_for_again(
    server: Server, mirror: Server, third: Server, key: SigningKey, cache: Path
) -> None:
    """A cache has the list of yesterday, and the signature of today."""
    for name in ("SHA256SUMS", "SHA256SUMS.gpg"):
        server.fail(name, to(mirror), times=1)
        server.fail(name, to(third))
    mirror.fail("SHA256SUMS", Corrupt(offset=1))
    with Run([server.url], settings(key), cache) as run:
        assert run.names() == IMAGES
    assert asked(server, "SHA256SUMS") == [False, True]
    assert (asked(third, "SHA256SUMS"), asked(third, "SHA256SUMS.gpg")) == ([True], [True])


def test_a_signature_by_its_other_name(
    server: Server, mirror: Server, repository: Repository, key: SigningKey, cache: Path
) -> None:
    """A host that was redirected to does not have the first one."""
    repository.sign(key, armoured=True)
    server.fail("*", to(mirror))
    with Run([server.url], settings(key), cache) as run:
        assert run.names() == IMAGES
    assert (len(asked(server, "SHA256SUMS.gpg")), len(asked(server, "SHA256SUMS.asc"))) == (1, 1)


@pytest.mark.parametrize("fault", ["stale", "replayed", "not signed", "foreign", "malformed"])
def test_what_one_host_gives_that_was_redirected_to_refuses_nothing(
    server: Server, mirror: Server, behind: Server, key: SigningKey, other_aged: SigningKey, cache: Path, fault: str
) -> None:
    """It is not reachable, and another mirror that is right has the list."""
    old = Repository(next(iter(behind._folders.values())))
    if fault == "replayed":
        with Run([mirror.url], settings(key), cache) as run:
            run.candidates()
    elif fault == "stale":
        old.write_list(best_before=NOW.date() - timedelta(days=3))
    elif fault == "malformed":
        (old.folder / "SHA256SUMS").write_text("no-hash  gdb-1.x86-64.raw\n")
    old.sign(other_aged if fault == "foreign" else key, time=NOW - timedelta(days=2))
    if fault == "not signed":
        (old.folder / "SHA256SUMS.gpg").unlink()
    server.fail("SHA256SUMS*", to(behind))

    with Run([server.url], settings(key), cache) as run, pytest.raises(SourceUnreachable) as caught:
        run.candidates()
    assert f"{behind.url}/SHA256SUMS alone says so" in str(caught.value)
    assert len(asked(behind, "SHA256SUMS")) == 3

    with Run([server.url, mirror.url], settings(key), cache) as run:
        assert run.names() == IMAGES
        assert run.candidates()[0].locations[0].startswith(mirror.url)


def test_what_two_hosts_give_alike_is_bad(
    server: Server, mirror: Server, third: Server, other_key: SigningKey, cache: Path
) -> None:
    for name in ("SHA256SUMS", "SHA256SUMS.gpg"):
        server.fail(name, to(mirror), times=1)
        server.fail(name, to(third))
    with (
        Run([server.url], settings(other_key), cache) as run,
        pytest.raises(ImageBroken, match="is not in the keyring"),
    ):
        run.candidates()
    assert (len(asked(mirror, "SHA256SUMS")), len(asked(third, "SHA256SUMS"))) == (1, 1)


def test_what_the_configured_host_gives_itself_is_bad(server: Server, other_key: SigningKey, cache: Path) -> None:
    """Asked for once more, past caches, as the publisher may just write both."""
    with Run([server.url], settings(other_key), cache) as run, pytest.raises(ImageBroken):
        run.candidates()
    assert asked(server, "SHA256SUMS") == [False, True]


def test_a_publisher_who_just_writes_both(server: Server, repository: Repository, key: SigningKey, cache: Path) -> None:
    server.fail("SHA256SUMS.gpg", Corrupt(offset=40), times=1)
    with Run([server.url], settings(key), cache) as run:
        assert run.names() == IMAGES


def test_a_host_that_is_behind_is_believed_where_nothing_newer_was_seen(
    server: Server, behind: Server, key: SigningKey, cache: Path
) -> None:
    """Its list is signed, and no older than any that was seen; what is on it has to come from somewhere."""
    server.fail("*", to(behind))
    with Run([server.url], settings(key), cache) as run:
        assert run.names() == IMAGES
        images, failures = run.fetch()
    assert (len(images), failures) == (3, {})


def test_another_mirror_that_has_a_newer_list_is_found_where_it_is_asked_for(
    server: Server, mirror: Server, behind: Server, key: SigningKey, cache: Path
) -> None:
    """The first one is behind, and nothing newer was seen: only the others can tell."""
    with Run([behind.url, server.url], settings(key), cache) as run:
        assert run.candidates()[0].locations[0].startswith(behind.url)
        assert run.source.newer()
        assert run.candidates()[0].locations[0].startswith(server.url)
        assert not run.source.newer(), "nobody has a newer one than that"
    behind.clear()
    with Run([behind.url], settings(key, "other"), cache) as run:
        run.candidates()
        assert not run.source.newer()
    assert asked(behind, "SHA256SUMS") == [False, True]
    with Run([mirror.url, server.url], settings(None, "unsigned", verify=False), cache) as run:
        run.candidates()
        assert not run.source.newer(), "which list is newer, only a signature tells"


def test_an_image_of_yesterday_is_asked_for_again_past_caches(
    server: Server, mirror: Server, behind: Server, key: SigningKey, cache: Path
) -> None:
    server.fail(GDB, to(behind), times=1)
    server.fail(GDB, to(mirror))
    with Run([server.url], settings(key), cache) as run:
        images, failures = run.fetch()
    assert (len(images), failures) == (3, {})
    assert asked(server, GDB) == [False, True]
    assert asked(mirror, GDB) == [True]


def test_an_image_of_yesterday_from_one_host_is_not_called_bad(
    server: Server, behind: Server, key: SigningKey, cache: Path
) -> None:
    server.fail(GDB, to(behind))
    with Run([server.url], settings(key), cache) as run:
        images, failures = run.fetch()
    assert len(images) == 2
    assert type(failures[GDB]) is NotServed
    assert f"{behind.url}/{GDB} alone says so" in str(failures[GDB])
    assert len(asked(behind, GDB)) == 3


def test_an_image_of_yesterday_from_two_hosts_is_bad(
    server: Server, mirror: Server, third: Server, key: SigningKey, cache: Path
) -> None:
    server.fail(GDB, to(mirror), times=1)
    server.fail(GDB, to(third))
    for host in (mirror, third):
        host.fail(GDB, Corrupt(offset=3))
    with Run([server.url], settings(key), cache) as run:
        _, failures = run.fetch(GDB)
    assert isinstance(failures[GDB], ImageBroken)


def test_two_hosts_that_have_it_wrong_in_two_ways_convict_nobody(
    server: Server, mirror: Server, third: Server, key: SigningKey, cache: Path
) -> None:
    server.fail(GDB, to(mirror), times=1)
    server.fail(GDB, to(third))
    mirror.fail(GDB, Truncated(size=10))
    third.fail(GDB, Truncated(size=11))
    with Run([server.url], settings(key), cache) as run:
        _, failures = run.fetch(GDB)
    assert type(failures[GDB]) is NotServed


def test_the_next_mirror_is_asked_before_one_that_redirected_to_a_wrong_image(
    server: Server, mirror: Server, behind: Server, key: SigningKey, cache: Path
) -> None:
    server.fail(GDB, to(behind))
    with Run([server.url, mirror.url], settings(key), cache) as run:
        images, failures = run.fetch(GDB)
    assert (list(images), failures) == ([GDB], {})
    assert (len(asked(server, GDB)), len(asked(mirror, GDB))) == (1, 1)


@pytest.mark.parametrize("fault", [Status(code=404), Status(code=403), Endless()])
def test_what_a_host_that_was_redirected_to_does_not_have_may_be_elsewhere(
    server: Server, mirror: Server, third: Server, key: SigningKey, cache: Path, fault: Status | Endless
) -> None:
    server.fail(GDB, to(mirror), times=1)
    server.fail(GDB, to(third), times=1)
    server.fail(GDB, to(mirror))
    mirror.fail(GDB, fault)
    with Run([server.url], settings(key), cache) as run:
        assert list(run.fetch(GDB)[0]) == [GDB]
        _, failures = run.fetch(GDB)
    assert type(failures[GDB]) is NotServed, "one mirror alone does not say that it is gone"


def test_a_host_that_is_down_is_one_of_many(server: Server, mirror: Server, key: SigningKey, cache: Path) -> None:
    """Who types a command waits for no server that is away: but the redirector knows others."""
    server.fail(GDB, Redirect(url=f"{unused_url()}/{{path}}"), times=1)
    server.fail(GDB, to(mirror))
    with Run([server.url], settings(key), cache, network=replace(QUICK, patient=False)) as run:
        assert list(run.fetch(GDB)[0]) == [GDB]


def test_a_description_of_yesterday_convicts_no_image(
    server: Server, behind: Server, key: SigningKey, cache: Path
) -> None:
    name = "gdb-2.x86-64.manifest.gz"
    (next(iter(behind._folders.values())) / name).write_bytes(b"yesterday's")
    server.fail(name, to(behind))
    with Run([server.url], settings(key), cache) as run:
        (description,) = run.describe(GDB)
    assert (description.failure, description.release) == (None, None), "the content decides"


def test_where_a_redirect_leads_is_shown_without_its_secrets(
    server: Server, mirror: Server, key: SigningKey, cache: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A CDN is told by the query who may read it."""
    caplog.set_level("DEBUG")
    server.fail("*", Redirect(url=mirror.url.replace("//", "//user:geheim@") + "/{path}?X-Signature=geheim#geheim"))
    mirror.fail(GDB, Corrupt(offset=3))
    mirror.fail("strace*.raw", Status(code=403))
    with Run([server.url], settings(key), cache) as run:
        _, failures = run.fetch()
    assert sorted(failures) == [GDB, "strace-6.x86-64.raw"]
    texts = [str(error) for error in failures.values()]
    assert all(mirror.url in text for text in texts), "it is not said who has it wrong"
    kept = b"".join(path.read_bytes() for path in cache.parent.rglob("*") if path.is_file())
    assert "geheim" not in "".join(texts) + caplog.text
    assert b"geheim" not in kept
    assert {request.query for request in mirror.requests} == {"X-Signature=geheim"}


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority.make(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def secure(repository: Repository, authority: Authority) -> Iterator[Server]:
    with Server(repository.folder, authority=authority) as started:
        yield started


def test_what_the_signed_list_has_the_hash_of_may_come_over_http(
    secure: Server, mirror: Server, authority: Authority, key: SigningKey, cache: Path
) -> None:
    network = replace(QUICK, ca_file=str(authority.certificate_path))
    secure.fail("*.raw", to(mirror))
    secure.fail("*.manifest.gz", to(mirror))
    with Run([secure.url], settings(key), cache, network=network) as run:
        assert all(description.vouched and description.failure is None for description in run.describe())
        images, failures = run.fetch()
    assert (len(images), failures) == (3, {})

    secure.fail("SHA256SUMS*", to(mirror))
    with (
        Run([secure.url], settings(key, "other"), cache, network=network) as run,
        pytest.raises(SourceUnreachable, match="from HTTPS to HTTP"),
    ):
        run.candidates()
    assert "/SHA256SUMS" not in [request.path for request in mirror.requests]


def test_what_no_signed_list_has_the_hash_of_does_not_come_over_http(
    secure: Server, mirror: Server, authority: Authority, cache: Path
) -> None:
    network = replace(QUICK, ca_file=str(authority.certificate_path))
    secure.fail("*.raw", to(mirror))
    with Run([secure.url], settings(None, verify=False), cache, network=network) as run:
        _, failures = run.fetch(GDB)
    assert "from HTTPS to HTTP" in str(failures[GDB])
    assert mirror.requests == []
