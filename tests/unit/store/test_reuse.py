# SPDX-License-Identifier: LGPL-2.1-or-later
"""Bytes of another image of the store: written again, or shared with it where the file system can do that."""

from __future__ import annotations

import errno
import os
import random
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.records import record, sha256
from tests.unit.ledger.samples import StoreFolder
from tukit_sysext.errors import ImageBroken, NoSpace
from tukit_sysext.quantities import KEEP_FREE, Share
from tukit_sysext.store import incoming as module
from tukit_sysext.store.incoming import BLOCK, Incoming
from tukit_sysext.system.cloning import clone_range

IMAGE = random.Random(11).randbytes(100 * BLOCK + 77)
MIB = 1 << 20


@contextmanager
def receiving(store: StoreFolder, content: bytes, **changes: Any) -> Iterator[Incoming]:
    options: dict[str, Any] = {"limit": 10 * MIB, "where": "SOURCE", "keep_free": KEEP_FREE, **changes}
    with store.store.receive(sha256=sha256(content), **options) as incoming:
        yield incoming


@pytest.fixture
def seed(tmp_path: Path) -> Iterator[int]:
    path = tmp_path / "seed"
    path.write_bytes(IMAGE)
    descriptor = os.open(path, os.O_RDONLY)
    yield descriptor
    os.close(descriptor)


@pytest.mark.parametrize("offset", [0, BLOCK, 5, BLOCK - 1])
@pytest.mark.parametrize("before", [b"", b"x" * 5, b"x" * BLOCK, b"x" * (BLOCK + 5)])
def test_bytes_are_taken_in_their_order(store_folder: StoreFolder, seed: int, before: bytes, offset: int) -> None:
    """Whether this file system can share them or not."""
    content = before + IMAGE[offset:] + b"end"
    with receiving(store_folder, content) as incoming:
        incoming.write(before)
        incoming.reuse(IMAGE[offset:], seed, offset)
        incoming.write(b"end")
        incoming.finish()
        assert os.pread(incoming.descriptor, len(content) + 1, 0) == content
        assert (incoming.size, incoming.reused) == (len(content), len(IMAGE) - offset)


