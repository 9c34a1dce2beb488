# SPDX-License-Identifier: LGPL-2.1-or-later
"""Images behind loop devices: the file counts, not its name, where it can be told (threat C10)."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.machine import PlainMachine
from tests.trees import make_tree
from tukit_sysext.collect.attached import in_use

STORE = "/var/lib/sysext-store"
A = "a-1.raw"


@pytest.fixture
def two_files_of_a_name(tmp_path: Path) -> PlainMachine:
    site = PlainMachine(tmp_path)
    make_tree(site.root, {f"{STORE.lstrip('/')}/{A}": "image", f"srv/{A}": "another file of its name"})
    return site


def behind(site: PlainMachine, path: str) -> list[str]:
    """What is in use when a loop device has this file, as it says."""
    make_tree(site.root, {"sys/block/loop3/loop/backing_file": f"{path}\n"})
    return [name for name, _ in in_use(site.layout)]


@pytest.mark.parametrize(
    ("path", "found"),
    [
        (f"{STORE}/{A}", [A]),
        (f"/srv/{A}", []),
        # not to be seen from here: another mount namespace, or gone
        (f"/elsewhere/{A}", [A]),
        (f"{STORE}/{A} (deleted)", [A]),
    ],
)
def test_by_the_path_that_the_kernel_tells(two_files_of_a_name: PlainMachine, path: str, found: list[str]) -> None:
    assert behind(two_files_of_a_name, path) == found


@pytest.mark.parametrize(("file", "found"), [(f"{STORE}/{A}", [A]), (f"/srv/{A}", [])])
@pytest.mark.parametrize("path", [f"{STORE}/{A}", f"/srv/{A}", f"/elsewhere/{A}", f"{STORE}/{A} (deleted)"])
def test_by_device_and_inode_where_the_loop_device_tells_them(
    two_files_of_a_name: PlainMachine, monkeypatch: pytest.MonkeyPatch, path: str, file: str, found: list[str]
) -> None:
    """Another lab's store has the same path, too."""
    status = os.stat(two_files_of_a_name.root / file.lstrip("/"))
    make_tree(two_files_of_a_name.root, {"dev/loop3": ""})

    def ioctl(_: int, request: int, room: bytes) -> bytes:
        assert (request, len(room)) == (0x4C05, 232)
        return struct.pack("=QQ", status.st_dev, status.st_ino) + room[16:]

    monkeypatch.setattr("tukit_sysext.collect.attached.fcntl.ioctl", ioctl)
    assert behind(two_files_of_a_name, path) == found


def test_a_file_that_goes_meanwhile_is_no_reason_to_know_of_none(
    two_files_of_a_name: PlainMachine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a fetch has under a temporary name comes and goes without the lock of the collection."""
    store = two_files_of_a_name.layout.store
    (store / ".tukit-sysext.partial").touch()
    scandir = os.scandir

    @contextmanager
    def scan(folder: Path) -> Iterator[list[os.DirEntry[str]]]:
        with scandir(folder) as entries:
            found = sorted(entries, key=lambda entry: entry.name)
        (store / ".tukit-sysext.partial").unlink(missing_ok=True)
        yield found

    monkeypatch.setattr("tukit_sysext.collect.attached.os.scandir", scan)
    assert behind(two_files_of_a_name, f"{STORE}/{A}") == [A]
