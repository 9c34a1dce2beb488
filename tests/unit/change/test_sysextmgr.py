# SPDX-License-Identifier: LGPL-2.1-or-later
"""sysextmgr.conf as sysextmgr reads it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.trees import Content, Link, make_tree
from tukit_sysext.change.sysextmgr import load
from tukit_sysext.system.tree import Tree

ETC, RUN, USR = "etc/sysextmgr/sysextmgr.conf", "run/sysextmgr/sysextmgr.conf", "usr/share/sysextmgr/sysextmgr.conf"


def url(place: str, more: str = "") -> str:
    return f"[default]\nurl=https://{place}.example/\n{more}"


@pytest.mark.parametrize(
    ("files", "configured"),
    [
        ({USR: url("usr")}, ("https://usr.example/", f"/{USR}", True)),
        ({USR: url("usr"), RUN: url("run")}, ("https://run.example/", f"/{RUN}", True)),
        ({USR: url("usr"), ETC: url("etc", "verify_signature=false\n")}, ("https://etc.example/", f"/{ETC}", False)),
        (
            {ETC: url("etc"), f"{USR}.d/10.conf": url("drop")},
            ("https://drop.example/", f"/{USR}.d/10.conf", True),
        ),
        (
            {
                ETC: "[sysextmgrd]\nurl=https://own.example/\nverify_signature=no\n"
                + url("etc", "verify_signature=yes\n")
            },
            ("https://own.example/", f"/{ETC}", False),
        ),
        ({ETC: '[default]\nurl = "https://quoted.example/"\n'}, ("https://quoted.example/", f"/{ETC}", True)),
        ({ETC: "[sysextmgrd]\nverbose=true\n"}, (None, None, True)),
        ({ETC: "[default]\nurl=\n"}, (None, None, True)),
    ],
)
def test_what_it_says(tmp_path: Path, files: Mapping[str, Content], configured: tuple[object, ...]) -> None:
    make_tree(tmp_path, files)
    with Tree(tmp_path) as tree:
        settings = load(tree)
    assert settings is not None
    assert (settings.url, settings.origin, settings.verify) == configured
    assert (settings.elsewhere, settings.sure) == ((), True)


@pytest.mark.parametrize("files", [{}, {USR: ""}, {ETC: Link("/dev/null"), USR: url("usr")}])
def test_there_is_none(tmp_path: Path, files: Mapping[str, Content]) -> None:
    make_tree(tmp_path, {"etc/x": "", **files})
    with Tree(tmp_path) as tree:
        assert load(tree) is None


def test_other_places(tmp_path: Path) -> None:
    more = "sysext_store_dir=/srv/store\nextensions_dir=/etc/extensions/\n"
    make_tree(tmp_path, {ETC: url("etc", more)})
    with Tree(tmp_path) as tree:
        settings = load(tree)
    assert settings is not None and settings.elsewhere == ("sysext_store_dir=/srv/store",)


@pytest.mark.parametrize("more", ["verify_signature=perhaps\n", "nonsense\n"])
def test_a_fault_leaves_in_doubt_what_was_meant(tmp_path: Path, more: str) -> None:
    make_tree(tmp_path, {ETC: url("etc", more)})
    with Tree(tmp_path) as tree:
        settings = load(tree)
    assert settings is not None and not settings.sure
