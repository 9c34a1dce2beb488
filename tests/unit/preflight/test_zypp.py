# SPDX-License-Identifier: LGPL-2.1-or-later
"""zypper's repositories as its files have them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.trees import make_tree
from tukit_sysext.errors import UnknownState
from tukit_sysext.preflight.zypp import Repository, repositories
from tukit_sysext.rules.release import ReleaseData
from tukit_sysext.system.tree import Tree

RELEASE = ReleaseData({"VERSION_ID": "15.6"})


def read(root: Path) -> dict[str, Repository]:
    with Tree(root) as tree:
        return {each.alias: each for each in repositories(tree, RELEASE, "x86_64")}


def repo(root: Path, text: str, name: str = "main") -> Repository:
    make_tree(root, {f"etc/zypp/repos.d/{name}.repo": f"[{name}]\nenabled=1\n{text}"})
    return read(root)[name]


def test_none(tmp_path: Path) -> None:
    assert read(tmp_path) == {}


@pytest.mark.parametrize(
    ("text", "urls", "folder"),
    [
        ("baseurl=https://cdn.example.org/oss/", ["https://cdn.example.org/oss/"], None),
        ("baseurl=http://a.example/oss\npath=/x86", ["http://a.example/oss/x86/"], None),
        ("baseurl=https://a.example/1 https://b.example/2", ["https://a.example/1/", "https://b.example/2/"], None),
        (
            "baseurl=https://a.example/$releasever/${releasever_major}-$releasever_minor/$basearch",
            ["https://a.example/15.6/15-6/x86_64/"],
            None,
        ),
        ("baseurl=https://a.example/$DIST", ["https://a.example/aarch/"], None),
        ("baseurl=dir:///srv/my%20repo", [], "srv/my repo"),
        ("baseurl=https://lab:geheim@a.example/", [], None),
        ("baseurl=https://a.example/?credentials=SCC", [], None),
        ("baseurl=cd:///?devices=/dev/sr0", [], None),
        ("mirrorlist=https://a.example/list", [], None),
    ],
)
def test_where_it_is(tmp_path: Path, text: str, urls: list[str], folder: str | None) -> None:
    make_tree(tmp_path, {"etc/zypp/vars.d/DIST": "aarch\nmore\n"})
    found = repo(tmp_path, text)
    assert (list(found.urls), found.folder, found.priority) == (urls, folder, 99)


@pytest.mark.parametrize(("text", "priority"), [("priority=20", 20), ("priority=high", 99), ("priority=-1", 99)])
def test_its_priority(tmp_path: Path, text: str, priority: int) -> None:
    assert repo(tmp_path, text).priority == priority


def test_what_zypper_had_last(tmp_path: Path) -> None:
    make_tree(tmp_path, {"var/cache/zypp/raw/a_b/repodata/repomd.xml": "<repomd/>"})
    make_tree(tmp_path, {"etc/zypp/repos.d/x.repo": "[a/b]\nbaseurl=http://a.example/\n[other]\nenabled=0\n"})
    (found,) = read(tmp_path).values()
    assert (found.alias, found.kept) == ("a/b", b"<repomd/>")


def test_what_is_too_large_is_not_read(tmp_path: Path) -> None:
    make_tree(tmp_path, {"var/cache/zypp/raw/main/repodata/repomd.xml": bytes(2 << 20)})
    assert repo(tmp_path, "baseurl=http://a.example/").kept is None


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    make_tree(tmp_path, {"etc/zypp/repos.d/main.repo/deeper": ""})
    with pytest.raises(UnknownState):
        read(tmp_path)
