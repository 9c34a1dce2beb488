# SPDX-License-Identifier: LGPL-2.1-or-later
"""Credentials=: only from a file that is root's alone, and never repeated (threat N16)."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.trees import Link, make_tree
from tukit_sysext.config.credentials import Credentials
from tukit_sysext.config.settings import Configuration, load_configuration
from tukit_sysext.system.tree import Tree

PATH = "etc/tukit-sysext/credentials/web"
pytestmark = pytest.mark.root


def configuration(
    root: Path, content: bytes | Link | None, *, mode: int = 0o600, named: str = f"/{PATH}"
) -> Configuration:
    make_tree(root, {"etc/tukit-sysext/sources.d/web.conf": f"[Source]\nURL=https://a/\nCredentials={named}\n"})
    if content is not None:
        make_tree(root, {PATH: content})
        if isinstance(content, bytes):
            (root / PATH).chmod(mode)
    with Tree(root) as tree:
        return load_configuration(tree)


@pytest.mark.parametrize(
    ("content", "user", "password"),
    [
        (b"lab:geheim\n", "lab", "geheim"),
        (b"lab:geheim", "lab", "geheim"),
        (b"lab:geheim\r\n", "lab", "geheim"),
        (b"lab:ge:heim @/ \n", "lab", "ge:heim @/ "),
        ("l\u00e4b:geh\u20acim\n".encode(), "l\u00e4b", "geh\u20acim"),
        (b"token:\n", "token", ""),
    ],
)
@pytest.mark.parametrize("mode", [0o600, 0o400])
def test_one_line(tmp_path: Path, content: bytes, user: str, password: str, mode: int) -> None:
    found = configuration(tmp_path, content, mode=mode)
    assert found.problems == ()
    assert found.sources["web"].credentials == Credentials(path=f"/{PATH}", user=user, password=password)


def test_no_trace_has_them(tmp_path: Path) -> None:
    found = configuration(tmp_path, b"labuser:geheim\n")
    assert "geheim" not in repr(found)
    assert "labuser" not in repr(found)


def doubtful(found: Configuration, words: str) -> None:
    """Refused, with the reason and without the secret; the lists of the source are not believed either."""
    source = found.sources["web"]
    assert source.credentials is None
    assert not source.trusted
    assert words in source.doubt
    assert words in str(found.problems[0])
    assert "geheim" not in repr(found)


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o660, 0o604, 0o601, 0o620, 0o777])
def test_a_file_that_others_may_read_or_write(tmp_path: Path, mode: int) -> None:
    doubtful(configuration(tmp_path, b"lab:geheim\n", mode=mode), f"found one of user 0 with mode {mode:04o}")


def test_a_file_of_somebody_else(tmp_path: Path) -> None:
    configuration(tmp_path, b"lab:geheim\n")
    os.chown(tmp_path / PATH, 1000, 0)
    doubtful(configuration(tmp_path, None), "expected a file of root with mode 0600, found one of user 1000")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\n",
        b"geheim\n",
        b":geheim\n",
        b"lab:geheim\nmore:geheim\n",
        b"lab:geheim\n\n",
        b"lab:ge\rheim\n",
        b"lab:geheim\x00",
        b"lab:geheim\r\nX-Header: 1\r\n",
        b"lab:\xff",
        b"lab:" + b"x" * 5000,
    ],
)
def test_what_is_no_line_of_them(tmp_path: Path, content: bytes) -> None:
    doubtful(configuration(tmp_path, content), "Credentials=: ")


def test_no_file(tmp_path: Path) -> None:
    doubtful(configuration(tmp_path, None), f"/{PATH}: there is no such file")


def test_a_link_out_of_the_tree(tmp_path: Path) -> None:
    """The tree's own file counts, not one of the running system."""
    (tmp_path / "outside").write_bytes(b"lab:geheim\n")
    (tmp_path / "outside").chmod(0o600)
    doubtful(configuration(tmp_path / "tree", Link("../../../../outside")), "there is no such file")


def test_a_fifo_is_not_waited_for(tmp_path: Path) -> None:
    make_tree(tmp_path, {"etc/tukit-sysext/credentials": None})
    os.mkfifo(tmp_path / PATH, 0o600)
    doubtful(configuration(tmp_path, None), "expected a regular file")


@pytest.mark.parametrize("named", ["lab:geheim", "geheim", "../geheim", "/etc/../geheim"])
def test_a_password_in_the_place_of_a_path_is_not_repeated(tmp_path: Path, named: str) -> None:
    doubtful(configuration(tmp_path, None, named=named), "Credentials=...: expected an absolute path")
