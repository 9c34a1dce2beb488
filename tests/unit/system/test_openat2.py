# SPDX-License-Identifier: LGPL-2.1-or-later
"""openat2(2) by its number."""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.trees import Link, make_tree
from tukit_sysext.system.syscalls import RESOLVE_BENEATH, RESOLVE_IN_ROOT, RESOLVE_NO_SYMLINKS, openat2


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[int]:
    make_tree(tmp_path, {"secret": "x", "in/file": "x", "in/up": Link("../secret"), "in/link": Link("file")})
    descriptor = os.open(tmp_path / "in", os.O_PATH | os.O_DIRECTORY)
    yield descriptor
    os.close(descriptor)


def failure(folder: int, path: str, resolve: int) -> int | None:
    """The error number, None for success."""
    try:
        os.close(openat2(folder, path, os.O_RDONLY, resolve=resolve))
    except OSError as error:
        assert error.filename == path
        return error.errno
    return None


@pytest.mark.parametrize(
    ("path", "resolve", "expected"),
    [
        ("file", RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS, None),
        ("link", RESOLVE_BENEATH, None),
        ("link", RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS, errno.ELOOP),
        ("up", RESOLVE_BENEATH, errno.EXDEV),
        ("../secret", RESOLVE_BENEATH, errno.EXDEV),
        ("/etc/passwd", RESOLVE_BENEATH, errno.EXDEV),
        ("../secret", RESOLVE_IN_ROOT, errno.ENOENT),
        ("/file", RESOLVE_IN_ROOT, None),
        ("../../file", RESOLVE_IN_ROOT, None),
        ("none", RESOLVE_BENEATH, errno.ENOENT),
        ("file/x", RESOLVE_BENEATH, errno.ENOTDIR),
    ],
)
def test_where_a_path_may_lead(folder: int, path: str, resolve: int, expected: int | None) -> None:
    assert failure(folder, path, resolve) == expected


def test_children_do_not_inherit_it(folder: int) -> None:
    descriptor = openat2(folder, "file", os.O_RDONLY, resolve=RESOLVE_BENEATH)
    try:
        assert fcntl.fcntl(descriptor, fcntl.F_GETFD) & fcntl.FD_CLOEXEC
    finally:
        os.close(descriptor)


def test_a_nul_does_not_cut_a_path(folder: int) -> None:
    with pytest.raises(ValueError, match="NUL"):
        openat2(folder, "file\0.conf", os.O_RDONLY, resolve=RESOLVE_BENEATH)


def test_names_that_are_no_utf8(folder: int, tmp_path: Path) -> None:
    (tmp_path / "in" / os.fsdecode(b"\xff")).touch()
    assert failure(folder, os.fsdecode(b"\xff"), RESOLVE_BENEATH) is None
