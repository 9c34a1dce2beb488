# SPDX-License-Identifier: LGPL-2.1-or-later
"""Real registries in each form that tests ask for, with oras as their client."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.lab.authority import Authority
from tests.lab.errors import LabError
from tests.lab.ports import accepts
from tests.lab.registry import LOGIN, Registry, tool
from tests.lab.server import Server
from tests.lab.token_server import TokenServer

pytestmark = [pytest.mark.root, pytest.mark.lab]

CONTENT = random.Random(1).randbytes(100_000)
PLAIN = "--plain-http"
KNOWN = ("-u", LOGIN.partition(":")[0], "-p", LOGIN.partition(":")[2])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with `a.raw`, where oras runs."""
    folder = tmp_path / "work"
    folder.mkdir()
    (folder / "a.raw").write_bytes(CONTENT)
    return folder


def push(registry: Registry, folder: Path, *options: str, authority: Authority | None = None) -> None:
    plain = [] if authority else [PLAIN]
    tool("oras", "push", *plain, *options, f"{registry.host}/p/a:1", "a.raw", folder=folder, authority=authority)


def pull(registry: Registry, folder: Path, *options: str, authority: Authority | None = None) -> bytes:
    plain = [] if authority else [PLAIN]
    (folder / "out/a.raw").unlink(missing_ok=True)
    argv = ["oras", "pull", *plain, *options, "-o", "out", f"{registry.host}/p/a:1"]
    tool(*argv, folder=folder, authority=authority)
    return (folder / "out/a.raw").read_bytes()


def test_plain_and_again_on_the_same_port(folder: Path, tmp_path: Path) -> None:
    with Registry(tmp_path / "plain") as registry:
        push(registry, folder)
        assert pull(registry, folder) == CONTENT
        registry.stop()
        assert not accepts(registry.port)
        got = [(row.method, row.status, row.sent) for row in registry.requests if "/blobs/sha256" in row.path]
        assert got[-1] == ("GET", 200, len(CONTENT))
        port = registry.port
        registry.start()
        assert (registry.port, registry.requests) == (port, [])
        assert pull(registry, folder) == CONTENT


def test_a_login(folder: Path, tmp_path: Path) -> None:
    with Registry(tmp_path / "basic", login=True) as registry:
        with pytest.raises(LabError):
            push(registry, folder)
        push(registry, folder, *KNOWN)
        assert pull(registry, folder, *KNOWN) == CONTENT


@pytest.mark.parametrize("anonymous", [False, True])
def test_tokens(folder: Path, tmp_path: Path, anonymous: bool) -> None:
    with (
        TokenServer(tmp_path / "tokens", login=LOGIN, anonymous_pull=anonymous) as tokens,
        Registry(tmp_path / "bearer", tokens=tokens) as registry,
    ):
        push(registry, folder, *KNOWN)
        assert tokens.asked == [("repository:p/a:pull,push",)]
        with pytest.raises(LabError):
            push(registry, folder, "--annotation", "another=manifest")
        if anonymous:
            assert pull(registry, folder) == CONTENT
        else:
            with pytest.raises(LabError):
                pull(registry, folder)
        assert pull(registry, folder, *KNOWN) == CONTENT


def test_tls(folder: Path, tmp_path: Path) -> None:
    authority = Authority.make(tmp_path / "authority")
    stranger = Authority.make(tmp_path / "stranger")
    with Registry(tmp_path / "tls", authority=authority) as registry:
        push(registry, folder, authority=authority)
        assert pull(registry, folder, authority=authority) == CONTENT
        with pytest.raises(LabError, match="unknown authority"):
            pull(registry, folder, authority=stranger)


def test_blobs_are_redirected(folder: Path, tmp_path: Path) -> None:
    place = tmp_path / "redirecting"
    with Server(place / "storage") as blobs, Registry(place, blobs_at=blobs.url) as registry:
        push(registry, folder)
        assert pull(registry, folder) == CONTENT
        assert [row.sent for row in blobs.requests if row.method == "GET"] == [len(CONTENT)]


def test_a_pull_through_cache(folder: Path, tmp_path: Path) -> None:
    with Registry(tmp_path / "origin") as origin:
        push(origin, folder)
        with Registry(tmp_path / "cache", cache_of=origin) as cache:
            assert pull(cache, folder) == CONTENT
            origin.stop()
            assert pull(cache, folder) == CONTENT
    with pytest.raises(LabError, match="does not start"):
        Registry(tmp_path / "early", cache_of=origin).start()
