# SPDX-License-Identifier: LGPL-2.1-or-later
"""Roots: everything that can need an image, and what makes the answer unknown (threats C6, C10)."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from tests.machine import OS_RELEASE, PlainMachine
from tests.trees import Content, Link, make_tree
from tukit_sysext.all_plugins import Root
from tukit_sysext.collect.roots import RootSet, find_roots
from tukit_sysext.layout import EXTENSIONS, SHARED_EXTENSIONS, quarantine_of
from tukit_sysext.snapshots.snapper import scan

STORE = "/var/lib/sysext-store"


def look(site: PlainMachine, *others: Root) -> RootSet:
    return find_roots(site.layout, scan(site.layout, site.subvolumes), others)


def roots(site: PlainMachine, entries: Mapping[str, Content]) -> dict[str, list[str]]:
    """What is found after ``entries`` were made on the running system."""
    make_tree(site.root, entries)
    found = look(site)
    assert found.unknown == ()
    return {image: list(places) for image, places in found.by_image.items()}


@pytest.mark.parametrize(
    "folder",
    ["etc/extensions", "run/extensions", "var/lib/extensions", "usr/lib/extensions", "etc/confexts", "run/confexts"],
)
def test_links_of_the_running_system(snapshot_1: PlainMachine, folder: str) -> None:
    found = roots(snapshot_1, {f"{folder}/a.raw": Link(f"{STORE}/a-1.raw")})
    assert list(found) == ["a-1.raw"]
    assert found["a-1.raw"][0].startswith("the running system")


def test_links_of_a_snapshot(snapshot_1: PlainMachine) -> None:
    snapshot_1.snapshot(7, {"etc/os-release": OS_RELEASE, "etc/extensions/a.raw": Link(f"{STORE}/a-1.raw")})
    assert roots(snapshot_1, {}) == {"a-1.raw": ["snapshot 7"]}


@pytest.mark.parametrize(
    "folder", ["usr/lib/extensions", "usr/local/lib/extensions", "usr/lib/confexts", "etc/confexts"]
)
def test_links_that_a_snapshot_brings_along_elsewhere(snapshot_1: PlainMachine, folder: str) -> None:
    snapshot_1.snapshot(7, {"etc/os-release": OS_RELEASE, f"{folder}/a.raw": Link(f"{STORE}/a-1.raw")})
    assert roots(snapshot_1, {}) == {"a-1.raw": [f"snapshot 7 (/{folder})"]}


def test_a_link_in_the_store_keeps_what_it_names(snapshot_1: PlainMachine) -> None:
    """A snapshot that needs latest.raw needs a-1.raw."""
    store = STORE.lstrip("/")
    found = roots(
        snapshot_1,
        {
            "etc/extensions/a.raw": Link(f"{STORE}/latest.raw"),
            f"{store}/latest.raw": Link("second.raw"),
            f"{store}/second.raw": Link("a-1.raw"),
        },
    )
    assert sorted(found["a-1.raw"]) == ["link latest.raw in the store", "link second.raw in the store"]


def test_a_folder_of_versions_in_the_store_that_a_snapshot_links(snapshot_1: PlainMachine) -> None:
    link = {"etc/extensions/a.raw.v": Link(f"{STORE}/a.raw.v")}
    snapshot_1.snapshot(7, {"etc/os-release": OS_RELEASE, **link})
    found = roots(snapshot_1, {f"{STORE.lstrip('/')}/a.raw.v/a_1.raw": "an image"})
    assert found["a_1.raw"] == ["snapshot 7"]


@pytest.mark.parametrize("folder", [EXTENSIONS, *SHARED_EXTENSIONS])
def test_a_link_in_quarantine_counts(snapshot_1: PlainMachine, folder: str) -> None:
    found = roots(snapshot_1, {f"{quarantine_of(folder)}/a.raw": Link(f"{STORE}/a-1.raw")})
    assert quarantine_of(folder) in found["a-1.raw"][0]


@pytest.mark.parametrize(
    "target", ["../../var/lib/sysext-store/a-1.raw", "/sysroot/var/lib/sysext-store/a-1.raw", "/mnt/other/a-1.raw"]
)
def test_the_name_alone_decides_wherever_a_link_says_that_it_is(snapshot_1: PlainMachine, target: str) -> None:
    assert "a-1.raw" in roots(snapshot_1, {"etc/extensions/a.raw": Link(target)})


def test_a_link_over_links(snapshot_1: PlainMachine) -> None:
    found = roots(
        snapshot_1,
        {
            "etc/extensions/a.raw": Link("../alternatives/a"),
            "etc/alternatives/a": Link("/var/lib/chosen/a.raw"),
            "var/lib/chosen/a.raw": Link("../sysext-store/a-1.raw"),
        },
    )
    assert "a-1.raw" in found


def test_a_link_of_a_snapshot_is_followed_in_the_snapshot(snapshot_1: PlainMachine) -> None:
    etc: dict[str, Content] = {"etc/os-release": OS_RELEASE, "etc/extensions/a.raw": Link("../alternatives/a")}
    snapshot_1.snapshot(7, {**etc, "etc/alternatives/a": Link(f"{STORE}/a-1.raw")})
    assert "a-1.raw" in roots(snapshot_1, {"etc/alternatives/a": Link(f"{STORE}/other-1.raw")})


def test_a_link_over_links_of_folders(snapshot_1: PlainMachine) -> None:
    found = roots(
        snapshot_1,
        {
            "etc/extensions/a.raw": Link("/opt/current/../current/a.raw"),
            "opt/current": Link("v1"),
            "opt/v1/a.raw": Link("../../var/lib/sysext-store/a-1.raw"),
        },
    )
    assert "a-1.raw" in found


def test_links_of_folders_of_a_snapshot_lead_to_the_snapshot(snapshot_1: PlainMachine) -> None:
    """It is the root when it runs, also for what is absolute and for folders that are neither /etc nor /usr."""
    snapshot_1.snapshot(
        7,
        {
            "etc/os-release": OS_RELEASE,
            "etc/extensions/a.raw": Link("../alternatives/a.raw"),
            "etc/alternatives": Link("/usr/share/chosen"),
            "usr/share/chosen/a.raw": Link("/images/a.raw"),
            "images/a.raw": Link(f"{STORE}/a-1.raw"),
        },
    )
    assert "a-1.raw" in roots(snapshot_1, {})


def test_a_folder_of_versions(snapshot_1: PlainMachine) -> None:
    found = roots(
        snapshot_1,
        {
            "etc/extensions/a.raw.v/a_1.raw": Link(f"{STORE}/a-1.raw"),
            "etc/extensions/b.raw.v": Link("/var/lib/b.raw.v"),
            "var/lib/b.raw.v/b_1.raw": Link("../chosen/b"),
            "var/lib/chosen/b": Link(f"{STORE}/b-1.raw"),
        },
    )
    assert {"a-1.raw", "b-1.raw"} <= set(found)


def test_an_image_behind_a_loop_device(snapshot_1: PlainMachine) -> None:
    found = roots(
        snapshot_1,
        {
            "sys/block/loop3/loop/backing_file": f"{STORE}/a-1.raw\n",
            "sys/block/loop4/loop/backing_file": f"{STORE}/b-1.raw (deleted)\n",
            "sys/block/sda/size": "1",
        },
    )
    assert found == {"a-1.raw": ["mounted (/dev/loop3)"], "b-1.raw": ["mounted (/dev/loop4)"]}


def test_an_image_that_is_mounted_as_a_file(snapshot_1: PlainMachine) -> None:
    line = f"36 35 0:31 / /mnt ro,relatime shared:1 - erofs {STORE}/a\\040b-1.raw ro\n"
    other = "37 35 8:1 / / rw - btrfs /dev/sda1 rw\n"
    assert roots(snapshot_1, {"proc/self/mountinfo": other + line}) == {"a b-1.raw": ["mounted"]}


def test_what_others_say(snapshot_1: PlainMachine) -> None:
    assert look(snapshot_1, Root(image="a-1.raw", where="plugin x")).by_image == {"a-1.raw": ["plugin x"]}


@pytest.mark.parametrize("folder", ["sys/block", "proc/self/mountinfo"])
def test_without_proc_or_sys_what_is_mounted_is_not_known(snapshot_1: PlainMachine, folder: str) -> None:
    (snapshot_1.root / folder).rename(snapshot_1.root / "away")
    assert folder in look(snapshot_1).unknown[0]


def test_an_etc_that_cannot_be_read_is_not_none(snapshot_1: PlainMachine) -> None:
    (snapshot_1.tree(1) / "etc").rename(snapshot_1.tree(1) / "hidden")
    assert "snapshot 1" in look(snapshot_1).unknown[0]


def test_an_etc_of_the_running_system_that_cannot_be_read(snapshot_1: PlainMachine) -> None:
    (snapshot_1.root / "etc").rename(snapshot_1.root / "hidden")
    assert any("etc: not there" in line for line in look(snapshot_1).unknown)


def test_a_link_in_a_circle_leads_nowhere(snapshot_1: PlainMachine) -> None:
    assert "circle" in roots(snapshot_1, {"etc/extensions/a.raw": Link("../circle"), "etc/circle": Link("circle")})


def test_a_link_over_too_many_links_is_not_known(snapshot_1: PlainMachine) -> None:
    make_tree(snapshot_1.root, {"etc/extensions/a.raw": Link("../deeper"), "etc/deeper": Link("deeper/on")})
    assert "leads over more than" in look(snapshot_1).unknown[0]
