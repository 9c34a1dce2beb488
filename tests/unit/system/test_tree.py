# SPDX-License-Identifier: LGPL-2.1-or-later
"""Trees: links resolve inside, nothing leads out, and nothing is written through a link (threat L4)."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from tests.trees import Link, listing, make_tree, umask
from tukit_sysext.errors import OutsideTree, UnknownState
from tukit_sysext.system.tree import Tree


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """A folder beside the tree that nobody may reach."""
    return make_tree(tmp_path / "outside", {"file": "secret", "extensions": None})


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return make_tree(tmp_path / "root", {"etc": None})


class TestRead:
    def read(self, root: Path, path: str = "etc/file") -> bytes | None:
        with Tree(root) as tree:
            return tree.read(path, limit=100)

    def test_a_file(self, root: Path) -> None:
        make_tree(root, {"etc/file": "content"})
        assert self.read(root) == b"content"

    @pytest.mark.parametrize(
        "text", ["../usr/lib/file", "/usr/lib/file", "../../../../usr/lib/file", "/etc/../usr/lib/file"]
    )
    def test_links_resolve_as_if_the_tree_were_the_root(self, root: Path, text: str) -> None:
        make_tree(root, {"usr/lib/file": "inside", "etc/file": Link(text)})
        assert self.read(root) == b"inside"

    @pytest.mark.parametrize("text", ["{outside}/file", "../../outside/file"])
    def test_a_link_out_of_the_tree_is_not_followed(self, root: Path, outside: Path, text: str) -> None:
        make_tree(root, {"etc/file": Link(text.format(outside=outside))})
        assert self.read(root) is None

    def test_a_folder_that_leads_out_is_not_followed(self, root: Path, outside: Path) -> None:
        make_tree(root, {"etc/folder": Link(str(outside))})
        assert self.read(root, "etc/folder/file") is None

    @pytest.mark.parametrize("path", ["etc/none", "none/file", "etc/plain/file"])
    def test_what_is_not_there(self, root: Path, path: str) -> None:
        make_tree(root, {"etc/plain": "x", "etc/dangling": Link("nowhere")})
        assert self.read(root, path) is None
        assert self.read(root, "etc/dangling") is None

    def test_a_link_of_proc_is_not_followed(self, root: Path, outside: Path) -> None:
        descriptor = os.open(outside / "file", os.O_RDONLY)
        try:
            with Tree(Path("/")) as tree, pytest.raises(UnknownState):
                tree.read(f"proc/self/fd/{descriptor}", limit=100)
        finally:
            os.close(descriptor)

    @pytest.mark.parametrize("kind", ["directory", "fifo", "circle", "large"])
    def test_what_cannot_be_read_is_not_known(self, root: Path, kind: str) -> None:
        """Not known is not the same as not there."""
        path = root / "etc/file"
        match kind:
            case "directory":
                path.mkdir()
            case "fifo":
                os.mkfifo(path)
            case "circle":
                path.symlink_to("file")
            case _:
                path.write_bytes(b"x" * 101)
        with pytest.raises(UnknownState, match="etc/file"):
            self.read(root)

    def test_just_the_limit_is_read(self, root: Path) -> None:
        make_tree(root, {"etc/file": "x" * 100})
        assert self.read(root) == b"x" * 100


class TestNames:
    def test_sorted(self, root: Path) -> None:
        make_tree(root, {"etc/d/b": "", "etc/d/a": "", "etc/d/.c": ""})
        with Tree(root) as tree:
            assert tree.names("etc/d") == [".c", "a", "b"]
            assert tree.names("etc/none") is None

    def test_links_resolve_inside(self, root: Path, outside: Path) -> None:
        make_tree(root, {"usr/d/a": "", "etc/inside": Link("/usr/d"), "etc/out": Link(str(outside))})
        with Tree(root) as tree:
            assert tree.names("etc/inside") == ["a"]
            assert tree.names("etc/out") is None

    @pytest.mark.parametrize("entry", ["no directory", Link("d")])
    def test_what_is_no_directory_is_not_known(self, root: Path, entry: str | Link) -> None:
        make_tree(root, {"etc/d": entry})
        with Tree(root) as tree, pytest.raises(UnknownState, match="etc/d"):
            tree.names("etc/d")


def test_the_text_of_a_link(root: Path) -> None:
    make_tree(root, {"etc/l": Link("/dev/null"), "etc/f": "", "usr/d/l": Link("x"), "etc/d": Link("/usr/d")})
    with Tree(root) as tree:
        assert tree.link_text("etc/l") == "/dev/null"
        assert tree.link_text("etc/d/l") == "x"
        assert tree.link_text("etc/f") is None
        assert tree.link_text("etc/none") is None
        assert tree.link_text("none/none") is None


class TestDirectory:
    """The way to what is written."""

    def test_is_made_with_the_mode_of_every_directory(self, root: Path) -> None:
        with umask(0o077), Tree(root) as tree:
            descriptor = tree.directory("etc/extensions", create=True)
            assert descriptor is not None
            os.close(descriptor)
        status = os.stat(root / "etc/extensions")
        assert stat.S_IMODE(status.st_mode) == 0o755

    def test_is_not_made_unless_asked(self, root: Path) -> None:
        with Tree(root) as tree:
            assert tree.directory("etc/extensions") is None
        assert listing(root) == {"etc": None}

    def test_what_is_written_through_it_is_in_the_tree(self, root: Path) -> None:
        with Tree(root) as tree:
            descriptor = tree.directory("etc/extensions", create=True)
            assert descriptor is not None
            os.symlink("x", "link", dir_fd=descriptor)
            os.close(descriptor)
        assert listing(root / "etc/extensions") == {"link": Link("x")}

    @pytest.mark.parametrize("create", [False, True])
    @pytest.mark.parametrize("target", ["{outside}", "../outside", "usr", "/usr", "nowhere"])
    def test_etc_is_a_link(self, tmp_path: Path, outside: Path, target: str, create: bool) -> None:
        root = make_tree(tmp_path / "root", {"usr/extensions": None, "etc": Link(target.format(outside=outside))})
        before = listing(tmp_path)
        with Tree(root) as tree, pytest.raises(OutsideTree, match=r"etc/extensions.*symbolic link"):
            tree.directory("etc/extensions", create=create)
        assert listing(tmp_path) == before

    @pytest.mark.parametrize("create", [False, True])
    @pytest.mark.parametrize(
        "target", ["{outside}/extensions", "../../outside/extensions", "../usr", "/usr", "nowhere"]
    )
    def test_extensions_is_a_link(self, tmp_path: Path, outside: Path, target: str, create: bool) -> None:
        text = target.format(outside=outside)
        root = make_tree(tmp_path / "root", {"usr/x": "", "etc/extensions": Link(text)})
        before = listing(tmp_path)
        with Tree(root) as tree, pytest.raises(OutsideTree, match=r"etc/extensions.*symbolic link"):
            tree.directory("etc/extensions", create=create)
        assert listing(tmp_path) == before

    @pytest.mark.parametrize("create", [False, True])
    @pytest.mark.parametrize("path", ["../outside", "etc/../../outside", "/etc", "../new", "etc/../../new"])
    def test_a_path_out_of_the_tree(self, root: Path, outside: Path, path: str, create: bool) -> None:
        """Not one of ours is such a path, and none can become one."""
        before = listing(root.parent)
        with Tree(root) as tree, pytest.raises(OutsideTree):
            tree.directory(path, create=create)
        assert listing(root.parent) == before

    def test_a_file_in_its_place(self, root: Path) -> None:
        make_tree(root, {"etc/extensions": "a file"})
        with Tree(root) as tree, pytest.raises(OutsideTree, match="expected a directory"):
            tree.directory("etc/extensions", create=True)

    def test_without_etc_nothing_is_made(self, tmp_path: Path) -> None:
        root = make_tree(tmp_path / "root", {})
        with Tree(root) as tree, pytest.raises(UnknownState, match="etc/extensions"):
            tree.directory("etc/extensions", create=True)
        assert listing(root) == {}


@pytest.mark.parametrize("kind", ["missing", "file"])
def test_a_root_that_is_none(tmp_path: Path, kind: str) -> None:
    if kind == "file":
        (tmp_path / "root").touch()
    with pytest.raises(UnknownState, match="root of a system"):
        Tree(tmp_path / "root")


def test_no_descriptor_is_left_open(root: Path) -> None:
    make_tree(root, {"etc/file": "x", "etc/folder": None, "etc/circle": Link("circle")})
    before = os.listdir("/proc/self/fd")
    with Tree(root) as tree:
        tree.read("etc/file", limit=10)
        tree.names("etc")
        tree.link_text("etc/circle")
        for path in ("etc/circle", "etc/file/x", "etc/file"):
            with pytest.raises(UnknownState):
                tree.names(path)
        with pytest.raises(UnknownState):
            tree.read("etc/file", limit=0)
    assert os.listdir("/proc/self/fd") == before
