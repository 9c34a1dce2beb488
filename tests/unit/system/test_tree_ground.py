# SPDX-License-Identifier: LGPL-2.1-or-later
"""A tree as the ground of images."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.trees import Content, Link, make_tree
from tukit_sysext.requirements.ground import Kind
from tukit_sysext.system.tree import Tree
from tukit_sysext.system.tree_ground import TreeGround


@pytest.mark.parametrize(
    ("config", "policy"),
    [
        ("SELINUX=enforcing\nSELINUXTYPE=targeted\n", "targeted"),
        ("# SELINUX=disabled\nSELINUX = permissive\nSELINUXTYPE= targeted \n", "targeted"),
        ("SELINUX=disabled\nSELINUXTYPE=targeted\n", ""),
        ("SELINUX=enforcing\nSELINUXTYPE=minimum\n", ""),
        ("SELINUX=enforcing\nSELINUXTYPE=../targeted\n", ""),
        ("SELINUX=enforcing\n", ""),
        ("\xff\n", ""),
        (None, ""),
        (Link("config"), ""),
    ],
)
def test_the_policy_that_a_tree_loads(config: Content, policy: str, tmp_path: Path) -> None:
    root = tmp_path / "root"
    files: dict[str, Content] = {"etc/selinux/targeted/policy/policy.33": ""}
    make_tree(root, files | ({"etc/selinux/config": config} if config is not None else {}))
    with Tree(root) as tree:
        assert TreeGround(tree, scratch=tmp_path / "scratch").selinux == policy


def test_what_lies_where(tmp_path: Path) -> None:
    root = tmp_path / "root"
    make_tree(root, {"usr/bin/sh": "", "usr/sbin": Link("bin"), "usr/lib/a/b": "", "away": Link("/etc")})
    (root / "usr/lib").chmod(0o750)
    with Tree(root) as tree:
        ground = TreeGround(tree, scratch=tmp_path / "scratch")
        assert ground.names("") == {"usr": Kind.DIRECTORY, "away": Kind.LINK}
        assert ground.names("usr") == {"bin": Kind.DIRECTORY, "sbin": Kind.LINK, "lib": Kind.DIRECTORY}
        assert ground.names("usr/bin") == {"sh": Kind.OTHER}
        assert ground.names("usr/none") == {}
        assert ground.names("usr/bin/sh") == {}
        assert (ground.target("usr/sbin"), ground.target("usr/none")) == ("bin", "")
        assert (ground.mode("usr/lib"), ground.mode("usr/none"), ground.mode("usr/bin/sh")) == (0o750, 0, 0)
        shutil.rmtree(root / "usr")
        assert ground.names("usr/bin") == {"sh": Kind.OTHER}, "read once"
