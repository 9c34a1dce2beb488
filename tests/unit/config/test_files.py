# SPDX-License-Identifier: LGPL-2.1-or-later
"""Which configuration files count (UAPI configuration files specification)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.trees import Content, Link, make_tree
from tukit_sysext.config.files import LIMIT, Keys, load_folder, load_main
from tukit_sysext.system.tree import Tree

ETC, RUN, USR = "etc/tukit-sysext", "run/tukit-sysext", "usr/lib/tukit-sysext"


def main_value(root: Path, entries: Mapping[str, Content]) -> str:
    """What K= is with these files of main.conf."""
    with Tree(make_tree(root, entries)) as tree:
        files, problems = load_main(tree, "main.conf")
    keys = Keys(*files)
    value = keys.take("S", "K", str, "(default)")
    assert [str(problem) for problem in (*problems, *keys.finish())] == []
    return value


def folder_of(root: Path, entries: Mapping[str, Content]) -> tuple[dict[str, str], dict[str, str], list[str]]:
    """Path by name of x.d, what is masked by what, and problems."""
    with Tree(make_tree(root, entries)) as tree:
        folder, problems = load_folder(tree, "x.d")
    told = [str(problem) for problem in problems]
    told += [str(problem) for file in folder.files.values() for problem in file.problems]
    return {name: file.path for name, file in folder.files.items()}, dict(folder.masked), told


def conf(value: object) -> str:
    return f"[S]\nK={value}\n"


@pytest.mark.parametrize(
    ("entries", "expected"),
    [
        ({}, "(default)"),
        ({f"{USR}/main.conf": conf("usr")}, "usr"),
        ({f"{USR}/main.conf": conf("usr"), f"{RUN}/main.conf": conf("run")}, "run"),
        ({f"{USR}/main.conf": conf("usr"), f"{RUN}/main.conf": conf("run"), f"{ETC}/main.conf": conf("etc")}, "etc"),
        # the stronger file replaces the weaker one whole
        ({f"{USR}/main.conf": conf("usr"), f"{ETC}/main.conf": "[S]\n"}, "(default)"),
        # an empty value goes back to the default
        ({f"{USR}/main.conf": conf("usr"), f"{ETC}/main.conf.d/a.conf": conf("")}, "(default)"),
        # masked
        ({f"{USR}/main.conf": conf("usr"), f"{ETC}/main.conf": ""}, "(default)"),
        ({f"{USR}/main.conf": conf("usr"), f"{ETC}/main.conf": Link("/dev/null")}, "(default)"),
        # drop-ins are stronger than every main file, wherever they are
        ({f"{ETC}/main.conf": conf("etc"), f"{USR}/main.conf.d/a.conf": conf("drop-in")}, "drop-in"),
        ({f"{USR}/main.conf.d/a.conf": conf("drop-in")}, "drop-in"),
        # sorted by name across the directories
        ({f"{ETC}/main.conf.d/10-a.conf": conf("etc"), f"{USR}/main.conf.d/20-b.conf": conf("usr")}, "usr"),
        ({f"{ETC}/main.conf.d/20-b.conf": conf("etc"), f"{USR}/main.conf.d/10-a.conf": conf("usr")}, "etc"),
        # one name in two directories
        ({f"{RUN}/main.conf.d/a.conf": conf("run"), f"{USR}/main.conf.d/a.conf": conf("usr")}, "run"),
        ({f"{ETC}/main.conf.d/a.conf": "", f"{USR}/main.conf.d/a.conf": conf("usr")}, "(default)"),
        ({f"{ETC}/main.conf.d/a.conf": Link("/dev/null"), f"{USR}/main.conf.d/a.conf": conf("usr")}, "(default)"),
        # what is no drop-in
        ({f"{ETC}/main.conf.d/a.conf~": conf("no"), f"{ETC}/main.conf.d/.a.conf": conf("no")}, "(default)"),
        ({f"{ETC}/main.conf.d/README": "no INI"}, "(default)"),
    ],
)
def test_which_value_counts(tmp_path: Path, entries: Mapping[str, Content], expected: str) -> None:
    assert main_value(tmp_path, entries) == expected


def test_a_drop_in_changes_its_keys_alone(tmp_path: Path) -> None:
    entries = {f"{ETC}/main.conf": "[S]\nK=1\nL=2\n", f"{ETC}/main.conf.d/a.conf": "[S]\nL=3\n"}
    with Tree(make_tree(tmp_path, entries)) as tree:
        keys = Keys(*load_main(tree, "main.conf")[0])
    assert (keys.take("S", "K", str, ""), keys.take("S", "L", str, "")) == ("1", "3")


def test_the_stronger_directory_has_the_name(tmp_path: Path) -> None:
    entries = {f"{USR}/x.d/a.conf": conf(1), f"{USR}/x.d/b.conf": conf(1), f"{RUN}/x.d/b.conf": conf(2)}
    assert folder_of(tmp_path, entries) == ({"a": f"/{USR}/x.d/a.conf", "b": f"/{RUN}/x.d/b.conf"}, {}, [])


@pytest.mark.parametrize("mask", ["", Link("/dev/null")])
def test_a_mask_is_told_with_what_masks(tmp_path: Path, mask: Content) -> None:
    entries = {f"{USR}/x.d/a.conf": conf(1), f"{ETC}/x.d/a.conf": mask}
    assert folder_of(tmp_path, entries) == ({}, {"a": f"/{ETC}/x.d/a.conf"}, [])


def test_a_mask_needs_no_look_at_the_device(tmp_path: Path) -> None:
    """In a running system /dev/null is there, and no regular file."""
    entries: dict[str, Content] = {
        f"{USR}/x.d/a.conf": conf(1),
        f"{ETC}/x.d/a.conf": Link("/dev/null"),
        "dev/null": None,
    }
    assert folder_of(tmp_path, entries) == ({}, {"a": f"/{ETC}/x.d/a.conf"}, [])


def test_a_weaker_mask_masks_nothing(tmp_path: Path) -> None:
    entries = {f"{USR}/x.d/a.conf": "", f"{ETC}/x.d/a.conf": conf(1)}
    assert folder_of(tmp_path, entries) == ({"a": f"/{ETC}/x.d/a.conf"}, {}, [])


def test_a_link_to_another_file_of_the_tree_is_that_file(tmp_path: Path) -> None:
    """Links resolve with the tree as root: the same text outside of it leads elsewhere."""
    entries: dict[str, Content] = {f"{ETC}/main.conf": Link("/srv/real.conf"), "srv/real.conf": conf("inside")}
    assert main_value(tmp_path, entries) == "inside"


def test_a_link_out_of_the_tree_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text(conf("outside"))
    entries: dict[str, Content] = {f"{ETC}/x.d/a.conf": Link("../../../../../secret")}
    _, _, told = folder_of(tmp_path / "root", entries)
    assert told == [f"/{ETC}/x.d/a.conf: a link to nothing"]


def test_a_link_to_nothing_is_a_fault_and_no_mask(tmp_path: Path) -> None:
    files, masked, told = folder_of(tmp_path, {f"{ETC}/x.d/a.conf": Link("nowhere"), f"{USR}/x.d/a.conf": conf(1)})
    assert (list(files), masked) == (["a"], {})
    assert told == [f"/{ETC}/x.d/a.conf: a link to nothing"]


@pytest.mark.parametrize(
    ("content", "words"), [(None, "regular file"), (b"#" * (LIMIT + 1), "larger than"), (Link("a.conf"), "read")]
)
def test_a_file_that_cannot_be_read_is_told_and_has_its_name(tmp_path: Path, content: Content, words: str) -> None:
    """What the stronger file says is not known, so the weaker one must not step in."""
    files, masked, told = folder_of(tmp_path, {f"{ETC}/x.d/a.conf": content, f"{USR}/x.d/a.conf": conf(1)})
    assert (list(files), masked) == (["a"], {})
    assert len(told) == 1
    assert f"/{ETC}/x.d/a.conf" in told[0]
    assert words in told[0]


def test_a_folder_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    files, _, told = folder_of(tmp_path, {f"{ETC}/x.d": Link("x.d"), f"{USR}/x.d/a.conf": conf(1)})
    assert files == {"a": f"/{USR}/x.d/a.conf"}
    assert len(told) == 1
    assert f"/{ETC}/x.d" in told[0]


def test_a_configuration_folder_that_leads_in_circles_is_told(tmp_path: Path) -> None:
    with Tree(make_tree(tmp_path, {ETC: Link("tukit-sysext")})) as tree:
        files, problems = load_main(tree, "main.conf")
    told = [*problems, *(problem for file in files for problem in file.problems)]
    assert any(f"/{ETC}" in str(problem) for problem in told)


def test_a_file_whose_name_is_no_text_is_told_harmlessly(tmp_path: Path) -> None:
    with Tree(make_tree(tmp_path, {f"{ETC}/main.conf.d/\udcff\x9b.conf": "[S]\nK=1\n"})) as tree:
        (problem,) = Keys(*load_main(tree, "main.conf")[0]).finish()
    assert "unknown key K=" in str(problem)
    assert str(problem).isprintable()


class TestKeys:
    """Taking keys one by one."""

    def keys(self, root: Path, text: str) -> Keys:
        with Tree(make_tree(root, {f"{ETC}/main.conf": text})) as tree:
            return Keys(*load_main(tree, "main.conf")[0])

    def test_a_wrong_value_is_named_with_file_and_line_and_is_the_default(self, tmp_path: Path) -> None:
        keys = self.keys(tmp_path, "[S]\n\nK=many\n")
        assert keys.take("S", "K", int, 7) == 7
        (problem,) = keys.finish()
        assert str(problem).startswith(f"/{ETC}/main.conf:3: K=many:")
        assert problem.fault

    def test_an_unknown_key_is_named_and_is_no_fault(self, tmp_path: Path) -> None:
        """A newer version may know it."""
        keys = self.keys(tmp_path, "[S]\nK=1\n[New]\nThing=yes\n")
        assert keys.take("S", "K", int, 7) == 1
        (problem,) = keys.finish()
        assert str(problem).startswith(f"/{ETC}/main.conf:4: unknown key Thing= in [New]")
        assert not problem.fault

    def test_the_last_assignment_counts(self, tmp_path: Path) -> None:
        assert self.keys(tmp_path, "[S]\nK=1\nK=2\n").take("S", "K", int, 7) == 2
        assert self.keys(tmp_path / "b", "[S]\nK=1\nK=\n").take("S", "K", int, 7) == 7

    def test_a_key_belongs_to_its_section(self, tmp_path: Path) -> None:
        assert self.keys(tmp_path, "[Other]\nK=1\n").take("S", "K", int, 7) == 7

    def test_problems_come_in_the_order_of_lines(self, tmp_path: Path) -> None:
        keys = self.keys(tmp_path, "[S]\nNew=1\nK=many\nnothing\n")
        keys.take("S", "K", int, 7)
        assert [problem.line for problem in keys.finish()] == [2, 3, 4]

    def test_what_a_file_says_is_told_harmlessly(self, tmp_path: Path) -> None:
        keys = self.keys(tmp_path, "[S]\nK=\x9b2J\n\x9bX=1\n[\u202e]\nY=2\n")
        assert keys.take("S", "K", int, 7) == 7
        assert [problem.line for problem in keys.finish()] == [2, 3, 5]
        assert all(problem.message.isprintable() for problem in keys.problems)

    @pytest.mark.timeout(20)
    def test_a_long_value_is_told_at_once(self, tmp_path: Path) -> None:
        keys = self.keys(tmp_path, f"[S]\nK={'a' * (LIMIT - 100)}\n")
        assert keys.take("S", "K", int, 7) == 7
        (problem,) = keys.finish()
        assert len(problem.message) < 500

    def test_all_before_the_last_at_sign_may_be_a_password(self, tmp_path: Path) -> None:
        keys = self.keys(tmp_path, "[S]\nK=http://user:p@ss@host/\n")
        assert keys.take("S", "K", int, 7) == 7
        (problem,) = keys.finish()
        assert problem.message.startswith("K=...@host/: ")
