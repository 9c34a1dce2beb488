# SPDX-License-Identifier: LGPL-2.1-or-later
"""The cache: may be lost at any time, and is not believed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.unit.sources.samples import sha256
from tukit_sysext.sources.cache import Cache


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache(tmp_path / "cache", writable=True)


def file_of(tmp_path: Path, content: bytes) -> Path:
    """The one file of the cache that has this content."""
    (found,) = [path for path in tmp_path.rglob("*") if path.is_file() and path.read_bytes() == content]
    return found


@pytest.mark.parametrize("content", [b"", b"list\n", b"\0" * 1024 * 1024])
def test_content_comes_back_by_its_hash(cache: Cache, content: bytes) -> None:
    assert cache.put_content(content) == sha256(content)
    assert cache.content(sha256(content)) == content


@pytest.mark.parametrize("found", [b"lisT\n", b"", b"list\n\n"])
def test_content_with_another_hash_is_not_believed(cache: Cache, tmp_path: Path, found: bytes) -> None:
    cache.put_content(b"list\n")
    file_of(tmp_path, b"list\n").write_bytes(found)
    assert cache.content(sha256(b"list\n")) is None
    cache.put_content(b"list\n")
    assert cache.content(sha256(b"list\n")) == b"list\n"


def test_what_comes_again_is_young(cache: Cache, tmp_path: Path) -> None:
    """A list that stays the same is none that nobody needs."""
    cache.put_content(b"list\n")
    path = file_of(tmp_path, b"list\n")
    os.utime(path, (100, 100))
    Cache(tmp_path / "cache", writable=False).put_content(b"list\n")
    assert path.stat().st_mtime == 100
    cache.put_content(b"list\n")
    assert path.stat().st_mtime > 100


@pytest.mark.parametrize("key", ["", "None", "..", "../by-hash", "0" * 64, "\0", "a/b", "x" * 300])
def test_what_was_never_kept_is_not_there(cache: Cache, key: str) -> None:
    cache.put_content(b"list\n")
    assert cache.content(key) is None


def test_content_does_not_come_from_elsewhere(cache: Cache, tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"secret")
    cache.put_content(b"list\n")
    assert cache.content("../../secret") is None


def test_notes_come_back_and_are_replaced(cache: Cache) -> None:
    assert cache.note("lists", "web") is None
    cache.put_note("lists", "web", {"url": "a"})
    cache.put_note("lists", "other", {"url": "b"})
    cache.put_note("lists", "web", {"url": "c", "n": 1})
    assert cache.note("lists", "web") == {"url": "c", "n": 1}
    assert cache.note("lists", "other") == {"url": "b"}
    assert cache.note("signatures", "web") is None


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b'"text"', b"null", b"\xff", b"[" * 100_000, b"1" * 5000])
def test_a_damaged_note_is_none(cache: Cache, tmp_path: Path, content: bytes) -> None:
    cache.put_note("lists", "web", {"url": "a"})
    file_of(tmp_path, b'{"url": "a"}').write_bytes(content)
    assert cache.note("lists", "web") is None


def test_a_reader_keeps_nothing(tmp_path: Path) -> None:
    cache = Cache(tmp_path / "cache", writable=False)
    assert cache.put_content(b"list\n") == sha256(b"list\n")
    cache.put_note("lists", "web", {})
    assert list(tmp_path.iterdir()) == []


def test_a_reader_reads_what_root_kept(cache: Cache, tmp_path: Path) -> None:
    cache.put_content(b"list\n")
    cache.put_note("lists", "web", {"url": "a"})
    reader = Cache(tmp_path / "cache", writable=False)
    assert reader.content(sha256(b"list\n")) == b"list\n"
    assert reader.note("lists", "web") == {"url": "a"}


@pytest.mark.parametrize("error", [28, 30])
def test_what_cannot_be_kept_is_no_failure(cache: Cache, monkeypatch: pytest.MonkeyPatch, error: int) -> None:
    """A full or read-only /var (threats L11 and L13)."""

    def fails(*_: object) -> int:
        raise OSError(error, os.strerror(error))

    monkeypatch.setattr(os, "write", fails)
    assert cache.put_content(b"list\n") == sha256(b"list\n")
    cache.put_note("lists", "web", {"url": "a"})
    monkeypatch.undo()
    assert cache.content(sha256(b"list\n")) is None
    assert cache.note("lists", "web") is None


def test_something_in_the_way_is_no_failure(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("in the way")
    cache = Cache(tmp_path / "cache", writable=True)
    cache.put_content(b"list\n")
    cache.put_note("lists", "web", {})
    assert cache.content(sha256(b"list\n")) is None
    assert cache.note("lists", "web") is None
