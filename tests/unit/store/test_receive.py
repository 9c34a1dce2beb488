# SPDX-License-Identifier: LGPL-2.1-or-later
"""Receiving an image: only what has the right hash comes through, and nothing is left of the rest."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from types import SimpleNamespace

import pytest

from tests.unit.ledger.samples import CONTENT, StoreFolder, record, sha256
from tukit_sysext.errors import ImageBroken, SourceUnreachable, StoreError


def receive(
    site: StoreFolder, chunks: Iterable[bytes], *, content: bytes = CONTENT, size: int | None = None, limit: int = 100
) -> tuple[int, bytes]:
    """Size and content of what was received, and found to be right."""
    with site.store.receive(sha256=sha256(content), limit=limit, where="SOURCE") as incoming:
        if size is not None:
            incoming.expect(size)
        for chunk in chunks:
            incoming.write(chunk)
        incoming.finish()
        return incoming.size, os.pread(incoming.descriptor, 1000, 0)


@pytest.mark.parametrize("chunks", [[CONTENT], [b"the", b"", b" image"], [bytes([byte]) for byte in CONTENT]])
def test_what_is_right_comes_through(site: StoreFolder, chunks: list[bytes]) -> None:
    assert receive(site, chunks) == (len(CONTENT), CONTENT)


def test_an_empty_image(site: StoreFolder) -> None:
    assert receive(site, [], content=b"") == (0, b"")


def test_just_the_limit_comes_through(site: StoreFolder) -> None:
    assert receive(site, [CONTENT], limit=len(CONTENT))[0] == len(CONTENT)


@pytest.mark.parametrize(
    ("chunks", "words"),
    [
        ([b"other"], "expected SHA-256"),
        ([], "expected SHA-256"),
        ([CONTENT, b"x"], "expected SHA-256"),
        ([CONTENT[:-1]], "in 8 bytes"),
    ],
)
def test_a_wrong_hash_is_refused(site: StoreFolder, chunks: list[bytes], words: str) -> None:
    with pytest.raises(ImageBroken, match="SOURCE") as caught:
        receive(site, chunks)
    assert words in str(caught.value)
    assert site.names() == []


def test_endless_data_ends_at_the_limit(site: StoreFolder) -> None:
    taken = 0

    def endless() -> Iterator[bytes]:
        nonlocal taken
        while True:
            taken += 10
            yield b"0123456789"

    with pytest.raises(ImageBroken, match="SOURCE: larger than the limit of 100 bytes"):
        receive(site, endless())
    assert taken == 110
    assert site.names() == []


def test_a_source_that_breaks_off(site: StoreFolder) -> None:
    def breaking() -> Iterator[bytes]:
        yield CONTENT[:4]
        raise SourceUnreachable("gone")

    before = os.listdir("/proc/self/fd")
    with pytest.raises(SourceUnreachable, match="gone"):
        receive(site, breaking())
    assert site.names() == []
    assert os.listdir("/proc/self/fd") == before


def test_what_is_not_published_is_gone(site: StoreFolder) -> None:
    receive(site, [CONTENT])
    assert site.names() == []


def test_too_little_room_is_told_before_anything_is_read(site: StoreFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "statvfs", lambda _: SimpleNamespace(f_bavail=10, f_frsize=512, f_bfree=10**6))

    def unread() -> Iterator[bytes]:
        yield pytest.fail("it was read")

    with pytest.raises(StoreError, match="5121 bytes are needed for SOURCE, 5120 are free") as caught:
        receive(site, unread(), size=5121, limit=10_000)
    assert caught.value.next_step is not None
    assert receive(site, [CONTENT], size=5120, limit=10_000)[0] == len(CONTENT)


def test_what_others_were_promised_is_not_free(site: StoreFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two images that come at once have room each, and not both."""
    monkeypatch.setattr(os, "statvfs", lambda _: SimpleNamespace(f_bavail=10, f_frsize=512))
    with site.store.receive(sha256=sha256(CONTENT), limit=10_000, where="FIRST") as first:
        first.expect(3000)
        with pytest.raises(StoreError, match="3000 bytes are needed for SOURCE, 2120 are free"):
            receive(site, [CONTENT], size=3000, limit=10_000)
        assert receive(site, [CONTENT], size=2120, limit=10_000)[0] == len(CONTENT)


def test_a_size_beyond_the_limit_is_told_before_anything_is_read(site: StoreFolder) -> None:
    with pytest.raises(ImageBroken, match="SOURCE: 101 bytes, larger than the limit of 100"):
        receive(site, [CONTENT], size=101)
    assert receive(site, [CONTENT], size=100)[0] == len(CONTENT)


def test_what_was_written_before_a_restart_does_not_count(site: StoreFolder) -> None:
    """A server starts anew: neither its first bytes nor their number stay, and a long beginning leaves no rest."""
    with site.store.receive(sha256=sha256(CONTENT), limit=60, where="SOURCE") as incoming:
        for _ in range(3):
            incoming.write(b"the beginning of another file, and a long one")
            incoming.restart()
        incoming.write(CONTENT)
        incoming.finish()
        assert (incoming.size, os.pread(incoming.descriptor, 1000, 0)) == (len(CONTENT), CONTENT)


def test_a_file_that_is_wrong_at_one_server_may_be_right_at_the_next(site: StoreFolder) -> None:
    with site.store.receive(sha256=sha256(CONTENT), limit=60, where="SOURCE") as incoming:
        incoming.write(b"wrong")
        with pytest.raises(ImageBroken, match="expected SHA-256"):
            incoming.finish()
        incoming.restart()
        incoming.write(CONTENT)
        incoming.finish()
        published = site.store.publish(incoming, record(), replaceable=lambda _: False)
    assert published.sha256 == sha256(CONTENT)
    assert site.path.read_bytes() == CONTENT


def test_what_is_there_already_is_no_lack_of_room(site: StoreFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    """A download goes on where it was: what was written takes room that is not free any more."""
    with site.store.receive(sha256=sha256(CONTENT), limit=10_000, where="SOURCE") as incoming:
        incoming.write(bytes(4096))
        monkeypatch.setattr(os, "statvfs", lambda _: SimpleNamespace(f_bavail=2, f_frsize=512))
        incoming.expect(4096 + 1024)
        with pytest.raises(StoreError, match="5121 bytes are needed"):
            incoming.expect(4096 + 1025)


@pytest.mark.parametrize("call", ["write", "fsync", "fchmod"])
def test_a_full_disk_is_told_and_leaves_nothing(site: StoreFolder, monkeypatch: pytest.MonkeyPatch, call: str) -> None:
    site.folder.mkdir(parents=True)

    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, call, full)
    with pytest.raises(StoreError, match="sysext-store: cannot be written to: No space left"):
        receive(site, [CONTENT])
    monkeypatch.undo()
    assert site.names() == []


def test_short_writes_are_gone_on_with(site: StoreFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.write
    monkeypatch.setattr(os, "write", lambda descriptor, content: real(descriptor, content[:2]))
    assert receive(site, [CONTENT])[1] == CONTENT


def test_a_store_that_cannot_be_made_is_a_fault_of_the_store(site: StoreFolder) -> None:
    """As with a /var that cannot be written: the caller goes on with the other images."""
    site.folder.parent.parent.mkdir(parents=True)
    site.folder.parent.write_text("in the way")
    with pytest.raises(StoreError, match="sysext-store"):
        receive(site, [CONTENT])
