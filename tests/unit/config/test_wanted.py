# SPDX-License-Identifier: LGPL-2.1-or-later
"""Wanted images: images.d."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.trees import Content, Link, make_tree
from tukit_sysext.config.intent import State
from tukit_sysext.config.wanted import Policy, WantedImage, WantedImages, load_wanted
from tukit_sysext.system.tree import Tree

ETC, RUN, USR = (f"{folder}/tukit-sysext/images.d" for folder in ("etc", "run", "usr/lib"))


def wanted(root: Path, entries: Mapping[str, Content]) -> WantedImages:
    with Tree(make_tree(root, entries)) as tree:
        return load_wanted(tree)


def one(root: Path, text: str) -> WantedImage:
    return wanted(root, {f"{ETC}/gdb.conf": text}).images["gdb"]


def test_nothing_is_wanted(tmp_path: Path) -> None:
    assert wanted(tmp_path, {}) == WantedImages(images={}, masked={}, problems=())


def test_required_is_the_default(tmp_path: Path) -> None:
    assert one(tmp_path, "[Image]\n") == WantedImage(
        name="gdb", origin=f"/{ETC}/gdb.conf", policy=Policy.REQUIRED, state=State.WANTED
    )
    assert one(tmp_path, "[Image]\n").may_refuse


def test_all_keys(tmp_path: Path) -> None:
    found = one(tmp_path, "[Image]\nPolicy=optional\nSource=own third\nHold=15.2~rc1\nState=removed\n")
    assert (found.policy, found.sources, found.hold, found.state) == (
        Policy.OPTIONAL,
        ("own", "third"),
        "15.2~rc1",
        State.REMOVED,
    )
    assert found.trusted


@pytest.mark.parametrize("text", ["[Image]\nPolicy=optional\n", "[Image]\nState=removed\n"])
def test_what_is_optional_or_removed_refuses_nothing(tmp_path: Path, text: str) -> None:
    assert not one(tmp_path, text).may_refuse


def test_the_stronger_file_counts_whole(tmp_path: Path) -> None:
    found = wanted(
        tmp_path,
        {f"{USR}/gdb.conf": "[Image]\nPolicy=optional\nHold=1\n", f"{RUN}/gdb.conf": "[Image]\nPolicy=required\n"},
    )
    assert found.images["gdb"].policy is Policy.REQUIRED
    assert found.images["gdb"].hold is None
    assert found.images["gdb"].origin == f"/{RUN}/gdb.conf"


@pytest.mark.parametrize("mask", ["", Link("/dev/null")])
def test_an_image_that_is_masked_is_not_wanted(tmp_path: Path, mask: Content) -> None:
    found = wanted(tmp_path, {f"{USR}/gdb.conf": "[Image]\n", f"{ETC}/gdb.conf": mask, f"{ETC}/strace.conf": "[Image]"})
    assert list(found.images) == ["strace"]
    assert found.masked == {"gdb": f"/{ETC}/gdb.conf"}
    assert found.problems == ()


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("[Image]\nPolicy=maybe\n", 2, "expected required or optional"),
        ("[Image]\nPolicy=Optional\n", 2, "expected required or optional"),
        ("[Image]\nState=gone\n", 2, "expected wanted or removed"),
        ("[Image]\nSource=../etc\n", 2, "Source=../etc"),
        ("[Image]\nHold=a b\n", 2, "expected a version"),
        ("[Image\nPolicy=optional\n", 1, "[Section]"),
        ("Policy=optional\n", 1, "no section"),
        ("[Image]\nPolicy optional\n", 2, "Key=value"),
    ],
)
def test_a_file_with_a_fault_cannot_refuse(tmp_path: Path, text: str, line: int, words: str) -> None:
    """The fault may have been the policy: the image stays wanted, and no update is refused for it."""
    found = wanted(tmp_path, {f"{ETC}/gdb.conf": text})
    problem = found.problems[0]
    assert (problem.file, problem.line) == (f"/{ETC}/gdb.conf", line)
    assert words in problem.message
    assert not found.images["gdb"].may_refuse
    assert found.images["gdb"].state is State.WANTED


def test_a_file_that_cannot_be_read_cannot_refuse(tmp_path: Path) -> None:
    found = wanted(tmp_path, {f"{ETC}/gdb.conf": None})
    assert not found.images["gdb"].may_refuse
    assert [problem.file for problem in found.problems] == [f"/{ETC}/gdb.conf"]


def test_a_key_of_a_newer_version_is_named_and_the_image_may_refuse(tmp_path: Path) -> None:
    found = wanted(tmp_path, {f"{ETC}/gdb.conf": "[Image]\nHold=15.2\nFlavour=small\n"})
    assert found.images["gdb"].may_refuse
    assert found.images["gdb"].hold == "15.2"
    assert ["unknown key Flavour=" in str(problem) for problem in found.problems] == [True]


def test_a_wrong_value_leaves_the_other_keys(tmp_path: Path) -> None:
    found = one(tmp_path, "[Image]\nPolicy=maybe\nHold=15.2\nSource=own\n")
    assert (found.hold, found.sources) == ("15.2", ("own",))


@pytest.mark.parametrize("name", ["a b", "-rf", "caf\u00e9", "a..b"])
def test_a_name_that_is_no_component_is_not_wanted(tmp_path: Path, name: str) -> None:
    found = wanted(tmp_path, {f"{ETC}/{name}.conf": "[Image]\n", f"{ETC}/gdb.conf": "[Image]\n"})
    assert list(found.images) == ["gdb"]
    assert ["the file's name" in str(problem) for problem in found.problems] == [True]
