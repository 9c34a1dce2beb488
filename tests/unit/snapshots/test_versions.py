# SPDX-License-Identifier: LGPL-2.1-or-later
"""Which entry of a folder of versions systemd takes; tests/on_lab/test_masks.py asks systemd-vpick itself."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.trees import make_tree
from tukit_sysext.snapshots.entries import Entry, EntryKind
from tukit_sysext.snapshots.versions import newest

CASES: Sequence[tuple[Sequence[str], str | None]] = (
    (["tool_1.9.raw", "tool_1.10.raw"], "tool_1.10.raw"),
    (["tool_1.0.raw", "other_2.0.raw", "tool-3.0.raw", "tool_4.0", "tool.raw"], "tool_1.0.raw"),
    (["tool_1.0_x86-64.raw", "tool_2.0_arm64.raw"], "tool_1.0_x86-64.raw"),
    (["tool_1.0_x86-64.raw", "tool_2.0.raw"], "tool_2.0.raw"),
    (["tool_2.0+0-3.raw", "tool_1.0+2-1.raw"], "tool_1.0+2-1.raw"),
    (["tool_2.0+1.raw", "tool_1.0.raw"], "tool_2.0+1.raw"),
    (["tool_2.0+0.raw"], "tool_2.0+0.raw"),
    (["tool_2.0_arm64.raw"], None),
    ([], None),
)
"""Files of tool.raw.v/, and the one that is taken on x86-64."""


@pytest.mark.parametrize(("files", "taken"), CASES, ids=str)
def test_the_newest_is_taken(tmp_path: Path, files: Sequence[str], taken: str | None) -> None:
    make_tree(tmp_path / "tool.raw.v", dict.fromkeys(files, "an image"))
    found = newest(tmp_path / "tool.raw.v", "x86-64")
    assert (found.name if found is not None else None) == taken


def test_without_a_suffix_folders_are_versions(tmp_path: Path) -> None:
    make_tree(tmp_path / "tool.v", {"tool_1.0/usr/file": "", "tool_2.0": "a file", "tool_3.0.raw": "an image"})
    assert newest(tmp_path / "tool.v", "x86-64") == tmp_path / "tool.v/tool_1.0"


def test_an_image_that_is_a_folder_is_none(tmp_path: Path) -> None:
    make_tree(tmp_path / "tool.raw.v", {"tool_2.0.raw/usr/file": "", "tool_1.0.raw": "an image"})
    assert newest(tmp_path / "tool.raw.v", "x86-64") == tmp_path / "tool.raw.v/tool_1.0.raw"


@pytest.mark.parametrize(
    ("name", "kind", "target", "stem", "what"),
    [
        ("tool.raw.v", EntryKind.DIRECTORY, None, "tool", "folder of versions"),
        ("tool.v", EntryKind.DIRECTORY, None, "tool", "folder of versions"),
        ("tool.raw.v", EntryKind.FILE, None, "tool.raw.v", "file"),
        ("tool.raw.v", EntryKind.LINK, "/srv/tool.raw.v", "tool", "link to /srv/tool.raw.v"),
        ("tool.raw", EntryKind.LINK, "/dev/null", "tool", "mask (link to /dev/null)"),
        ("tool", EntryKind.DIRECTORY, None, "tool", "directory"),
    ],
)
def test_what_an_entry_is(name: str, kind: EntryKind, target: str | None, stem: str, what: str) -> None:
    entry = Entry(name=name, kind=kind, target=target)
    assert (entry.stem, entry.what) == (stem, what)
