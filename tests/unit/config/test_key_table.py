# SPDX-License-Identifier: LGPL-2.1-or-later
"""The list of all keys is that of the loaders, and its defaults are theirs."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.trees import make_tree
from tukit_sysext.config import settings, wanted
from tukit_sysext.config.files import EffectiveValue, Keys
from tukit_sysext.config.key_table import KEYS, File, of_file
from tukit_sysext.config.main_settings import Settings
from tukit_sysext.system.tree import Tree

ETC = "etc/tukit-sysext"


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> set[tuple[str, str]]:
    """What the loaders ask for."""
    found: set[tuple[str, str]] = set()
    real = Keys._taken

    def taken(self: Keys, section: str, key: str) -> object:
        found.add((section, key))
        return real(self, section, key)

    monkeypatch.setattr(Keys, "_taken", taken)
    return found


def written(file: File) -> str:
    """All keys of a file that have a default, with it."""
    return "".join(f"[{key.section}]\n{key.name}={key.default}\n" for key in of_file(file))


def test_every_key_of_the_loaders_is_listed_and_no_other(tmp_path: Path, asked: set[tuple[str, str]]) -> None:
    make_tree(tmp_path, {f"{ETC}/sources.d/main.conf": "[Source]\n", f"{ETC}/images.d/gdb.conf": "[Image]\n"})
    with Tree(tmp_path) as tree:
        settings.load_configuration(tree)
        wanted.load_wanted(tree)
    assert asked == {(key.section, key.name) for key in KEYS}
    assert len(KEYS) == len(asked)


def test_the_defaults_are_what_counts_where_nothing_is_said(tmp_path: Path) -> None:
    make_tree(
        tmp_path,
        {
            f"{ETC}/tukit-sysext.conf": written(File.MAIN),
            f"{ETC}/sources.d/main.conf": written(File.SOURCE),
            f"{ETC}/images.d/gdb.conf": written(File.IMAGE),
        },
    )
    with Tree(tmp_path) as tree:
        said, images = settings.load_configuration(tree), wanted.load_wanted(tree)
    assert said.problems == images.problems == ()
    assert said.settings == Settings()
    assert said.sources["main"] == settings.SourceSettings(name="main", origin=f"/{ETC}/sources.d/main.conf")
    assert images.images["gdb"] == wanted.WantedImage(name="gdb", origin=f"/{ETC}/images.d/gdb.conf")
    assert {item.text for item in said.effective} == {key.default for key in of_file(File.MAIN) if key.default}


def test_where_a_value_comes_from(tmp_path: Path) -> None:
    make_tree(
        tmp_path,
        {
            f"{ETC}/tukit-sysext.conf": "[Store]\nGrace=1d\n",
            "usr/lib/tukit-sysext/tukit-sysext.conf.d/10-site.conf": "# ours\n[Store]\nGrace=3d\n[Plugins]\nLoad=a b\n",
            "run/tukit-sysext/tukit-sysext.conf.d/20-wrong.conf": "[History]\nKeep=long\n[Plugins]\nLoad=\nLoad=c\n",
        },
    )
    with Tree(tmp_path) as tree:
        found = settings.load_configuration(tree)
    drop_in, wrong = "/usr/lib/tukit-sysext/tukit-sysext.conf.d/10-site.conf", "/run/tukit-sysext/tukit-sysext.conf.d"
    assert found.effective == (
        EffectiveValue(section="Store", key="Grace", text="3d", file=drop_in, line=3),
        EffectiveValue(section="Plugins", key="Load", text="c", file=f"{wrong}/20-wrong.conf", line=5),
    )
