# SPDX-License-Identifier: LGPL-2.1-or-later
"""Publishing: a name never changes its content (threat L3), and the record is there before the name (L12)."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Any

import pytest

from tests.records import CONTENT, NAME, record, sha256
from tests.trees import umask
from tests.unit.ledger.samples import StoreFolder
from tukit_sysext.errors import StoreError
from tukit_sysext.store.image_store import Condition
from tukit_sysext.store.record import Record
from tukit_sysext.system.syscalls import rename_new

_RENAME = "tukit_sysext.store.image_store.rename_new"
OTHER = b"other content"


def test_a_published_image_is_there_whole_and_recorded(store_folder: StoreFolder) -> None:
    with umask(0o077):
        published = store_folder.publish()
    assert store_folder.names() == [NAME]
    assert store_folder.path.read_bytes() == CONTENT
    assert stat.S_IMODE(store_folder.path.stat().st_mode) == 0o644
    assert store_folder.path.stat().st_nlink == 1
    assert store_folder.store.records.read(NAME) == published
    assert published.identity is not None
    assert published.sha256 == sha256(CONTENT)


def test_the_same_again_changes_nothing(store_folder: StoreFolder) -> None:
    first = store_folder.publish()
    assert store_folder.publish(source="another") == first
    assert store_folder.path.stat().st_ino == (first.identity.inode if first.identity else 0)


def test_other_content_under_a_name_is_refused(store_folder: StoreFolder) -> None:
    store_folder.publish()
    with pytest.raises(StoreError, match="never changes its content"):
        store_folder.publish(OTHER, replaceable=True)
    assert store_folder.path.read_bytes() == CONTENT
    assert store_folder.store.look(NAME).condition is Condition.WHOLE


def test_damaged_content_is_replaced_by_the_recorded_one(store_folder: StoreFolder) -> None:
    store_folder.publish()
    store_folder.path.write_bytes(b"rot")
    store_folder.publish()
    assert store_folder.path.read_bytes() == CONTENT
    assert store_folder.store.look(NAME).condition is Condition.WHOLE
    assert store_folder.names() == [NAME]


def test_damaged_content_is_not_replaced_by_other_content(store_folder: StoreFolder) -> None:
    store_folder.publish()
    store_folder.path.write_bytes(b"rot")
    with pytest.raises(StoreError, match="other content under this name"):
        store_folder.publish(OTHER, replaceable=True)
    assert store_folder.path.read_bytes() == b"rot"
    assert store_folder.store.look(NAME).condition is Condition.DAMAGED


def test_missing_content_comes_back(store_folder: StoreFolder) -> None:
    store_folder.publish()
    store_folder.path.unlink()
    store_folder.publish()
    assert store_folder.store.look(NAME).condition is Condition.WHOLE


@pytest.mark.parametrize("replaceable", [False, True])
def test_content_of_unknown_origin_gives_way_only_where_it_is_good_for_nothing(
    store_folder: StoreFolder, replaceable: bool
) -> None:
    store_folder.folder.mkdir(parents=True)
    store_folder.path.write_bytes(b"by hand")
    if replaceable:
        store_folder.publish(replaceable=True)
        assert store_folder.store.look(NAME).condition is Condition.WHOLE
        assert store_folder.path.read_bytes() == CONTENT
    else:
        with pytest.raises(StoreError, match="unknown origin") as caught:
            store_folder.publish()
        assert "adopt" in (caught.value.next_step or "")
        assert store_folder.path.read_bytes() == b"by hand"
        assert store_folder.store.records.read(NAME) is None


@pytest.mark.parametrize("kind", ["link", "directory", "fifo", "hard link"])
def test_what_is_irregular_is_in_the_way(store_folder: StoreFolder, tmp_path: Path, kind: str) -> None:
    store_folder.folder.mkdir(parents=True)
    (tmp_path / "elsewhere").write_bytes(b"precious")
    match kind:
        case "link":
            store_folder.path.symlink_to(tmp_path / "elsewhere")
        case "directory":
            store_folder.path.mkdir()
        case "fifo":
            os.mkfifo(store_folder.path)
        case _:
            os.link(tmp_path / "elsewhere", store_folder.path)
    before = os.lstat(store_folder.path)
    with pytest.raises(StoreError, match="in the way") as caught:
        store_folder.publish(replaceable=True)
    assert str(store_folder.path) in (caught.value.next_step or "")
    assert os.lstat(store_folder.path).st_ino == before.st_ino
    assert (tmp_path / "elsewhere").read_bytes() == b"precious"
    assert store_folder.names() == [NAME]


def test_the_record_is_there_before_the_name(store_folder: StoreFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    """Cut off between the two, the next run knows what was meant to stand there."""

    def power_cut(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(_RENAME, power_cut)
    with pytest.raises(KeyboardInterrupt):
        store_folder.publish()
    monkeypatch.undo()
    assert store_folder.names() == []
    assert store_folder.store.records.read(NAME) == record()
    store_folder.publish()
    assert store_folder.store.look(NAME).condition is Condition.WHOLE


def test_the_name_is_there_before_its_identity(store_folder: StoreFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    def power_cut(_: Record, __: int) -> Record:
        raise KeyboardInterrupt

    monkeypatch.setattr(store_folder.store, "_identify", power_cut)
    with pytest.raises(KeyboardInterrupt):
        store_folder.publish()
    monkeypatch.undo()
    assert store_folder.store.look(NAME).condition is Condition.WHOLE


@pytest.mark.parametrize("damaged", [False, True])
def test_the_content_is_synced_before_it_has_a_name(
    store_folder: StoreFolder, monkeypatch: pytest.MonkeyPatch, damaged: bool
) -> None:
    """Under a temporary one: what is synced of a file without any name does not last on btrfs of Linux 6.12."""
    calls: list[str] = []
    real_fsync = os.fsync
    if damaged:
        store_folder.publish()
        store_folder.path.write_bytes(b"rot")
    store_folder.folder.mkdir(parents=True, exist_ok=True)

    def fsync(descriptor: int) -> None:
        path = Path(os.readlink(f"/proc/self/fd/{descriptor}").removesuffix(" (deleted)"))
        if path == store_folder.folder:
            calls.append("folder")
        elif path.parent == store_folder.folder:
            status, published = os.fstat(descriptor), store_folder.path.exists() and store_folder.path.stat()
            same = published and published.st_ino == status.st_ino
            calls.append(f"image with {status.st_nlink} names" + " and its own" * bool(same))
        real_fsync(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    store_folder.publish()
    assert calls == ["image with 1 names", "folder"]


def test_content_of_another_tool_is_synced_before_it_is_recorded(
    store_folder: StoreFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    store_folder.folder.mkdir(parents=True)
    store_folder.path.write_bytes(CONTENT)
    store_folder.path.chmod(0o644)
    synced: list[tuple[int, bool]] = []
    real = os.fsync

    def fsync(descriptor: int) -> None:
        synced.append((os.fstat(descriptor).st_ino, store_folder.store.records.read(NAME) is not None))
        real(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    store_folder.publish()
    assert (store_folder.path.stat().st_ino, False) in synced


@pytest.mark.parametrize(
    ("call", "said"),
    [
        ("link", "sysext-store: cannot be written to: No space left"),
        ("rename", f"{NAME}: cannot be published: No space"),
    ],
)
def test_a_full_disk_leaves_the_old_content_and_nothing_else(
    store_folder: StoreFolder, monkeypatch: pytest.MonkeyPatch, call: str, said: str
) -> None:
    store_folder.publish()
    store_folder.path.write_bytes(b"rot")
    real = getattr(os, call)

    def full(source: object, target: object, **options: int) -> None:
        if not str(target).endswith(".json"):
            raise OSError(28, "No space left on device")
        real(source, target, **options)

    monkeypatch.setattr(os, call, full)
    with pytest.raises(StoreError, match=said):
        store_folder.publish()
    monkeypatch.undo()
    assert store_folder.path.read_bytes() == b"rot"
    assert store_folder.names() == [NAME]


def test_another_transaction_was_quicker(store_folder: StoreFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same image under the same name: what stands there is taken."""

    def late(*given: Any) -> None:
        if not store_folder.path.exists():
            store_folder.path.write_bytes(CONTENT)
        rename_new(*given)

    monkeypatch.setattr(_RENAME, late)
    store_folder.publish()
    assert store_folder.store.look(NAME).condition is Condition.WHOLE
    assert store_folder.names() == [NAME]


