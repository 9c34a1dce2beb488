# SPDX-License-Identifier: LGPL-2.1-or-later
"""The memory of the newest signature times: goes up by itself, and down only on command (threat N7)."""

from __future__ import annotations

import fcntl
import os
import random
import threading
from pathlib import Path

import pytest

from tests.trees import umask
from tukit_sysext.errors import Busy, MemoryUnreadable
from tukit_sysext.sources.seen import Seen

A, B = "A" * 40, "B" * 64


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "state" / "seen"


@pytest.fixture
def seen(folder: Path) -> Seen:
    return Seen(folder, writable=True)


def test_times_go_up_alone(seen: Seen) -> None:
    assert seen.times("web") == {}
    seen.remember("web", {A: 100})
    seen.remember("web", {A: 50, B: 7})
    seen.remember("web", {})
    assert seen.times("web") == {A: 100, B: 7}
    seen.remember("web", {A: 101})
    assert seen.times("web") == {A: 101, B: 7}
    assert seen.times("other") == {}
    assert seen.sources() == ["web"]


def test_everybody_may_read_it_and_nobody_else_may_hold_its_lock(seen: Seen, folder: Path) -> None:
    with umask(0o077):
        seen.remember("web", {A: 100})
    assert (folder / "web").stat().st_mode & 0o777 == 0o644
    assert (folder / ".lock").stat().st_mode & 0o777 == 0o600
    assert folder.stat().st_mode & 0o777 == 0o755


def test_what_is_known_is_not_written_again(seen: Seen, folder: Path) -> None:
    seen.remember("web", {A: 100})
    before = (folder / "web").stat()
    seen.remember("web", {A: 100})
    assert (folder / "web").stat().st_ino == before.st_ino


def test_who_only_looks_remembers_nothing(folder: Path) -> None:
    Seen(folder, writable=False).remember("web", {A: 100})
    assert not folder.exists()


def test_a_reset_forgets_one_source(seen: Seen) -> None:
    assert not seen.reset("web")
    seen.remember("web", {A: 100})
    seen.remember("other", {A: 100})
    assert seen.reset("web")
    assert not seen.reset("web")
    assert (seen.times("web"), seen.times("other")) == ({}, {A: 100})


BAD = [
    b"",
    b"{",
    b"[]",
    b"null",
    b'{"keys": {}}',
    b'{"keys": []}',
    b'{"keys": {"%s": "100"}}' % A.encode(),
    b'{"keys": {"%s": -1}}' % A.encode(),
    b'{"keys": {"%s": 1e3}}' % A.encode(),
    b'{"keys": {"%s": true}}' % A.encode(),
    b'{"keys": {"%s": 1%s}}' % (A.encode(), b"0" * 30),
    b'{"keys": {"web": 100}}',
    b'{"keys": {"%s": 100}}' % A.lower().encode(),
    b"\0" * 4096,
    b"[" * 60_000,
    b" " * 200_000,
]


@pytest.mark.parametrize("content", BAD, ids=lambda content: content[:30])
def test_what_is_damaged_is_not_taken_for_nothing(seen: Seen, folder: Path, content: bytes) -> None:
    """And nothing is written over it: that would be the same."""
    folder.mkdir(parents=True)
    (folder / "web").write_bytes(content)
    for ask in (lambda: seen.times("web"), lambda: seen.remember("web", {A: 5})):
        with pytest.raises(MemoryUnreadable) as caught:
            ask()
        assert (caught.value.next_step or "").splitlines()[-1] == "tukit-sysext sources reset web"
    assert (folder / "web").read_bytes() == content
    assert seen.reset("web")
    assert seen.times("web") == {}


def test_what_cannot_be_read_is_not_taken_for_nothing(seen: Seen, folder: Path) -> None:
    (folder / "web").mkdir(parents=True)
    with pytest.raises(MemoryUnreadable, match="expected a regular file"):
        seen.times("web")


def test_no_time_goes_down_where_many_remember(seen: Seen) -> None:
    """Each reads, compares and writes; without the lock a later writer puts an older time back."""
    times = list(range(1, 121))
    random.Random(5).shuffle(times)
    start = threading.Barrier(8)
    fell: list[int] = []

    def work(mine: list[int]) -> None:
        start.wait()
        for when in mine:
            seen.remember("web", {A: when})
            if seen.times("web")[A] < when:
                fell.append(when)

    threads = [threading.Thread(target=work, args=(times[number::8],)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (fell, seen.times("web")) == ([], {A: 120})


def test_one_who_hangs_holds_nobody_up_for_ever(seen: Seen, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen.remember("web", {A: 1})
    monkeypatch.setattr("tukit_sysext.sources.seen._PATIENCE", 0.1)
    descriptor = os.open(folder / ".lock", os.O_RDWR)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        with pytest.raises(Busy):
            seen.remember("web", {A: 2})
    finally:
        os.close(descriptor)
    assert seen.times("web") == {A: 1}
