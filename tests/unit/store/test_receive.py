# SPDX-License-Identifier: LGPL-2.1-or-later
"""Receiving an image: only what has the right hash comes through, and nothing is left of the rest."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.records import CONTENT, record, sha256
from tests.unit.ledger.samples import StoreFolder
from tukit_sysext.errors import ImageBroken, NoSpace, SourceUnreachable, StoreError
from tukit_sysext.quantities import KEEP_FREE, Share
from tukit_sysext.store.digest import Digest


def receive(
    site: StoreFolder, chunks: Iterable[bytes], *, content: bytes = CONTENT, size: int | None = None, limit: int = 100
) -> tuple[int, bytes]:
    """Size and content of what was received, and found to be right."""
    with site.store.receive(sha256=sha256(content), limit=limit, where="SOURCE", keep_free=KEEP_FREE) as incoming:
        if size is not None:
            incoming.expect(size)
        for chunk in chunks:
            incoming.write(chunk)
        incoming.finish()
        return incoming.size, os.pread(incoming.descriptor, 1000, 0)


@pytest.mark.parametrize("chunks", [[CONTENT], [b"the", b"", b" image"], [bytes([byte]) for byte in CONTENT]])
def test_what_is_right_comes_through(store_folder: StoreFolder, chunks: list[bytes]) -> None:
    assert receive(store_folder, chunks) == (len(CONTENT), CONTENT)


def test_an_empty_image(store_folder: StoreFolder) -> None:
    assert receive(store_folder, [], content=b"") == (0, b"")


def test_a_large_image_is_hashed_as_it_came(store_folder: StoreFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    """What waits to be hashed in the other thread does not change while more comes."""
    everything_came = threading.Event()
    work, close = Digest._work, Digest.close

    def late(digest: Digest) -> None:
        everything_came.wait()
        work(digest)

    def closed(digest: Digest) -> None:
        everything_came.set()
        close(digest)

    monkeypatch.setattr(Digest, "_work", late)
    monkeypatch.setattr(Digest, "close", closed)
    pieces = [number.to_bytes(2) * 8192 for number in range(14 * 64)]
    content = b"".join(pieces)
    assert receive(store_folder, pieces, content=content, limit=len(content)) == (len(content), content[:1000])


def test_just_the_limit_comes_through(store_folder: StoreFolder) -> None:
    assert receive(store_folder, [CONTENT], limit=len(CONTENT))[0] == len(CONTENT)


@pytest.mark.parametrize(
    ("chunks", "words"),
    [
        ([b"other"], "expected SHA-256"),
        ([], "expected SHA-256"),
        ([CONTENT, b"x"], "expected SHA-256"),
        ([CONTENT[:-1]], "in 8 bytes"),
    ],
)
def test_a_wrong_hash_is_refused(store_folder: StoreFolder, chunks: list[bytes], words: str) -> None:
    with pytest.raises(ImageBroken, match="SOURCE") as caught:
        receive(store_folder, chunks)
    assert words in str(caught.value)
    assert store_folder.names() == []


def test_endless_data_ends_at_the_limit(store_folder: StoreFolder) -> None:
    taken = 0

    def endless() -> Iterator[bytes]:
        nonlocal taken
        while True:
            taken += 10
            yield b"0123456789"

    with pytest.raises(ImageBroken, match="SOURCE: larger than the limit of 100 bytes"):
        receive(store_folder, endless())
    assert taken == 110
    assert store_folder.names() == []


def test_a_source_that_breaks_off(store_folder: StoreFolder) -> None:
    def breaking() -> Iterator[bytes]:
        yield CONTENT[:4]
        raise SourceUnreachable("gone")

    before = os.listdir("/proc/self/fd")
    with pytest.raises(SourceUnreachable, match="gone"):
        receive(store_folder, breaking())
    assert store_folder.names() == []
    assert os.listdir("/proc/self/fd") == before


def test_what_is_not_published_is_gone(store_folder: StoreFolder) -> None:
    receive(store_folder, [CONTENT])
    assert store_folder.names() == []


def disk(free: int, total: int = 10_000) -> Callable[[object], SimpleNamespace]:
    """What statvfs says of a file system with so many bytes."""
    return lambda _: SimpleNamespace(f_bavail=free, f_frsize=1, f_blocks=total, f_bfree=free)


def test_too_little_room_is_told_before_anything_is_read(
    store_folder: StoreFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "statvfs", disk(500))

    def unread() -> Iterator[bytes]:
        yield pytest.fail("it was read")

    with pytest.raises(
        NoSpace, match="0 bytes of SOURCE came, 500 are free, and KeepFree= keeps 500 of them"
    ) as caught:
        receive(store_folder, unread(), size=1, limit=10_000)
    assert caught.value.next_step is not None


def test_a_file_that_is_here_has_a_size_that_nobody_only_claims(
    store_folder: StoreFolder, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(os, "statvfs", disk(600))
    (tmp_path / "file").write_bytes(bytes(101))
    with (
        open(tmp_path / "file", "rb") as file,
        store_folder.store.receive(
            sha256=sha256(bytes(101)), limit=1000, where="FILE", keep_free=KEEP_FREE
        ) as incoming,
    ):
        with pytest.raises(NoSpace, match="0 bytes of FILE came"):
            incoming.copy(file.fileno(), 101)
        assert incoming.size == 0


def test_a_claim_takes_no_room_and_ends_a_fetch_at_most(
    store_folder: StoreFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """P6: a header says what it likes. What is not there can be had from the next mirror: nothing has to go for it."""
    monkeypatch.setattr(os, "statvfs", disk(600))
    assert receive(store_folder, [CONTENT], size=5000, limit=10_000)[0] == len(CONTENT)
    for size, words in ((10_001, "more than the file system can have"), (20_001, "more than the limit of 20000")):
        with pytest.raises(SourceUnreachable, match=words):
            receive(store_folder, [CONTENT], size=size, limit=20_000)


@pytest.mark.parametrize("keep_free", [Share(size=300), Share(percent=3), Share(size=300, percent=50)])
def test_a_file_system_is_never_filled_to_its_end(
    store_folder: StoreFolder, monkeypatch: pytest.MonkeyPatch, keep_free: Share
) -> None:
    """P6: what came is counted, although the file system shows it late."""
    monkeypatch.setattr(os, "statvfs", disk(600))
    monkeypatch.setattr("tukit_sysext.store.incoming.CHUNK", 100)
    with store_folder.store.receive(
        sha256=sha256(CONTENT), limit=10_000, where="SOURCE", keep_free=keep_free
    ) as incoming:
        for _ in range(2):
            incoming.write(bytes(100))
        with pytest.raises(NoSpace, match="300 bytes of SOURCE came, 400 are free, and KeepFree= keeps 300"):
            incoming.write(bytes(100))


def test_two_that_come_at_once_have_one_room(store_folder: StoreFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "statvfs", disk(1000))
    monkeypatch.setattr("tukit_sysext.store.incoming.CHUNK", 100)
    with store_folder.store.receive(sha256=sha256(CONTENT), limit=10_000, where="FIRST", keep_free=KEEP_FREE) as first:
        first.write(bytes(300))
        with store_folder.store.receive(
            sha256=sha256(CONTENT), limit=10_000, where="SECOND", keep_free=KEEP_FREE
        ) as second:
            second.write(bytes(100))
            with pytest.raises(NoSpace, match="200 bytes of SECOND came, 600 are free"):
                second.write(bytes(100))


def test_a_size_beyond_the_limit_is_told_before_anything_is_read(store_folder: StoreFolder) -> None:
    with pytest.raises(SourceUnreachable, match="SOURCE: 101 bytes are announced, more than the limit of 100"):
        receive(store_folder, [CONTENT], size=101)
    assert receive(store_folder, [CONTENT], size=100)[0] == len(CONTENT)


def test_what_was_written_before_a_restart_does_not_count(store_folder: StoreFolder) -> None:
    """A server starts anew: neither its first bytes nor their number stay, and a long beginning leaves no rest."""
    with store_folder.store.receive(sha256=sha256(CONTENT), limit=60, where="SOURCE", keep_free=KEEP_FREE) as incoming:
        for _ in range(3):
            incoming.write(b"the beginning of another file, and a long one")
            incoming.restart()
        incoming.write(CONTENT)
        incoming.finish()
        assert (incoming.size, os.pread(incoming.descriptor, 1000, 0)) == (len(CONTENT), CONTENT)


def test_a_file_that_is_wrong_at_one_server_may_be_right_at_the_next(store_folder: StoreFolder) -> None:
    with store_folder.store.receive(sha256=sha256(CONTENT), limit=60, where="SOURCE", keep_free=KEEP_FREE) as incoming:
        incoming.write(b"wrong")
        with pytest.raises(ImageBroken, match="expected SHA-256"):
            incoming.finish()
        incoming.restart()
        incoming.write(CONTENT)
        incoming.finish()
        published = store_folder.store.publish(incoming, record(), replaceable=lambda _: False)
    assert published.sha256 == sha256(CONTENT)
    assert store_folder.path.read_bytes() == CONTENT


@pytest.mark.parametrize("call", ["write", "fsync", "fchmod"])
def test_a_full_disk_is_told_and_leaves_nothing(
    store_folder: StoreFolder, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    store_folder.folder.mkdir(parents=True)

    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, call, full)
    with pytest.raises(StoreError, match="sysext-store: cannot be written to: No space left"):
        receive(store_folder, [CONTENT])
    monkeypatch.undo()
    assert store_folder.names() == []


def test_short_writes_are_gone_on_with(store_folder: StoreFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.write
    monkeypatch.setattr(os, "write", lambda descriptor, content: real(descriptor, content[:2]))
    assert receive(store_folder, [CONTENT])[1] == CONTENT


def test_a_store_that_cannot_be_made_is_a_fault_of_the_store(store_folder: StoreFolder) -> None:
    """As with a /var that cannot be written: the caller goes on with the other images."""
    store_folder.folder.parent.parent.mkdir(parents=True)
    store_folder.folder.parent.write_text("in the way")
    with pytest.raises(StoreError, match="sysext-store"):
        receive(store_folder, [CONTENT])
