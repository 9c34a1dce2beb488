# SPDX-License-Identifier: LGPL-2.1-or-later
"""/etc of transactional-update < 5, an overlay (threat C11)."""

from __future__ import annotations

import os

import pytest

from tests.machine import OS_RELEASE, PlainMachine
from tests.trees import Content, Link, make_tree
from tukit_sysext.collect.roots import find_roots
from tukit_sysext.snapshots.snapper import Scan, scan
from tukit_sysext.snapshots.snapshot import Snapshot

FSTAB = (
    "LABEL=root / btrfs ro 0 0\n"
    "# overlay /etc overlay lowerdir=/nowhere 0 0\n"
    "overlay /etc overlay defaults,lowerdir=/sysroot/var/lib/overlay/1/etc:/sysroot/etc,"
    "upperdir=/sysroot/var/lib/overlay/2/etc,workdir=/sysroot/var/lib/overlay/2/work-etc,x-initrd.mount 0 0\n"
)


def image(name: str) -> Link:
    return Link(f"/var/lib/sysext-store/{name}")


@pytest.fixture
def overlaid(site: PlainMachine) -> PlainMachine:
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


def test_all_layers_are_one_etc_and_the_upper_one_wins(overlaid: PlainMachine) -> None:
    (snapshot,) = look(overlaid).snapshots
    assert look(overlaid).unknown == ()
    assert links(snapshot) == {
        "both.raw": "both-2.raw",
        "lower.raw": "lower-1.raw",
        "own.raw": "own-1.raw",
        "upper.raw": "upper-1.raw",
    }
    assert [entry.image for entry in snapshot.hidden] == ["both-1.raw"]


def test_what_a_layer_hides_is_a_reference_all_the_same(overlaid: PlainMachine) -> None:
    roots = find_roots(overlaid.layout, look(overlaid)).by_image
    assert set(roots) == {"both-1.raw", "both-2.raw", "lower-1.raw", "own-1.raw", "upper-1.raw"}
    assert "snapshot 2" in roots["both-1.raw"]


@pytest.mark.root
def test_a_whiteout_takes_away(overlaid: PlainMachine) -> None:
    os.mknod(overlaid.layout.overlays / "2/etc/extensions/lower.raw", 0o020000, os.makedev(0, 0))
    (snapshot,) = look(overlaid).snapshots
    found = links(snapshot)
    assert found is not None
    assert "lower.raw" not in found
    assert [entry.image for entry in snapshot.hidden] == ["lower-1.raw", "both-1.raw"]


@pytest.mark.root
def test_an_opaque_folder_hides_all_below_it(overlaid: PlainMachine) -> None:
    folder = overlaid.layout.overlays / "2/etc/extensions"
    try:
        os.setxattr(folder, "trusted.overlay.opaque", b"y")
    except OSError:
        pytest.skip("this file system has no trusted attributes")
    (snapshot,) = look(overlaid).snapshots
    assert links(snapshot) == {"both.raw": "both-2.raw", "upper.raw": "upper-1.raw"}
    assert "lower-1.raw" in find_roots(overlaid.layout, look(overlaid)).by_image


def test_a_layer_that_is_missing_is_not_known(overlaid: PlainMachine) -> None:
    (overlaid.layout.overlays / "2").rename(overlaid.layout.overlays / "elsewhere")
    (snapshot,) = look(overlaid).snapshots
    assert snapshot.entries is None
    assert "overlay/2/etc: a layer of /etc, not there" in look(overlaid).unknown[0]


def test_an_overlay_that_no_snapshot_names_counts(overlaid: PlainMachine) -> None:
    make_tree(overlaid.layout.overlays, {"9/etc/extensions/a.raw": image("a-1.raw")})
    assert "a-1.raw" in find_roots(overlaid.layout, look(overlaid)).by_image


def test_newer_systems_have_no_overlay(overlaid: PlainMachine) -> None:
    """A folder of old overlays is left; the snapshot's fstab says nothing of them."""
    overlaid.snapshot(3, {"etc/os-release": OS_RELEASE, "etc/fstab": "/etc /etc none bind 0 0\n"})
    assert look(overlaid).snapshots[1].entries == ()


def test_zeros_in_fstab(overlaid: PlainMachine) -> None:
    """As a crash may leave them: what this snapshot has is not known, the others are."""
    (overlaid.tree(2) / "etc/fstab").write_text("overlay /etc overlay upperdir=/a\0b 0 0\n")
    overlaid.snapshot(3)
    found = look(overlaid)
    assert [snapshot.entries is None for snapshot in found.snapshots] == [True, False]
    assert "snapshot 2" in found.unknown[0]