def test_what_is_shared_may_be_rotten(store_folder: StoreFolder, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was read of it came out of memory: that is written."""
    monkeypatch.setattr(module, "clone_range", lambda *given: os.ftruncate(given[3], given[4] + given[2]))
    pread = os.pread
    with receiving(store_folder, IMAGE) as incoming:

        def rotten(descriptor: int, size: int, offset: int) -> bytes:
            if descriptor == incoming.descriptor:
                raise OSError(errno.EIO, "Input/output error")
            return pread(descriptor, size, offset)

        with monkeypatch.context() as patched:
            patched.setattr(os, "pread", rotten)
            incoming.reuse(IMAGE, seed, 0)
            assert os.fstat(incoming.descriptor).st_size == 0, "nothing of it stays"
        incoming.finish()
        assert os.pread(incoming.descriptor, len(IMAGE) + 1, 0) == IMAGE


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A mounted btrfs."""
    image, mount = tmp_path / "disk", tmp_path / "mount"
    with open(image, "wb") as file:
        file.truncate(256 * MIB)
    mount.mkdir()
    subprocess.run(["mkfs.btrfs", "-q", image], check=True, capture_output=True)
    subprocess.run(["mount", "-o", "loop", image, mount], check=True)
    yield mount
    subprocess.run(["umount", mount], check=True)


def shared(path: Path) -> int:
    """How many bytes of a file are on the disk for another one too."""
    os.sync()
    done = subprocess.run(["btrfs", "filesystem", "du", "--raw", path], check=True, capture_output=True, text=True)
    total, exclusive, *_ = done.stdout.splitlines()[1].split()
    return int(total) - int(exclusive)


@pytest.mark.root
@pytest.mark.tool("mkfs.btrfs")
@pytest.mark.parametrize(
    ("before", "offset", "blocks"),
    [(0, 0, 100), (BLOCK, BLOCK, 99), (3 * BLOCK + 5, 5, 99), (5, 0, 0), (0, 95 * BLOCK, 5), (0, 98 * BLOCK, 0)],
)
def test_what_stands_alike_in_both_is_shared(disk: Path, before: int, offset: int, blocks: int) -> None:
    """But a few blocks alone, which are worth no extent of their own."""
    store = StoreFolder(disk)
    store.publish(IMAGE, file_name="a-1.raw")
    content = b"x" * before + IMAGE[offset:]
    with receiving(store, content) as incoming, store.store.opened("a-1.raw") as seed:
        incoming.write(content[:before])
        incoming.reuse(IMAGE[offset:], seed, offset)
        incoming.finish()
        store.store.publish(incoming, record(content, "a-2.raw"), replaceable=lambda _: False)
    assert (store.folder / "a-2.raw").read_bytes() == content
    assert shared(store.folder / "a-2.raw") == blocks * BLOCK


@pytest.mark.root
@pytest.mark.tool("mkfs.btrfs")
def test_what_is_shared_needs_no_room(disk: Path) -> None:
    store = StoreFolder(disk)
    image = random.Random(12).randbytes(100 * MIB)
    content, limit = image[:-BLOCK] + b"x" * BLOCK, 200 * MIB
    with receiving(store, image, limit=limit) as incoming:
        incoming.write(image)
        incoming.finish()
        store.store.publish(incoming, record(image, "a-1.raw"), replaceable=lambda _: False)
    with receiving(store, content, limit=limit, keep_free=Share(size=60 * MIB)) as incoming:
        with pytest.raises(NoSpace):
            incoming.reserve(len(content))
        with store.store.opened("a-1.raw") as seed:
            for offset in range(0, len(content) - BLOCK, MIB):
                data = image[offset : min(offset + MIB, len(content) - BLOCK)]
                incoming.reuse(data, seed, offset)
        incoming.write(b"x" * BLOCK)
        incoming.finish()


@pytest.mark.root
@pytest.mark.tool("mkfs.btrfs")
def test_what_is_shared_is_hashed_as_it_is_then(disk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Row L2: what was read before may have been another file's."""
    store = StoreFolder(disk)
    store.publish(IMAGE, file_name="a-1.raw")
    with receiving(store, IMAGE) as incoming, store.store.opened("a-1.raw") as seed:

        def other(source: int, offset: int, size: int, target: int, target_offset: int) -> None:
            clone_range(source, offset + BLOCK, size - BLOCK, target, target_offset)

        monkeypatch.setattr(module, "clone_range", other)
        incoming.reuse(IMAGE, seed, 0)
        with pytest.raises(ImageBroken, match="expected SHA-256"):
            incoming.finish()


@pytest.mark.parametrize("error", [22, 95, 18, 25])
def test_a_file_system_that_shares_nothing(
    store_folder: StoreFolder, seed: int, monkeypatch: pytest.MonkeyPatch, error: int
) -> None:
    """EINVAL, EOPNOTSUPP, EXDEV, ENOTTY: they are written, and it is not asked again."""
    asked: list[object] = []

    def refused(*of: object) -> None:
        asked.append(of)
        raise OSError(error, os.strerror(error))

    monkeypatch.setattr(module, "clone_range", refused)
    with receiving(store_folder, IMAGE * 2) as incoming:
        incoming.reuse(IMAGE[: 100 * BLOCK], seed, 0)
        incoming.write(IMAGE[100 * BLOCK :])
        incoming.reuse(IMAGE, seed, 0)
        incoming.finish()
    assert len(asked) == 1


def test_a_limit_is_one(store_folder: StoreFolder, seed: int) -> None:
    with receiving(store_folder, IMAGE, limit=50 * BLOCK) as incoming, pytest.raises(ImageBroken, match="larger than"):
        incoming.reuse(IMAGE, seed, 0)


def test_an_image_begun_anew_has_nothing_of_another(store_folder: StoreFolder, seed: int) -> None:
    with receiving(store_folder, IMAGE) as incoming:
        incoming.reuse(IMAGE, seed, 0)
        incoming.restart()
        assert (incoming.size, incoming.reused) == (0, 0)
        incoming.write(IMAGE)
        incoming.finish()


INDEX = b"an index"


@pytest.fixture
def published(store_folder: StoreFolder) -> Callable[..., None]:
    """Publishes a version with its index."""

    def publish(version: str, name: str = "a", index: bytes | None = INDEX, **changes: object) -> None:
        content = f"{name} {version}".encode()
        with receiving(store_folder, content) as incoming:
            if index is not None:
                incoming.keep_index(index)
            incoming.write(content)
            incoming.finish()
            wanted = record(content, f"{name}-{version}.raw", name=name, version=version, **changes)
            store_folder.store.publish(incoming, wanted, replaceable=lambda _: False)

    return publish


def test_an_image_keeps_its_index(store_folder: StoreFolder, published: Callable[..., None]) -> None:
    published("1")
    published("2", index=None)
    published("1", name="ab")
    with receiving(store_folder, b"", name="a") as incoming:
        seeds = incoming.seeds()
    assert [(seed.sha256, seed.index) for seed in seeds] == [(sha256(b"a 1"), INDEX), (sha256(b"a 2"), None)]
    for seed in seeds:
        with seed.opened() as descriptor:
            assert sha256(os.pread(descriptor, 100, 0)) == seed.sha256
    assert store_folder.store.records.names() == ["a-1.raw", "a-2.raw", "ab-1.raw"], "an index is no record"


def test_an_index_goes_with_its_image(store_folder: StoreFolder, published: Callable[..., None]) -> None:
    published("1")
    store_folder.store.remove("a-1.raw")
    assert list(store_folder.layout.records.iterdir()) == []


def test_so_does_one_that_an_older_version_of_this_program_left(
    store_folder: StoreFolder, published: Callable[..., None]
) -> None:
    published("1")
    published("2")
    records = store_folder.layout.records
    (records / "a-1.raw.json").unlink()
    for path in records.iterdir():
        os.utime(path, (100, 100))
    store_folder.store.records.sweep(100)
    assert sorted(path.name for path in records.iterdir()) == ["a-1.raw.caibx", "a-2.raw.caibx", "a-2.raw.json"]
    store_folder.store.records.sweep(101)
    assert sorted(path.name for path in records.iterdir()) == ["a-2.raw.caibx", "a-2.raw.json"]


def test_a_damaged_image_is_looked_at_chunk_by_chunk(store_folder: StoreFolder, published: Callable[..., None]) -> None:
    published("1")
    published("2")
    published("3", index=None)
    for version in ("1", "3"):
        (store_folder.folder / f"a-{version}.raw").write_bytes(b"other")
    first, second = sha256(b"a 1"), sha256(b"a 2")
    for wanted in ("", first):
        assert {seed.sha256: seed.whole for seed in store_folder.store.seeds("a", wanted)} == {
            first: False,
            second: True,
        }
    seeds = store_folder.store.seeds("a", second)
    assert [(seed.sha256, seed.whole) for seed in seeds] == [(second, False), (first, False)], "a disk may have rotten"


def test_an_index_that_cannot_be_kept_keeps_no_image_out(
    store_folder: StoreFolder, published: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(store_folder.store.records, "write_index", full)
    published("1")
    (seed,) = store_folder.store.seeds("a")
    assert seed.index is None
