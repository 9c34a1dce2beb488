# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a file of the store is worth: the cheap check, the full hash, and threat L1."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.records import CONTENT, NAME, record
from tests.unit.ledger.samples import StoreFolder
from tukit_sysext.store import image_store as store_module
from tukit_sysext.store.digest import hash_of
from tukit_sysext.store.image_store import Condition, Store


@pytest.fixture
def hashed(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Grows with every full hash."""
    calls: list[int] = []

    def counting(descriptor: int) -> str:
        calls.append(descriptor)
        return hash_of(descriptor)

    monkeypatch.setattr(store_module, "hash_of", counting)
    return calls


def test_a_published_image_is_whole_without_being_read(store_folder: StoreFolder, hashed: list[int]) -> None:
    published = store_folder.publish()
    found = store_folder.store.look(NAME)
    assert (found.condition, found.record, hashed) == (Condition.WHOLE, published, [])


def test_what_was_touched_is_hashed_once_and_sealed(store_folder: StoreFolder, hashed: list[int]) -> None:
    store_folder.publish()
    os.utime(store_folder.path)
    assert store_folder.store.look(NAME).condition is Condition.WHOLE
    assert len(hashed) == 1
    assert store_folder.store.look(NAME).condition is Condition.WHOLE
    assert len(hashed) == 1


def test_a_copy_of_the_content_is_whole(store_folder: StoreFolder, hashed: list[int]) -> None:
    """Restored from a backup: another inode, the same bytes."""
    store_folder.publish()
    store_folder.path.unlink()
    store_folder.path.write_bytes(CONTENT)
    assert store_folder.store.look(NAME).condition is Condition.WHOLE
    assert len(hashed) == 1


@pytest.mark.parametrize("content", [b"The image", b"the imag", b"the image ", b""])
def test_rot_is_noticed(store_folder: StoreFolder, content: bytes) -> None:
    store_folder.publish()
    store_folder.path.write_bytes(content)
    found = store_folder.store.look(NAME)
    assert found.condition is Condition.DAMAGED
    assert "SHA-256" in found.reason
    assert found.record is not None


def test_rot_of_the_same_size_and_time_is_noticed(store_folder: StoreFolder) -> None:
    """Whoever sets the modification time back cannot set back the change time."""
    before = store_folder.publish()
    status = store_folder.path.stat()
    store_folder.path.write_bytes(b"THE IMAGE")
    os.utime(store_folder.path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert before.identity is not None
    assert before.identity.size == store_folder.path.stat().st_size
    assert store_folder.store.look(NAME).condition is Condition.DAMAGED


def test_damage_is_not_sealed(store_folder: StoreFolder) -> None:
    store_folder.publish()
    store_folder.path.write_bytes(b"rot")
    for _ in range(2):
        assert store_folder.store.look(NAME).condition is Condition.DAMAGED


def test_a_reader_writes_nothing(store_folder: StoreFolder) -> None:
    store_folder.publish()
    os.utime(store_folder.path)
    path = store_folder.layout.records / f"{NAME}.json"
    before = path.read_bytes()
    assert Store(store_folder.layout, writable=False).look(NAME).condition is Condition.WHOLE
    assert path.read_bytes() == before


def test_a_record_that_cannot_be_written_is_no_obstacle(
    store_folder: StoreFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    store_folder.publish()
    os.utime(store_folder.path)

    def full(_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(store_folder.store.records, "write", full)
    assert store_folder.store.look(NAME).condition is Condition.WHOLE


def test_missing(store_folder: StoreFolder) -> None:
    assert store_folder.store.look(NAME).condition is Condition.MISSING
    assert store_folder.store.names() == []
    kept = store_folder.publish()
    store_folder.path.unlink()
    found = store_folder.store.look(NAME)
    assert (found.condition, found.record) == (Condition.MISSING, kept)


@pytest.mark.parametrize("content", [None, b"no JSON", b""])
def test_without_a_readable_record_it_is_of_unknown_origin(store_folder: StoreFolder, content: bytes | None) -> None:
    store_folder.publish()
    path = store_folder.layout.records / f"{NAME}.json"
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    found = store_folder.store.look(NAME)
    assert (found.condition, found.record) == (Condition.UNRECORDED, None)


def _symlink(path: Path) -> None:
    path.rename(path.with_name("elsewhere"))
    path.symlink_to("elsewhere")


def _hard_link(path: Path) -> None:
    os.link(path, path.with_name("second-name"))


def _fifo(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def _device(path: Path) -> None:
    path.unlink()
    os.mknod(path, 0o600 | 0o020000, os.makedev(1, 5))


def _directory(path: Path) -> None:
    path.unlink()
    path.mkdir()


def _socket(path: Path) -> None:
    path.unlink()
    os.chdir(path.parent)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(path.name)


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (_symlink, "symbolic link"),
        (_hard_link, "hard links"),
        (_fifo, "not a regular file"),
        (_socket, "not a regular file"),
        (_directory, "not a regular file"),
        pytest.param(_device, "not a regular file", marks=pytest.mark.root),
        pytest.param(lambda path: os.chown(path, 1234, 0), "owned by user 1234", marks=pytest.mark.root),
        (lambda path: path.chmod(0o664), "writable for others"),
        (lambda path: path.chmod(0o646), "writable for others"),
    ],
)
def test_what_is_no_file_of_root_is_not_used(
    store_folder: StoreFolder, monkeypatch: pytest.MonkeyPatch, spoil: Callable[[Path], object], words: str
) -> None:
    """Threat L1, even where the content is right."""
    monkeypatch.chdir(store_folder.layout.root)
    store_folder.publish()
    spoil(store_folder.path)
    found = store_folder.store.look(NAME)
    assert found.condition is Condition.IRREGULAR
    assert words in found.reason


@pytest.mark.parametrize(
    "name", ["../gdb.raw", "a/b.raw", "", ".hidden.raw", "a\0b", "a b.raw", "\udcff.raw", "n" * 256]
)
def test_a_name_that_cannot_be_one(store_folder: StoreFolder, name: str) -> None:
    assert store_folder.store.look(name).condition is Condition.IRREGULAR


def test_names_leaves_hidden_files_out(store_folder: StoreFolder) -> None:
    store_folder.publish()
    store_folder.publish(file_name="a-1.x86-64.raw")
    (store_folder.folder / ".tukit-sysext.left-over").touch()
    assert store_folder.store.names() == ["a-1.x86-64.raw", NAME]


def test_opened_follows_no_link(store_folder: StoreFolder) -> None:
    store_folder.publish()
    _symlink(store_folder.path)
    with pytest.raises(OSError, match="symbolic links"), store_folder.store.opened(NAME):
        pass


def test_a_record_without_identity_is_checked_by_its_hash(store_folder: StoreFolder, hashed: list[int]) -> None:
    """As a power cut between the name and its seal leaves it."""
    store_folder.publish()
    store_folder.store.records.write(record())
    assert store_folder.store.look(NAME).condition is Condition.WHOLE
    assert len(hashed) == 1
