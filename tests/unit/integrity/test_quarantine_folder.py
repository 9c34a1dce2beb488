# SPDX-License-Identifier: LGPL-2.1-or-later
"""The folder of quarantined links: what stands in it is not believed where it would lead astray."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.trees import Link, listing, make_tree
from tukit_sysext.errors import UnknownState
from tukit_sysext.integrity import quarantine_folder
from tukit_sysext.integrity.quarantine_folder import Quarantine
from tukit_sysext.layout import QUARANTINE, STORE
from tukit_sysext.snapshots.entries import Entry, EntryKind
from tukit_sysext.system.tree import Tree

ENTRY = Entry(name="gdb.raw", kind=EntryKind.LINK, target=f"{STORE}/gdb-1.raw", image="gdb-1.raw")


def tree_with(root: Path, entries: dict[str, str | Link | None]) -> Tree:
    return Tree(make_tree(root, {"etc/extensions": None, **entries}))


def test_none_is_none(tmp_path: Path) -> None:
    with tree_with(tmp_path, {}) as tree:
        assert quarantine_folder.quarantined(tree) == ()


@pytest.mark.parametrize(
    "note",
    [
        "",
        "{",
        "[]",
        '{"link": 1}',
        '{"link": "../../passwd"}',
        '{"link": ".."}',
        '{"link": "a\\u0000b"}',
        '{"link": ""}',
        '{"link": "\\ud800"}',
        '{"link": ".tukit-sysext.gdb.raw"}',
        f'{{"link": "{"x" * 256}"}}',
    ],
)
def test_a_reason_that_says_nothing_of_use(tmp_path: Path, note: str) -> None:
    entries: dict[str, str | Link | None] = {
        f"{QUARANTINE}/gdb.raw": Link(f"{STORE}/gdb-1.raw"),
        f"{QUARANTINE}/gdb.raw.reason": note,
    }
    with tree_with(tmp_path, entries) as tree:
        (link,) = quarantine_folder.quarantined(tree)
        assert link.entry == ENTRY
        assert Quarantine(tree).put_back(link)
    assert (tmp_path / "etc/extensions/gdb.raw").is_symlink()


def test_what_is_no_link_is_not_ours(tmp_path: Path) -> None:
    entries: dict[str, str | Link | None] = {f"{QUARANTINE}/file": "x", f"{QUARANTINE}/folder": None}
    with tree_with(tmp_path, entries) as tree:
        assert quarantine_folder.quarantined(tree) == ()
        Quarantine(tree).sweep()
    assert listing(tmp_path / QUARANTINE) == {"file": b"x", "folder": None}


def test_a_link_to_a_reason_is_not_followed(tmp_path: Path) -> None:
    secret = make_tree(tmp_path, {"secret": json.dumps({"reason": "secret"})}) / "secret"
    entries: dict[str, str | Link | None] = {
        f"{QUARANTINE}/gdb.raw": Link(f"{STORE}/gdb-1.raw"),
        f"{QUARANTINE}/gdb.raw.reason": Link(str(secret)),
    }
    with tree_with(tmp_path, entries) as tree:
        (link, _) = quarantine_folder.quarantined(tree)
        assert link.reason == ""


def test_a_folder_that_leads_elsewhere_is_not_known(tmp_path: Path) -> None:
    """L4."""
    entries: dict[str, str | Link | None] = {"elsewhere": None, QUARANTINE: Link("../../elsewhere")}
    with tree_with(tmp_path, entries) as tree, pytest.raises(UnknownState):
        quarantine_folder.quarantined(tree)


def test_a_taken_name_gets_a_number(tmp_path: Path) -> None:
    entries: dict[str, str | Link | None] = {
        f"{QUARANTINE}/gdb.raw": Link("x"),
        f"{QUARANTINE}/gdb.raw.reason": '{"reason": "older"}',
        "etc/extensions/gdb.raw": Link("y"),
    }
    with tree_with(tmp_path, entries) as tree:
        assert Quarantine(tree).take(ENTRY, "why", "now") == "gdb.raw.2"
        links = {link.name: (link.entry.target, link.reason) for link in quarantine_folder.quarantined(tree)}
    assert links == {"gdb.raw": ("x", "older"), "gdb.raw.2": ("y", "why")}


def test_what_a_kill_left_is_swept(tmp_path: Path) -> None:
    entries: dict[str, str | Link | None] = {
        f"{QUARANTINE}/gone.raw.reason": "{}",
        f"{QUARANTINE}/.tukit-sysext.x.reason": "{",
        f"{QUARANTINE}/gdb.raw": Link("x"),
        f"{QUARANTINE}/gdb.raw.reason": "{}",
    }
    with tree_with(tmp_path, entries) as tree:
        Quarantine(tree).sweep()
    assert sorted(listing(tmp_path / QUARANTINE)) == ["gdb.raw", "gdb.raw.reason"]


def test_a_link_that_is_in_both_places_is_taken_once(tmp_path: Path) -> None:
    """As a power cut may leave it: its new place was on the disk before it had left its old one."""
    with tree_with(tmp_path, {"etc/extensions/gdb.raw": Link(f"{STORE}/gdb-1.raw")}) as tree:
        assert Quarantine(tree).take(ENTRY, "why", "then") == "gdb.raw"
        (tmp_path / "etc/extensions/gdb.raw").symlink_to(f"{STORE}/gdb-1.raw")
        assert Quarantine(tree).take(ENTRY, "why", "now") == "gdb.raw"
        (tmp_path / "etc/extensions/gdb.raw").symlink_to(f"{STORE}/gdb-2.raw")
        other = Entry(name="gdb.raw", kind=EntryKind.LINK, target=f"{STORE}/gdb-2.raw", image="gdb-2.raw")
        assert Quarantine(tree).take(other, "why", "now") == "gdb.raw.2"
    assert listing(tmp_path / "etc/extensions") == {}
