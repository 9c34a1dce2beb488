# SPDX-License-Identifier: LGPL-2.1-or-later
"""The example that mirrors a repository, with a real wget: a copy is believed as the original is."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.lab.repository import Repository
from tests.lab.server import Server
from tests.lab.signing import SigningKey
from tests.machine import PlainMachine
from tests.rpm import TOP
from tests.unit.sources.samples import publish
from tukit_sysext import cli

pytestmark = pytest.mark.tool("wget", "gpgv", "sha256sum")

SCRIPT = TOP / "spec/examples/fleet/mirror"


class Mirror:
    """The mirror of a repository on a server."""

    def __init__(self, server: Server, key: SigningKey, folder: Path) -> None:
        self.folder = folder / "mirror"
        self._server = server
        self._key = key.write_keyring(folder / "main.gpg")

    def run(self) -> subprocess.CompletedProcess[str]:
        argv = ["sh", str(SCRIPT), self._server.url, str(self.folder), str(self._key)]
        return subprocess.run(argv, capture_output=True, text=True, check=False)

    def has(self) -> set[str]:
        return {path.name for path in self.folder.iterdir() if path.name != ".new"}

    def listed(self) -> bytes:
        return (self.folder / "SHA256SUMS").read_bytes()


@pytest.fixture
def mirror(server: Server, key: SigningKey, tmp_path: Path) -> Mirror:
    return Mirror(server, key, tmp_path)


def fetched(server: Server) -> set[str]:
    return {
        request.path.lstrip("/") for request in server.requests if request.status == 200 and request.method == "GET"
    }


def test_a_mirror_is_believed(
    mirror: Mirror,
    key: SigningKey,
    repository: Repository,
    site: PlainMachine,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    done = mirror.run()
    assert done.returncode == 0, done.stderr
    assert mirror.has() == {path.name for path in repository.folder.iterdir()}
    armoured = key.write_keyring(tmp_path / "main.asc", armoured=True)
    argv = ["sources", "add", "main", str(mirror.folder), "--key", str(armoured)]
    assert cli.main(argv, machine=site.machine) == 0, capsys.readouterr()
    assert cli.main(["list", "--all"], machine=site.machine) == 0
    assert "gdb" in capsys.readouterr().out


def test_what_is_there_is_not_fetched_again(
    mirror: Mirror, server: Server, repository: Repository, key: SigningKey
) -> None:
    assert mirror.run().returncode == 0
    (repository.folder / "strace-7.x86-64.raw").write_bytes(b"new")
    publish(repository, key)
    server.clear()
    assert mirror.run().returncode == 0
    assert fetched(server) == {"SHA256SUMS", "SHA256SUMS.gpg", "strace-7.x86-64.raw"}
    assert mirror.listed() == (repository.folder / "SHA256SUMS").read_bytes()


def other_signature(repository: Repository) -> None:
    publish(repository, SigningKey.shared("Somebody else <else@localhost>"))


def unsigned_list(repository: Repository) -> None:
    with (repository.folder / "SHA256SUMS").open("a") as listed:
        listed.write(f"{'0' * 64}  page.raw\n")


def another_image(repository: Repository) -> None:
    next(repository.folder.glob("gdb-2*.raw")).write_bytes(b"another content")


def missing_image(repository: Repository) -> None:
    next(repository.folder.glob("gdb-2*.raw")).unlink()


@pytest.mark.parametrize("fault", [other_signature, unsigned_list, another_image, missing_image])
def test_a_list_whose_images_are_not_there_is_not_put_in_place(
    mirror: Mirror, repository: Repository, key: SigningKey, fault: Callable[[Repository], None]
) -> None:
    """Whoever reads the mirror meanwhile has the former list, with its signature and its images."""
    next(repository.folder.glob("gdb-2*.raw")).rename(repository.folder.parent / "gdb-2")
    publish(repository, key)
    assert mirror.run().returncode == 0
    before = mirror.listed()
    (repository.folder.parent / "gdb-2").rename(repository.folder / "gdb-2.x86-64.raw")
    publish(repository, key)
    fault(repository)
    assert mirror.run().returncode != 0
    assert mirror.listed() == before
