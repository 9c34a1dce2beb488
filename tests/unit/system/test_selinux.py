# SPDX-License-Identifier: LGPL-2.1-or-later
"""Questions to the kernel's policy. No kernel with SELinux is at hand: terminals play the files of selinuxfs.

A terminal is written to and answers, as these files do. tests/virtual asks a real kernel.
"""

from __future__ import annotations

import errno
import os
import pty
import tty
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread

import pytest

from tests.trees import make_tree
from tukit_sysext.system.selinux import KernelPolicy, label_of


@contextmanager
def answering(path: Path, query: str, answer: str) -> Iterator[None]:
    ours, theirs = pty.openpty()
    asked: list[bytes] = []
    tty.setraw(theirs)
    path.unlink(missing_ok=True)
    path.symlink_to(os.ttyname(theirs))

    def serve() -> None:
        asked.append(os.read(ours, 4096))
        os.write(ours, answer.encode() + b"\0")

    thread = Thread(target=serve)
    thread.start()
    try:
        yield
    finally:
        thread.join(10)
        os.close(ours)
        os.close(theirs)
    assert asked == [query.encode() + b"\0"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    make_tree(
        tmp_path,
        {
            "enforce": "1",
            "class/process/index": "2",
            "class/dir/index": "7",
            "class/dir/perms/search": "5",
            "class/dir/perms/add_name": "1",
            "class/dir/perms/write": "3",
        },
    )
    return tmp_path


@pytest.mark.parametrize(("text", "enforces"), [("1", True), ("1\n", True), ("0", False), (None, False)])
def test_enforcing(folder: Path, text: str | None, enforces: bool) -> None:
    (folder / "enforce").unlink()
    if text is not None:
        (folder / "enforce").write_text(text)
    assert KernelPolicy(folder).enforces is enforces


def test_the_domain_of_a_program(folder: Path) -> None:
    with answering(folder / "create", "u:r:here_t:s0 u:o:program_t:s0 2", "u:r:there_t:s0"):
        assert KernelPolicy(folder).runs_as("u:r:here_t:s0", "u:o:program_t:s0") == "u:r:there_t:s0"


@pytest.mark.parametrize(
    ("allowed", "flags", "permissions", "all_of_them"),
    [
        ("10", 0, ["search"], True),
        ("11", 0, ["search", "add_name"], True),
        ("11", 0, ["search", "add_name", "write"], False),
        ("ffffffef", 0, ["search"], False),
        ("0", 0, ["search"], False),
        ("0", 1, ["search"], True),
    ],
    ids=["one", "both", "not all", "all but this", "none", "a permissive domain"],
)
def test_what_is_allowed(folder: Path, allowed: str, flags: int, permissions: list[str], all_of_them: bool) -> None:
    answer = f"{allowed} ffffffff 0 ffffffff 3 {flags:x}"
    with answering(folder / "access", "u:r:here_t:s0 u:o:folder_t:s0 7", answer):
        policy = KernelPolicy(folder)
        assert policy.allows("u:r:here_t:s0", "u:o:folder_t:s0", "dir", *permissions) is all_of_them


def test_a_label_that_the_policy_has(folder: Path) -> None:
    with answering(folder / "context", "u:o:folder_t:s0", "u:o:folder_t:s0"):
        assert KernelPolicy(folder).knows("u:o:folder_t:s0")


@pytest.mark.parametrize(("fault", "known"), [(errno.EINVAL, False), (errno.EACCES, None)])
def test_a_label_that_it_has_not(folder: Path, monkeypatch: pytest.MonkeyPatch, fault: int, known: bool | None) -> None:
    def refuses(*_: object) -> int:
        raise OSError(fault, os.strerror(fault))

    (folder / "context").touch()
    monkeypatch.setattr(os, "write", refuses)
    if known is None:
        with pytest.raises(PermissionError):
            KernelPolicy(folder).knows("u:o:other_t:s0")
    else:
        assert not KernelPolicy(folder).knows("u:o:other_t:s0")


def test_a_label(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "getxattr", lambda path, name: f"{name} of {path.name}".encode() + b"\0")
    assert label_of(tmp_path / "file") == "security.selinux of file"
