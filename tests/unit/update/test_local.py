# SPDX-License-Identifier: LGPL-2.1-or-later
"""What is known of a tree without asking a source."""

from __future__ import annotations

import pytest

from tests.machine import PlainMachine
from tests.trees import make_tree
from tukit_sysext.errors import StoreError
from tukit_sysext.plugins.manager import Plugins
from tukit_sysext.store.image_store import Store
from tukit_sysext.system.tree import Tree
from tukit_sysext.update.facts import Facts
from tukit_sysext.update.local import LocalLook


@pytest.fixture
def wanted_gdb(site: PlainMachine) -> PlainMachine:
    make_tree(site.root, {"etc/tukit-sysext/images.d/gdb.conf": "[Image]\n"})
    return site


def look(site: PlainMachine) -> Facts:
    with Tree(site.root) as tree:
        local = LocalLook(site.machine, tree)
        return local.with_links(local.facts())


def test_no_plugin_and_no_source_is_asked(wanted_gdb: PlainMachine, monkeypatch: pytest.MonkeyPatch) -> None:
    make_tree(wanted_gdb.root, {"etc/tukit-sysext/sources.d/web.conf": "[Source]\nURL=https://no.such.host.invalid/\n"})
    monkeypatch.delattr(Plugins, "__init__")
    facts = look(wanted_gdb)
    assert (facts.sources, facts.candidates, facts.unreachable) == (("web",), (), {})
    assert facts.wanted.keys() == {"gdb"}


def test_a_store_that_cannot_be_read_is_logged_and_has_nothing(
    wanted_gdb: PlainMachine, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def unreadable(_: Store) -> list[str]:
        raise StoreError("the store cannot be read")

    monkeypatch.setattr(Store, "names", unreadable)
    assert look(wanted_gdb).stored == {}
    assert "the store cannot be read" in caplog.text
