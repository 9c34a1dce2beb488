# SPDX-License-Identifier: LGPL-2.1-or-later
"""Small files: the old content or the new one, whatever fails."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from tests.trees import Link, listing, make_tree, umask
from tukit_sysext.system.durable import TEMPORARY_PREFIX, make_directory, sync_directory, write_file


def mode(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


def test_a_file_is_made_and_replaced(tmp_path: Path) -> None:
    for content in (b"one", b"", b"x" * 3_000_000):
        write_file(tmp_path / "file", content)
        assert listing(tmp_path) == {"file": content}


def test_the_mode_is_apart_from_the_umask(tmp_path: Path) -> None:
    with umask(0o077):
        write_file(tmp_path / "file", b"")
        make_directory(tmp_path / "a" / "b")
    assert [mode(tmp_path / name) for name in ("file", "a", "a/b")] == [0o644, 0o755, 0o755]


def test_a_link_is_replaced_and_not_written_through(tmp_path: Path) -> None:
    make_tree(tmp_path, {"other": "old", "file": Link("other")})
    write_file(tmp_path / "file", b"new")
    assert listing(tmp_path) == {"file": b"new", "other": b"old"}


def test_a_leftover_of_a_killed_run_is_no_obstacle(tmp_path: Path) -> None:
    (tmp_path / f"{TEMPORARY_PREFIX}file.{os.getpid()}").write_bytes(b"half of it, and longer")
    write_file(tmp_path / "file", b"new")
    assert listing(tmp_path) == {"file": b"new"}


def test_nobody_who_could_place_a_link_makes_us_write_elsewhere(tmp_path: Path) -> None:
    make_tree(tmp_path, {"other": "old", f"{TEMPORARY_PREFIX}file.{os.getpid()}": Link("other")})
    with pytest.raises(OSError):
        write_file(tmp_path / "file", b"new")
    assert (tmp_path / "other").read_bytes() == b"old"


@pytest.mark.parametrize("call", ["write", "fsync", "rename", "fchmod"])
def test_a_failure_leaves_the_old_file_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str) -> None:
    write_file(tmp_path / "file", b"old")

    def full(*_: object, **__: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, call, full)
    with pytest.raises(OSError, match="No space left"):
        write_file(tmp_path / "file", b"new")
    monkeypatch.undo()
    assert listing(tmp_path) == {"file": b"old"}


def test_the_order_of_the_calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Content on the disk, then the name, then the name on the disk."""
    calls: list[str] = []
    real_fsync, real_rename = os.fsync, os.rename

    def fsync(descriptor: int) -> None:
        kind = "directory" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "file"
        calls.append(f"fsync {kind}")
        real_fsync(descriptor)

    def rename(source: Path, target: Path) -> None:
        calls.append("rename")
        real_rename(source, target)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(os, "rename", rename)
    write_file(tmp_path / "file", b"new")
    assert calls == ["fsync file", "rename", "fsync directory"]
    calls.clear()
    write_file(tmp_path / "file", b"new", durable=False)
    assert calls == ["rename"]
    calls.clear()
    make_directory(tmp_path / "a" / "b")
    assert calls == ["fsync directory", "fsync directory"]


def test_short_writes_are_gone_on_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real_write = os.write
    monkeypatch.setattr(os, "write", lambda descriptor, content: real_write(descriptor, content[:3]))
    write_file(tmp_path / "file", b"0123456789")
    assert (tmp_path / "file").read_bytes() == b"0123456789"


def test_a_directory_that_exists_is_left_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    (tmp_path / "d").chmod(0o711)
    make_directory(tmp_path / "d")
    assert mode(tmp_path / "d") == 0o711


def test_a_directory_where_a_file_stands(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OSError):
        make_directory(tmp_path / "file" / "below")


def test_sync_by_path_and_by_descriptor(tmp_path: Path) -> None:
    sync_directory(tmp_path)
    descriptor = os.open(tmp_path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        sync_directory(descriptor)
    finally:
        os.close(descriptor)
    with pytest.raises(FileNotFoundError):
        sync_directory(tmp_path / "none")
