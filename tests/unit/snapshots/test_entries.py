# SPDX-License-Identifier: LGPL-2.1-or-later
"""Entries of etc/extensions: read as they are, changed in one step, nothing followed out (threats L4, C6)."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.trees import Link, listing, make_tree
from tukit_sysext.errors import OutsideTree, UnknownState
from tukit_sysext.snapshots.entries import Entry, EntryKind, LinkWriter, image_of, leads_to, read_entries
from tukit_sysext.system.tree import Tree

STORE = "/var/lib/sysext-store"


def entries(root: Path) -> tuple[Entry, ...]:
    with Tree(root) as tree:
        return read_entries(tree)


def apply(root: Path, links: dict[str, str], *remove: str) -> None:
    with Tree(root) as tree:
        LinkWriter(tree).apply(links, remove)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return make_tree(tmp_path / "root", {"etc/os-release": "ID=x\n"})


@pytest.mark.parametrize(
    ("target", "image"),
    [
        (f"{STORE}/gdb.raw", "gdb.raw"),
        (f"/{STORE}/gdb.raw", "gdb.raw"),
        (f"{STORE}//gdb.raw", "gdb.raw"),
        (f"{STORE}/../sysext-store/gdb.raw", "gdb.raw"),
        ("../../var/lib/sysext-store/gdb.raw", "gdb.raw"),
        ("../../../../var/lib/sysext-store/gdb.raw", "gdb.raw"),
        (STORE, None),
        (f"{STORE}/", None),
        (f"{STORE}/below/gdb.raw", None),
        (f"{STORE}/../gdb.raw", None),
        (f"{STORE}-other/gdb.raw", None),
        ("/usr/share/gdb.raw", None),
        ("gdb.raw", None),
        ("/dev/null", None),
        ("", None),
        (f"{STORE}/a\0b", None),
    ],
)
def test_where_a_link_leads(target: str, image: str | None) -> None:
    assert image_of(target) == image


def test_entries_of_every_kind(root: Path) -> None:
    folder = root / "etc/extensions"
    make_tree(folder, {"a.raw": Link(f"{STORE}/a-1.raw"), "b.raw": Link("/dev/null"), "c": None, "d.raw": "file"})
    os.mkfifo(folder / "e.raw")
    (folder / ".tukit-sysext.a.raw").symlink_to("half done")
    assert entries(root) == (
        Entry(name="a.raw", kind=EntryKind.LINK, target=f"{STORE}/a-1.raw", image="a-1.raw"),
        Entry(name="b.raw", kind=EntryKind.LINK, target="/dev/null"),
        Entry(name="c", kind=EntryKind.DIRECTORY),
        Entry(name="d.raw", kind=EntryKind.FILE),
        Entry(name="e.raw", kind=EntryKind.OTHER),
    )


def test_an_etc_without_extensions_has_none(root: Path) -> None:
    assert entries(root) == ()


@pytest.mark.parametrize("etc", ["missing", "empty"])
def test_an_etc_that_is_missing_or_empty_is_not_known(tmp_path: Path, etc: str) -> None:
    """A snapshot that is being made: unknown is not none."""
    make_tree(tmp_path, {"usr": None} if etc == "missing" else {"etc": None})
    with pytest.raises(UnknownState, match="not known"):
        entries(tmp_path)


@pytest.mark.parametrize("name", ["etc", "etc/extensions"])
def test_a_link_on_the_way_is_not_followed(tmp_path: Path, name: str) -> None:
    outside = make_tree(tmp_path / "outside", {"extensions/a.raw": Link(f"{STORE}/a-1.raw")})
    target = outside if name == "etc" else outside / "extensions"
    root = make_tree(tmp_path / "root", {name: Link(str(target))})
    before = listing(tmp_path)
    with pytest.raises(OutsideTree):
        entries(root)
    with pytest.raises(OutsideTree):
        apply(root, {"a.raw": "a-2.raw"}, "a.raw")
    assert listing(tmp_path) == before


def test_links_are_made_replaced_and_taken_out(root: Path) -> None:
    apply(root, {"a.raw": "a-1.raw", "b.raw": "b-1.raw"})
    apply(root, {"a.raw": "a-2.raw"}, "b.raw", "none.raw")
    assert listing(root / "etc/extensions") == {"a.raw": Link(f"{STORE}/a-2.raw")}


def test_nothing_is_linked_on_an_overlay_of_configuration_extensions(root: Path) -> None:
    (root / "etc/.systemd-confext").mkdir()
    before = listing(root)
    with pytest.raises(UnknownState, match="configuration extensions are merged into it"):
        apply(root, {"a.raw": "a-1.raw"})
    assert listing(root) == before


def test_nothing_to_do_writes_nothing(root: Path) -> None:
    before = listing(root)
    apply(root, {})
    apply(root, {}, "none.raw")
    assert listing(root) == before


def test_a_link_is_never_missing_while_it_is_replaced(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    apply(root, {"a.raw": "a-1.raw"})
    path = root / "etc/extensions/a.raw"
    seen: list[bool] = []
    for call in ("rename", "symlink", "unlink", "fsync"):
        real = getattr(os, call)

        def watching(*arguments: object, _real: object = real, **options: object) -> None:
            seen.append(path.is_symlink())
            assert callable(_real)
            _real(*arguments, **options)
            seen.append(path.is_symlink())

        monkeypatch.setattr(os, call, watching)
    apply(root, {"a.raw": "a-2.raw"})
    monkeypatch.undo()
    assert len(seen) >= 6
    assert all(seen)
    assert os.readlink(path) == f"{STORE}/a-2.raw"


def test_only_links_are_replaced_or_taken_out(root: Path) -> None:
    folder = make_tree(root / "etc/extensions", {"a.raw": "precious", "b.raw/usr": None, "c.raw": "precious"})
    with pytest.raises(OutsideTree, match=r"a\.raw: expected a link"):
        apply(root, {"a.raw": "a-1.raw"})
    with pytest.raises(OutsideTree, match=r"b\.raw: expected a link"):
        apply(root, {"b.raw": "b-1.raw"})
    apply(root, {}, "b.raw", "c.raw")
    assert listing(folder) == {"a.raw": b"precious", "b.raw": None, "b.raw/usr": None, "c.raw": b"precious"}


def test_a_failure_leaves_the_old_link(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    apply(root, {"a.raw": "a-1.raw"})

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "rename", full)
    with pytest.raises(OSError, match="No space left"):
        apply(root, {"a.raw": "a-2.raw"})
    monkeypatch.undo()
    assert listing(root / "etc/extensions") == {"a.raw": Link(f"{STORE}/a-1.raw")}


def test_what_a_killed_run_left_is_swept(root: Path) -> None:
    make_tree(
        root / "etc/extensions",
        {".tukit-sysext.a.raw": Link("x"), ".tukit-sysext.z.raw": Link("x"), ".other": Link("x")},
    )
    apply(root, {"a.raw": "a-1.raw"})
    assert listing(root / "etc/extensions") == {".other": Link("x"), "a.raw": Link(f"{STORE}/a-1.raw")}


def test_what_a_kill_leaves_behind_harms_no_merge(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """systemd-sysext looks at every link that ends in .raw, hidden ones too, and fails on a name that is not its."""

    class Killed(BaseException):
        pass

    def dying(*_: object, **__: object) -> None:
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr("tukit_sysext.snapshots.entries.os.rename", dying)
        patched.setattr("tukit_sysext.snapshots.entries.os.unlink", dying)
        with pytest.raises(Killed):
            apply(root, {"gdb.raw": "gdb-1.raw"})
    (left,) = os.listdir(root / "etc/extensions")
    assert not left.endswith(".raw")
    apply(root, {"gdb.raw": "gdb-1.raw"})
    assert os.listdir(root / "etc/extensions") == ["gdb.raw"]


def test_what_a_kill_left_while_times_were_set_is_swept(root: Path) -> None:
    make_tree(root / "etc/etc.syncpoint/extensions", {"a.raw": Link("x")})
    make_tree(root / "etc/extensions", {"a.raw": Link("x"), ".tukit-sysext.a.raw~": Link("x")})
    for path in root.glob("etc/**/a.raw"):
        os.utime(path, (1, 1), follow_symlinks=False)
    with Tree(root) as tree:
        LinkWriter(tree).pin(["a.raw"])
    assert listing(root / "etc/extensions") == {"a.raw": Link("x")}
    assert (root / "etc/extensions/a.raw").lstat().st_mtime > 1


@pytest.mark.parametrize(
    ("target", "inside"),
    [("/usr/share/x.raw", True), ("/etc/x.raw", True), ("x.raw", True), ("/var/x.raw", False), ("/home/x.raw", False)],
)
def test_where_a_link_leads_to(tmp_path: Path, target: str, inside: bool) -> None:
    tree_path = tmp_path / "tree"
    make_tree(tree_path, {"etc/extensions/x.raw": Link(target)})
    with Tree(tree_path) as tree:
        (entry,) = read_entries(tree)
        path = leads_to(entry, tree=tree.path, root=tmp_path / "root")
    assert path.is_relative_to(tree_path if inside else tmp_path / "root")
    assert path.name == "x.raw"
