# SPDX-License-Identifier: LGPL-2.1-or-later
"""/etc of transactional-update < 5, an overlay (threat C11)."""

from __future__ import annotations

import os

import pytest

from tests.machine import OS_RELEASE, PlainMachine
from tests.trees import Content, Link, make_tree
from tukit_sysext.collect.roots import find_roots
from tukit_sysext.snapshots.snapper import Scan, Snapshot, scan

FSTAB = (
    "LABEL=root / btrfs ro 0 0\n"
    "# overlay /etc overlay lowerdir=/nowhere 0 0\n"
    "overlay /etc overlay defaults,lowerdir=/sysroot/var/lib/overlay/1/etc:/sysroot/etc,"
    "upperdir=/sysroot/var/lib/overlay/2/etc,workdir=/sysroot/var/lib/overlay/2/work-etc,x-initrd.mount 0 0\n"
)


def image(name: str) -> Link:
    return Link(f"/var/lib/sysext-store/{name}")


@pytest.fixture
def site(site: PlainMachine) -> PlainMachine:
    """Snapshot 2 of an old system: its own /etc, that of the overlay of snapshot 1, and its own overlay on top."""
    own: dict[str, Content] = {
        "etc/os-release": OS_RELEASE,
        "etc/fstab": FSTAB,
        "etc/extensions/own.raw": image("own-1.raw"),
    }
    site.snapshot(2, {**own, "etc/extensions/both.raw": image("both-1.raw")})
    make_tree(
        site.layout.overlays,
        {
            "1/etc/extensions/lower.raw": image("lower-1.raw"),
            "2/etc/extensions/upper.raw": image("upper-1.raw"),
            "2/etc/extensions/both.raw": image("both-2.raw"),
        },
    )
    return site


def look(site: PlainMachine) -> Scan:
    return scan(site.layout, site.subvolumes)


def links(snapshot: Snapshot) -> dict[str, str | None] | None:
    return None if snapshot.entries is None else {entry.name: entry.image for entry in snapshot.entries}


def test_all_layers_are_one_etc_and_the_upper_one_wins(site: PlainMachine) -> None:
    (snapshot,) = look(site).snapshots
    assert look(site).unknown == ()
    assert links(snapshot) == {
        "both.raw": "both-2.raw",
        "lower.raw": "lower-1.raw",
        "own.raw": "own-1.raw",
        "upper.raw": "upper-1.raw",
    }
    assert [entry.image for entry in snapshot.hidden] == ["both-1.raw"]


def test_what_a_layer_hides_is_a_reference_all_the_same(site: PlainMachine) -> None:
    roots = find_roots(site.layout, look(site)).by_image
    assert set(roots) == {"both-1.raw", "both-2.raw", "lower-1.raw", "own-1.raw", "upper-1.raw"}
    assert "snapshot 2" in roots["both-1.raw"]


@pytest.mark.root
def test_a_whiteout_takes_away(site: PlainMachine) -> None:
    os.mknod(site.layout.overlays / "2/etc/extensions/lower.raw", 0o020000, os.makedev(0, 0))
    (snapshot,) = look(site).snapshots
    found = links(snapshot)
    assert found is not None
    assert "lower.raw" not in found
    assert [entry.image for entry in snapshot.hidden] == ["lower-1.raw", "both-1.raw"]


@pytest.mark.root
def test_an_opaque_folder_hides_all_below_it(site: PlainMachine) -> None:
    folder = site.layout.overlays / "2/etc/extensions"
    try:
        os.setxattr(folder, "trusted.overlay.opaque", b"y")
    except OSError:
        pytest.skip("this file system has no trusted attributes")
    (snapshot,) = look(site).snapshots
    assert links(snapshot) == {"both.raw": "both-2.raw", "upper.raw": "upper-1.raw"}
    assert "lower-1.raw" in find_roots(site.layout, look(site)).by_image


def test_a_layer_that_is_missing_is_not_known(site: PlainMachine) -> None:
    (site.layout.overlays / "2").rename(site.layout.overlays / "elsewhere")
    (snapshot,) = look(site).snapshots
    assert snapshot.entries is None
    assert "overlay/2/etc: cannot be opened" in look(site).unknown[0]


def test_an_overlay_that_no_snapshot_names_counts(site: PlainMachine) -> None:
    make_tree(site.layout.overlays, {"9/etc/extensions/a.raw": image("a-1.raw")})
    assert "a-1.raw" in find_roots(site.layout, look(site)).by_image


def test_newer_systems_have_no_overlay(site: PlainMachine) -> None:
    """A folder of old overlays is left; the snapshot's fstab says nothing of them."""
    site.snapshot(3, {"etc/os-release": OS_RELEASE, "etc/fstab": "/etc /etc none bind 0 0\n"})
    assert look(site).snapshots[1].entries == ()


def test_zeros_in_fstab(site: PlainMachine) -> None:
    """As a crash may leave them: what this snapshot has is not known, the others are."""
    (site.tree(2) / "etc/fstab").write_text("overlay /etc overlay upperdir=/a\0b 0 0\n")
    site.snapshot(3)
    found = look(site)
    assert [snapshot.entries is None for snapshot in found.snapshots] == [True, False]
    assert "snapshot 2" in found.unknown[0]