def test_another_transaction_was_quicker_with_other_content(
    store_folder: StoreFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    def late(*given: Any) -> None:
        store_folder.folder.joinpath(NAME).write_bytes(OTHER)
        store_folder.store.records.write(record(OTHER))
        rename_new(*given)

    monkeypatch.setattr(_RENAME, late)
    with pytest.raises(StoreError, match="never changes its content"):
        store_folder.publish()
    assert store_folder.path.read_bytes() == OTHER


def test_a_file_that_was_exchanged_is_not_sealed(store_folder: StoreFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    """L2: whoever put it there right after us, nobody has looked at it."""

    def exchanged(*given: Any) -> None:
        rename_new(*given)
        (store_folder.folder / "new").write_bytes(OTHER)
        os.replace(store_folder.folder / "new", store_folder.path)

    monkeypatch.setattr(_RENAME, exchanged)
    with pytest.raises(StoreError, match="replaced by another process"):
        store_folder.publish()
    assert store_folder.store.look(NAME).condition is Condition.DAMAGED


def test_a_leftover_of_a_killed_run_is_no_obstacle(store_folder: StoreFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    """The temporary name that our file would get, of a store that was copied from another disk."""
    store_folder.publish()
    store_folder.path.write_bytes(b"rot")
    left: list[Path] = []
    real = os.fchmod

    def leaving(descriptor: int, mode: int) -> None:
        folder, number = store_folder.folder, os.fstat(descriptor).st_ino
        if os.readlink(f"/proc/self/fd/{descriptor}").startswith(str(folder)):
            left.append(folder / f".tukit-sysext.whole.{number}")
            left[-1].write_bytes(b"half")
        real(descriptor, mode)

    monkeypatch.setattr(os, "fchmod", leaving)
    store_folder.publish()
    assert len(left) == 1
    assert store_folder.store.look(NAME).condition is Condition.WHOLE
    assert store_folder.names() == [NAME]


def test_what_is_known_to_be_right_is_taken_over(store_folder: StoreFolder) -> None:
    store_folder.folder.mkdir(parents=True)
    store_folder.path.write_bytes(CONTENT)
    assert store_folder.store.look(NAME).condition is Condition.UNRECORDED
    with store_folder.store.opened(NAME) as descriptor:
        store_folder.store.take_over(record(), descriptor)
    assert store_folder.store.look(NAME).condition is Condition.WHOLE


@pytest.mark.parametrize("name", ["../x.raw", ".hidden.raw"])
def test_nothing_is_published_elsewhere(store_folder: StoreFolder, name: str) -> None:
    with pytest.raises(ValueError, match="name"):
        store_folder.publish(file_name=name)
    assert store_folder.names() == []
