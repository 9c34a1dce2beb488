# SPDX-License-Identifier: LGPL-2.1-or-later
"""Packing a folder with the labels of a /usr. That mksquashfs takes them: tests/on_lab/test_adopt.py."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from tests.machine import OLD, PlainMachine
from tests.trees import Link, make_tree
from tukit_sysext import cli
from tukit_sysext.change import import_image, pack_folder
from tukit_sysext.change.pack_folder import labels_of, pack
from tukit_sysext.errors import ImageBroken

_PROGRAM = """#!/bin/sh
if [ "$1" = -version ]; then
    echo "mksquashfs version {version} (2022/03/17)"
else
    printf '%s\\n' "$@" >"$2"
    for list; do :; done
    case $list in *labels*|*.raw.*) cat "$list" >>"$2" ;; esac
    exit {status}
fi
"""


def label(path: str, kind: int) -> str | None:
    names = {stat.S_IFDIR: "folder", stat.S_IFREG: "file", stat.S_IFLNK: "link"}
    if "none" in path:
        return None
    if "fault" in path:
        raise OSError(2, "no such context")
    return f"{names[kind]}:{path}"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return make_tree(
        tmp_path / "folder",
        {
            "usr/bin/tool": "",
            "usr/bin/other": Link("tool"),
            "usr/lib/folder": Link("../bin"),
            'usr/share/a b "c" \\d': "",
            "usr/share/none": "",
            "usr/share/fault": "",
            "usr/share/two\nlines": "",
        },
    )


def test_the_labels_are_those_of_the_same_paths_below_the_root(folder: Path) -> None:
    """What the policy has no label for, cannot tell or nobody can write down has none."""
    assert sorted(line.decode() for line in labels_of(folder, label)) == [
        "usr x security.selinux=folder:/usr\n",
        "usr/bin x security.selinux=folder:/usr/bin\n",
        "usr/bin/other x security.selinux=link:/usr/bin/other\n",
        "usr/bin/tool x security.selinux=file:/usr/bin/tool\n",
        "usr/lib x security.selinux=folder:/usr/lib\n",
        "usr/lib/folder x security.selinux=link:/usr/lib/folder\n",
        "usr/share x security.selinux=folder:/usr/share\n",
        'usr/share/a\\ b\\ \\"c\\"\\ \\\\d x security.selinux=file:/usr/share/a b "c" \\d\n',
    ]


def packed(
    folder: Path, monkeypatch: pytest.MonkeyPatch, version: str, *, selinux: bool = True, status: int = 0
) -> tuple[str, str]:
    """What is to be known of the image, and what mksquashfs of this version was given, with its list."""
    program = folder.parent / "mksquashfs"
    program.write_text(_PROGRAM.format(version=version, status=status))
    program.chmod(0o755)
    monkeypatch.setattr(pack_folder, "_PACK", str(program))
    image = folder.parent / "image.raw"
    note = pack(folder, image, label if selinux else None)
    assert sorted(path.name for path in folder.parent.iterdir()) == ["folder", "image.raw", "mksquashfs"]
    return note, image.read_text()


def test_labels_of_the_folder_do_not_count(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    note, given = packed(folder, monkeypatch, "4.6.1")
    assert note == ""
    assert "-xattrs-exclude\n^security[.]selinux$\n-pf\n" in given
    assert "usr/bin/tool x security.selinux=file:/usr/bin/tool\n" in given


@pytest.mark.parametrize("version", ["4.5.1", "of nobody"])
def test_a_program_that_sets_no_labels_packs_all_the_same(
    folder: Path, monkeypatch: pytest.MonkeyPatch, version: str
) -> None:
    note, given = packed(folder, monkeypatch, version)
    assert "do not have the SELinux labels of /usr" in note and "mksquashfs 4.6" in note
    assert "-pf" not in given


def test_without_selinux_nothing_is_labelled(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    note, given = packed(folder, monkeypatch, "4.6.1", selinux=False)
    assert (note, "security" in given) == ("", False)


def test_a_program_that_fails_says_why(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ImageBroken, match="folder: cannot be packed"):
        packed(folder, monkeypatch, "4.6.1", status=1)


@pytest.mark.root
@pytest.mark.tool("mksquashfs")
@pytest.mark.parametrize("bindings", [True, False], ids=["an old mksquashfs", "no python3-selinux"])
def test_adopt_says_that_labels_are_missing(
    linked_gdb: PlainMachine, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], bindings: bool
) -> None:
    monkeypatch.setattr(import_image, "policy_lookup", lambda: label if bindings else None)
    monkeypatch.setattr("tukit_sysext.system.label.ON", Path("/"))
    monkeypatch.setattr(pack_folder, "_LABELS_SINCE", (99, 0))
    release = "etc/extensions/tool/usr/lib/extension-release.d/extension-release.tool"
    make_tree(linked_gdb.root, {release: f"ID=opensuse-microos\nSYSEXT_LEVEL={OLD}\n"})
    assert cli.main(["adopt", "tool"], machine=linked_gdb.machine) == 0
    out, err = capsys.readouterr()
    assert "tool: adopted (version unknown)" in out
    assert "tool: its files do not have the SELinux labels of /usr" in err
    assert ("python3-selinux" in err) != bindings
