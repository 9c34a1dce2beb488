# SPDX-License-Identifier: LGPL-2.1-or-later
"""Where anything is not known, a collection deletes nothing, and nothing begins to wait."""

from __future__ import annotations

import shutil
from collections.abc import Callable

import pytest

from tests.trees import make_tree
from tests.unit.collect.collection_site import A, B, CollectionSite
from tukit_sysext.all_plugins import Root
from tukit_sysext.collect.collection import CollectionOptions
from tukit_sysext.ledger.ledger import Ledger
from tukit_sysext.plugins.manager import Plugins


def half_made(site: CollectionSite) -> None:
    site.snapshot(2, info=None)


def half_deleted(site: CollectionSite) -> None:
    site.snapshot_folder(2, "<snapshot/>")


def no_etc(site: CollectionSite) -> None:
    (site.tree(1) / "etc").rename(site.root / "hidden")


def empty_etc(site: CollectionSite) -> None:
    shutil.rmtree(site.tree(1) / "etc")
    (site.tree(1) / "etc").mkdir()


def etc_is_a_link(site: CollectionSite) -> None:
    (site.tree(1) / "etc").rename(site.tree(1) / "hidden")
    (site.tree(1) / "etc").symlink_to("hidden")


def not_mounted(site: CollectionSite) -> None:
    site.layout.snapshots.rename(site.root / "hidden")
    site.layout.snapshots.mkdir()


def not_there(site: CollectionSite) -> None:
    site.layout.snapshots.rename(site.root / "hidden")


def not_those_that_boot(site: CollectionSite) -> None:
    site.subvolumes.set_default(site.subvolumes.create(site.root / "other").identifier)


def no_proc(site: CollectionSite) -> None:
    (site.root / "proc/self/mountinfo").unlink()


def overlay_lost(site: CollectionSite) -> None:
    (site.tree(1) / "etc/fstab").write_text("overlay /etc overlay upperdir=/sysroot/var/lib/overlay/1/etc 0 0\n")
    site.layout.overlays.mkdir(parents=True)


def reference_plugin_fails(site: CollectionSite) -> None:
    class Failing:
        def tukit_sysext_references(self) -> list[Root]:
            raise RuntimeError("injected")

    from tukit_sysext.plugin_api import hookimpl

    Failing.tukit_sysext_references = hookimpl(Failing.tukit_sysext_references)  # type: ignore[method-assign]
    site.plugins.register(Failing(), name="failing")


def plugin_cannot_be_loaded(site: CollectionSite) -> None:
    site.plugins = Plugins(["there-is-no-such-plugin"])


def grace_has_a_fault(site: CollectionSite) -> None:
    make_tree(site.root, {"etc/tukit-sysext/tukit-sysext.conf": "[Store]\nGrace=90 dayz\n"})


def holds_cannot_be_read(site: CollectionSite) -> None:
    make_tree(site.root, {"etc/tukit-sysext/images.d": "no folder"})


UNKNOWN: list[Callable[[CollectionSite], None]] = [
    half_made,
    half_deleted,
    no_etc,
    empty_etc,
    etc_is_a_link,
    not_mounted,
    not_there,
    not_those_that_boot,
    no_proc,
    overlay_lost,
    reference_plugin_fails,
    plugin_cannot_be_loaded,
    grace_has_a_fault,
    holds_cannot_be_read,
]


@pytest.mark.parametrize("fault", UNKNOWN)
def test_where_anything_is_unknown_nothing_is_deleted(
    a_is_needed: CollectionSite, fault: Callable[[CollectionSite], None]
) -> None:
    a_is_needed.collect()
    a_is_needed.let_pass()
    fault(a_is_needed)
    found = a_is_needed.collect()
    assert found.unknown and found.gone == ()
    assert a_is_needed.names() == [A, B]
    a_is_needed.let_pass()
    assert a_is_needed.collect(CollectionOptions(at_once=True, unknown_origin=True)).gone == ()
    assert a_is_needed.names() == [A, B]


@pytest.mark.parametrize("fault", UNKNOWN)
def test_nothing_begins_to_wait_while_anything_is_unknown(
    a_is_needed: CollectionSite, fault: Callable[[CollectionSite], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    fault(a_is_needed)
    a_is_needed.collect()
    with Ledger(a_is_needed.layout.ledger) as ledger:
        assert [image.file for image in ledger.images() if image.unreferenced_since is not None] == []


def test_an_empty_number_folder_is_fine(a_is_needed: CollectionSite) -> None:
    (a_is_needed.layout.snapshots / "5").mkdir()
    a_is_needed.collect()
    a_is_needed.let_pass()
    assert [item.file.file_name for item in a_is_needed.collect().gone] == [B]
