# SPDX-License-Identifier: LGPL-2.1-or-later
"""A list and its signatures are replaced in one step: whenever it ends, they belong together."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from tests.trees import listing
from tukit_sysext.publish.switching import settle, switch

NAMES = ("SHA256SUMS", "SHA256SUMS.gpg", "SHA256SUMS.asc")
OLD = {"SHA256SUMS": b"old", "SHA256SUMS.asc": b"old signature"}
NEW = {"SHA256SUMS": b"new", "SHA256SUMS.gpg": b"new signature", "SHA256SUMS.asc": b"new armoured"}
CALLS = ("mkdir", "open", "rename", "unlink", "rmdir", "symlink", "fsync")


class Killed(BaseException):
    """Stands in for SIGKILL: nothing is done afterwards, no cleaning up either."""


class Countdown:
    """So many calls are carried out, no further one."""

    def __init__(self, left: int) -> None:
        self.left = left

    def dying(self, real: Callable[..., Any], *, below: Path | None = None) -> Callable[..., Any]:
        """A call that counts, of those about a path ``below`` a folder alone where one is given."""

        def call(*arguments: Any, **keys: Any) -> Any:
            if below is not None and not any(str(each).startswith(str(below)) for each in arguments):
                return real(*arguments, **keys)
            if not self.left:
                raise Killed
            self.left -= 1
            return real(*arguments, **keys)

        return call


def seen(folder: Path) -> dict[str, bytes]:
    """What a client finds under the names."""
    return {name: (folder / name).read_bytes() for name in NAMES if (folder / name).exists()}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, content in OLD.items():
        (tmp_path / name).write_bytes(content)
    return tmp_path


def test_it_leaves_files_and_nothing_else(folder: Path) -> None:
    switch(folder, NAMES, NEW)
    assert listing(folder) == NEW


def test_what_is_not_written_goes(folder: Path) -> None:
    """A signature of the old list under another name would be a bad one of the new list."""
    switch(folder, NAMES, {"SHA256SUMS": b"new", "SHA256SUMS.gpg": b"new signature"})
    assert listing(folder) == {"SHA256SUMS": b"new", "SHA256SUMS.gpg": b"new signature"}


def test_the_first_list(tmp_path: Path) -> None:
    switch(tmp_path, NAMES, NEW)
    assert listing(tmp_path) == NEW


def test_killed_at_any_step(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """L12: the old three or the new three, never some of each; the next run leaves no trace of it."""
    states: set[bytes] = set()
    for steps in range(1, 500):
        for name in NAMES:
            (folder / name).unlink(missing_ok=True)
        for name, content in OLD.items():
            (folder / name).write_bytes(content)
        with monkeypatch.context() as patched:
            count = Countdown(steps)
            for call in CALLS:
                patched.setattr(os, call, count.dying(getattr(os, call)))
            with suppress(Killed):
                switch(folder, NAMES, NEW)
        found = seen(folder)
        assert found in (OLD, NEW), f"after {steps} steps: {found}"
        states.add(found["SHA256SUMS"])
        settle(folder, NAMES)
        assert listing(folder) == found
        if count.left:
            break
    assert (states, found) == ({b"old", b"new"}, NEW)
    assert 40 < steps < 499


def test_it_goes_on_from_what_was_left(folder: Path) -> None:
    (folder / ".tukit-sysext.new").mkdir()
    (folder / ".tukit-sysext.lists").symlink_to(".tukit-sysext.new")
    (folder / "SHA256SUMS").rename(folder / ".tukit-sysext.new/SHA256SUMS")
    (folder / "SHA256SUMS").symlink_to(".tukit-sysext.lists/SHA256SUMS")
    switch(folder, NAMES, NEW)
    assert listing(folder) == NEW


def test_a_fault_leaves_the_old_list(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*arguments: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("tukit_sysext.publish.switching._link", full)
    with pytest.raises(OSError, match="No space"):
        switch(folder, NAMES, NEW)
    assert listing(folder) == OLD


def test_a_file_system_without_links(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*arguments: object, **keys: object) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "symlink", refused)
    switch(folder, NAMES, {"SHA256SUMS": b"new", "SHA256SUMS.gpg": b"new signature"})
    assert listing(folder) == {"SHA256SUMS": b"new", "SHA256SUMS.gpg": b"new signature"}
