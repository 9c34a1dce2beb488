# SPDX-License-Identifier: LGPL-2.1-or-later
"""A local directory is believed no more than a server."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.lab.repository import Repository
from tests.lab.signing import SigningKey
from tests.unit.net.samples import QUICK
from tests.unit.sources.samples import Image, settings, trust
from tukit_sysext.config.settings import SourceSettings
from tukit_sysext.errors import ImageBroken, SourceUnreachable, StoreError
from tukit_sysext.sources import directory
from tukit_sysext.sources.candidate import Candidate, Standing
from tukit_sysext.sources.directory import DirectorySource

GDB = "gdb-2.x86-64.raw"
Open = Callable[[SourceSettings], DirectorySource]


@pytest.fixture
def opened(repository: Repository, cache: Path) -> Open:
    """The repository as a source with these settings."""
    return lambda of: DirectorySource(of, repository.folder, trust(of, cache), limits=QUICK)


def gdb(source: DirectorySource) -> Candidate:
    return next(one for one in source.candidates() if one.file_name == GDB)


@pytest.mark.parametrize("armoured", [False, True])
def test_a_signed_list(opened: Open, repository: Repository, key: SigningKey, armoured: bool) -> None:
    repository.sign(key, armoured=armoured)
    found = gdb(opened(settings(key)))
    assert (found.signer, found.size) == (key.fingerprint, (repository.folder / GDB).stat().st_size)
    assert found.locations == (str(repository.folder / GDB),)


def test_an_unsigned_list_is_refused(opened: Open, repository: Repository, key: SigningKey) -> None:
    (repository.folder / "SHA256SUMS.gpg").unlink()
    with pytest.raises(ImageBroken, match="SHA256SUMS: it is not signed"):
        opened(settings(key)).candidates()


def test_a_foreign_signature_is_refused(opened: Open, other_key: SigningKey) -> None:
    with pytest.raises(ImageBroken, match="is not in the keyring"):
        opened(settings(other_key)).candidates()


def test_without_verification_the_list_alone_counts(opened: Open, repository: Repository) -> None:
    (repository.folder / "SHA256SUMS.gpg").unlink()
    assert gdb(opened(settings(None, verify=False))).signer is None


def test_a_signature_that_is_no_file(opened: Open, repository: Repository, key: SigningKey) -> None:
    """Nothing is waited for."""
    (repository.folder / "SHA256SUMS.gpg").unlink()
    os.mkfifo(repository.folder / "SHA256SUMS.gpg")
    with pytest.raises(ImageBroken, match=r"SHA256SUMS.gpg: expected a regular file"):
        opened(settings(key)).candidates()


def test_a_large_signature(opened: Open, repository: Repository, key: SigningKey) -> None:
    (repository.folder / "SHA256SUMS.gpg").write_bytes(bytes(65537))
    with pytest.raises(ImageBroken, match=r"SHA256SUMS.gpg: larger than 65536 bytes"):
        opened(settings(key)).candidates()


def test_a_folder_that_is_away(tmp_path: Path, key: SigningKey, cache: Path) -> None:
    source = DirectorySource(settings(key), tmp_path / "none", trust(settings(key), cache), limits=QUICK)
    with pytest.raises(SourceUnreachable, match="/none/SHA256SUMS"):
        source.candidates()


def test_an_image_comes_whole(opened: Open, repository: Repository, key: SigningKey) -> None:
    source = opened(settings(key))
    candidate = gdb(source)
    sink = Image(candidate.sha256)
    assert source.fetch([(candidate, sink)]) == {}
    content = (repository.folder / GDB).read_bytes()
    assert (sink.content, sink.finished, sink.expected) == (content, True, [len(content)])


def test_why_an_image_did_not_come(opened: Open, repository: Repository, key: SigningKey) -> None:
    source = opened(settings(key))
    candidates = source.candidates()
    (repository.folder / GDB).write_bytes(b"other")
    (repository.folder / "gdb-1.x86-64.raw").unlink()
    sinks = [(candidate, Image(candidate.sha256)) for candidate in candidates]
    failures = source.fetch(sinks)
    by_name = {candidate.file_name: failures.get(candidate.sha256) for candidate in candidates}
    assert isinstance(by_name[GDB], ImageBroken)
    assert isinstance(by_name["gdb-1.x86-64.raw"], SourceUnreachable)
    assert by_name["strace-6.x86-64.raw"] is None


def test_no_room_is_told_before_anything_is_read(opened: Open, key: SigningKey) -> None:
    class Full(Image):
        def expect(self, size: int) -> None:
            raise StoreError(f"{size} bytes are too many")

    source = opened(settings(key))
    candidate = gdb(source)
    sink = Full(candidate.sha256)
    failures = source.fetch([(candidate, sink)])
    assert isinstance(failures[candidate.sha256], StoreError)
    assert sink.content == b""


@pytest.mark.parametrize("call", ["open", "fstat", "read"])
def test_a_file_system_that_fails_is_a_source_that_is_away(
    opened: Open, key: SigningKey, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    """As a network file system does (ESTALE): no fault of ours, with which an update passes without its images."""
    source = opened(settings(key))
    candidate = gdb(source)

    def stale(*_: object, **__: object) -> int:
        raise OSError(errno.ESTALE, os.strerror(errno.ESTALE))

    monkeypatch.setattr(directory, "os", SimpleNamespace(**{**vars(os), call: stale}))
    failures = source.fetch([(candidate, Image(candidate.sha256))])
    (known,) = source.describe([candidate]).values()
    with pytest.raises(SourceUnreachable, match="Stale file handle"):
        source.candidates()
    assert isinstance(failures[candidate.sha256], SourceUnreachable)
    assert known.failure is Standing.UNREACHABLE


def test_whether_a_file_is_there_may_not_be_known(
    opened: Open, repository: Repository, key: SigningKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository.write_list(names=[GDB])
    repository.sign(key)
    source = opened(settings(key))
    candidate = gdb(source)

    def stale(_: Path) -> bool:
        raise OSError(errno.ESTALE, os.strerror(errno.ESTALE))

    monkeypatch.setattr(Path, "is_file", stale)
    (known,) = source.describe([candidate]).values()
    assert (known.failure, known.release) == (Standing.UNREACHABLE, None)


def test_one_that_is_not_named_and_too_large_is_as_none(opened: Open, repository: Repository, key: SigningKey) -> None:
    repository.write_list(names=[GDB])
    repository.sign(key)
    (repository.folder / "gdb-2.x86-64.manifest.gz").write_bytes(bytes(1024 * 1024 + 1))
    source = opened(settings(key))
    (known,) = source.describe([gdb(source)]).values()
    assert (known.failure, known.release) == (None, None)
