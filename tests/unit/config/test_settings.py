# SPDX-License-Identifier: LGPL-2.1-or-later
"""tukit-sysext.conf and sources.d."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.trees import Content, make_tree
from tukit_sysext.config.main_settings import Settings
from tukit_sysext.config.settings import Configuration, load_configuration
from tukit_sysext.system.tree import Tree

ETC, USR = "etc/tukit-sysext", "usr/lib/tukit-sysext"


def configuration(root: Path, entries: Mapping[str, Content]) -> Configuration:
    with Tree(make_tree(root, entries)) as tree:
        return load_configuration(tree)


def test_nothing_at_all_is_a_configuration(tmp_path: Path) -> None:
    assert configuration(tmp_path, {}) == Configuration(settings=Settings(), sources={}, problems=())
    assert Settings().refuse_for is None
    assert Settings().image_max == 4 * 1024**3


def test_settings_are_read(tmp_path: Path) -> None:
    found = configuration(tmp_path, {f"{ETC}/tukit-sysext.conf": "[Update]\nRefuseFor=2w\n[Fetch]\nImageMax=1G\n"})
    assert found.settings == Settings(refuse_for=14 * 86400, image_max=1 << 30)
    assert found.problems == ()


def test_a_wrong_value_leaves_the_others(tmp_path: Path) -> None:
    found = configuration(
        tmp_path, {f"{ETC}/tukit-sysext.conf": "[Update]\nRefuseFor=soon\n[Fetch]\nImageMax=1G\nrubbish\n"}
    )
    assert found.settings == Settings(refuse_for=None, image_max=1 << 30)
    assert [str(problem).split(": ")[0] for problem in found.problems] == [
        "/etc/tukit-sysext/tukit-sysext.conf:2",
        "/etc/tukit-sysext/tukit-sysext.conf:5",
    ]


def test_sources_are_read(tmp_path: Path) -> None:
    found = configuration(
        tmp_path,
        {
            f"{USR}/sources.d/vendor.conf": "[Source]\nPath=/srv/vendor\n",
            f"{ETC}/sources.d/own.conf": "[Source]\nPath=/srv/own\nPriority=10\n",
        },
    )
    assert {name: (source.path, source.priority) for name, source in found.sources.items()} == {
        "own": ("/srv/own", 10),
        "vendor": ("/srv/vendor", 99),
    }
    assert found.sources["vendor"].origin == "/usr/lib/tukit-sysext/sources.d/vendor.conf"
    assert found.problems == ()


def test_a_masked_source_is_none(tmp_path: Path) -> None:
    entries = {f"{USR}/sources.d/vendor.conf": "[Source]\nPath=/srv\n", f"{ETC}/sources.d/vendor.conf": ""}
    assert configuration(tmp_path, entries).sources == {}


@pytest.mark.parametrize(
    ("file", "text", "line", "words"),
    [
        ("a.conf", "[Source]\nPath=relative\n", 2, "absolute path"),
        ("a.conf", "[Source]\nPath=/srv/../etc\n", 2, "absolute path"),
        ("a.conf", "[Source]\nPath=/srv\nPriority=low\n", 3, "whole number"),
        ("a.conf", "[Source]\nPath=/srv\nUrl=https://example.org/\n", 3, "unknown key Url="),
        ("a.conf", "[Source\nPath=/srv\n", 1, "[Section]"),
        ("..conf", "[Source]\nPath=/srv\n", 0, ""),
        ("a b.conf", "[Source]\nPath=/srv\n", 0, "the file's name"),
    ],
)
def test_what_is_wrong_in_a_source_is_named(tmp_path: Path, file: str, text: str, line: int, words: str) -> None:
    found = configuration(tmp_path, {f"{ETC}/sources.d/{file}": text})
    if file.startswith("."):
        assert found.sources == {}  # a hidden file is none of ours
        return
    problem = found.problems[0]
    assert problem.file == f"/{ETC}/sources.d/{file}"
    assert problem.line == line
    assert words in problem.message


@pytest.mark.parametrize("folder", [ETC, USR])
def test_sources_that_cannot_be_looked_for_are_not_none(tmp_path: Path, folder: str) -> None:
    """A fault of the configuration refuses no update: nobody knows what they would have."""
    other = USR if folder == ETC else ETC
    entries = {f"{folder}/sources.d": "a file", f"{other}/sources.d/good.conf": "[Source]\nPath=/srv\n"}
    found = configuration(tmp_path, entries)
    assert list(found.sources) == ["good"]
    assert [problem.file for problem in found.problems] == [f"/{folder}/sources.d"]
    assert not found.trusted


def test_a_bad_source_leaves_the_others(tmp_path: Path) -> None:
    entries = {
        f"{ETC}/sources.d/bad name.conf": "[Source]\nPath=/srv\n",
        f"{ETC}/sources.d/good.conf": "[Source]\nPath=/srv\n",
    }
    found = configuration(tmp_path, entries)
    assert list(found.sources) == ["good"]
    assert len(found.problems) == 1
