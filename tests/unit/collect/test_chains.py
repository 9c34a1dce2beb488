# SPDX-License-Identifier: LGPL-2.1-or-later
"""Chains of links, and places on their way that cannot be seen from where we run: unknown is not none (threat C16)."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from threading import Event
from typing import Any

import pytest

from tests.machine import OS_RELEASE, PlainMachine
from tests.trees import Content, Link, make_tree
from tukit_sysext.collect.roots import RootSet, find_roots
from tukit_sysext.snapshots.snapper import scan

STORE = "/var/lib/sysext-store"
ROOT = "21 1 0:30 / / rw,relatime - btrfs /dev/vda2 rw"
"""A line of mountinfo."""


def look(site: PlainMachine, entries: Mapping[str, Content], *mounts: str) -> RootSet:
    """What is found after ``entries`` were made, with these lines of mountinfo."""
    make_tree(site.root, entries)
    (site.root / "proc/self/mountinfo").write_text("".join(f"{line}\n" for line in (ROOT, *mounts)))
    return find_roots(site.layout, scan(site.layout, site.subvolumes))


def over(folder: str) -> dict[str, Content]:
    return {"etc/extensions/a.raw": Link(f"/{folder}/a"), f"{folder}/b": Link(f"{STORE}/b-1.raw")}


HIDDEN = (
    ("home", "40 21 0:25 /systemd/inaccessible/dir /home ro,nosuid - tmpfs tmpfs rw,mode=755"),
    ("root", "40 21 0:25 /systemd/inaccessible/dir /root ro,nosuid - tmpfs tmpfs rw,mode=755"),
    ("home", "40 21 0:50 / /home ro,nosuid - tmpfs tmpfs ro,mode=755"),
    ("tmp", "40 21 0:30 /tmp/systemd-private-0a1b-tukit-sysext-gc.service-Xy12Zz/tmp /tmp rw - btrfs /dev/vda2 rw"),
    ("var/tmp", "40 21 0:31 /@/var/tmp/systemd-private-0a1b-x.service-Xy/tmp /var/tmp rw - btrfs /dev/vda2 rw"),
    ("srv/deep/er", "40 21 0:25 /systemd/inaccessible/dir /srv/deep ro - tmpfs tmpfs rw,mode=755"),
)


@pytest.mark.parametrize(("folder", "line"), HIDDEN)
def test_a_place_that_the_unit_hides_is_not_known(snapshot_1: PlainMachine, folder: str, line: str) -> None:
    (told,) = look(snapshot_1, over(folder), line).unknown
    assert "hidden from this process" in told and "tukit-sysext gc" in told


def test_a_place_that_is_hidden_and_leads_nowhere_is_no_matter(snapshot_1: PlainMachine) -> None:
    assert look(snapshot_1, over("opt"), *(line for _, line in HIDDEN)).unknown == ()


@pytest.fixture
def dead(snapshot_1: PlainMachine, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """/mnt is of a server that does not answer: what asks it hangs, until the end of the test."""
    over, stat = Event(), os.stat

    def hang(path: Any, **options: Any) -> os.stat_result:
        if str(path) == f"{snapshot_1.root}/mnt":
            over.wait()
        return stat(path, **options)

    monkeypatch.setattr(os, "stat", hang)
    monkeypatch.setattr("tukit_sysext.collect.mounts.PATIENCE", 0.1)
    yield
    over.set()


@pytest.mark.usefixtures("dead")
@pytest.mark.parametrize("kind", ["nfs4", "cifs", "fuse.sshfs"])
def test_a_server_that_does_not_answer_is_not_known(snapshot_1: PlainMachine, kind: str) -> None:
    (told,) = look(snapshot_1, over("mnt"), f"40 21 0:50 / /mnt rw - {kind} server:/images rw").unknown
    assert f"/mnt: {kind} of server:/images does not answer" in told and "umount -l /mnt" in told


def test_a_server_that_answers_is_looked_into(snapshot_1: PlainMachine) -> None:
    entries = {"etc/extensions/a.raw": Link("/mnt/a"), "mnt/a": Link(f"{STORE}/b-1.raw")}
    found = look(snapshot_1, entries, "40 21 0:50 / /mnt rw - nfs4 server:/images rw")
    assert (found.unknown, "b-1.raw" in found.by_image) == ((), True)


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("etc/fstab", "LABEL=x /mnt/usb\\040disk ext4 noauto 0 0\n"),
        ("etc/systemd/system/mnt-usb\\x20disk.mount", "[Mount]\nWhat=/dev/sdb1\n"),
        ("run/systemd/generator/mnt-usb\\x20disk.mount", "[Mount]\nWhat=/dev/sdb1\n"),
    ],
)
def test_what_is_not_mounted_now_is_not_known(snapshot_1: PlainMachine, file: str, content: str) -> None:
    entries = {**over("mnt/usb disk"), file: content}
    (told,) = look(snapshot_1, entries).unknown
    assert "/mnt/usb disk: not mounted now" in told and told.endswith("mount /mnt/usb disk")
    assert look(snapshot_1, {}, "41 21 8:17 / /mnt/usb\\040disk rw - ext4 /dev/sdb1 rw").unknown == ()


def test_what_only_the_fstab_of_a_snapshot_mounts(snapshot_1: PlainMachine) -> None:
    etc: dict[str, Content] = {"etc/os-release": OS_RELEASE, "etc/extensions/a.raw": Link("/data/a")}
    snapshot_1.snapshot(7, {**etc, "etc/fstab": "LABEL=x /data ext4 defaults 0 0\n"})
    (told,) = look(snapshot_1, {}).unknown
    assert "/data: not mounted now" in told
    assert look(snapshot_1, {}, "41 21 8:17 / /data rw - ext4 /dev/sdb1 rw").unknown == ()


def test_an_etc_that_is_an_overlay_of_a_snapshot_is_looked_at(snapshot_1: PlainMachine) -> None:
    """transactional-update < 5 had one in fstab(5): it is mounted in no other snapshot, and that settles nothing."""
    layers = "upperdir=/sysroot/var/lib/overlay/7/etc,lowerdir=/sysroot/etc,workdir=/sysroot/var/lib/overlay/work-etc"
    old: dict[str, Content] = {
        "etc/os-release": OS_RELEASE,
        "etc/fstab": f"overlay /etc overlay defaults,{layers} 0 0\n",
        "etc/extensions/a.raw": Link("/opt/a"),
    }
    snapshot_1.snapshot(7, old)
    upper: dict[str, Content] = {
        "var/lib/overlay/7/etc/extensions/b.raw": Link("/opt/b"),
        "opt/a": Link(f"{STORE}/a-1.raw"),
        "opt/b": Link(f"{STORE}/b-1.raw"),
    }
    found = look(snapshot_1, upper)
    assert ({"a-1.raw", "b-1.raw"} <= found.by_image.keys(), found.unknown) == (True, ())


def test_a_mount_unit_that_is_masked_mounts_nothing(snapshot_1: PlainMachine) -> None:
    assert look(snapshot_1, {**over("data"), "etc/systemd/system/data.mount": Link("/dev/null")}).unknown == ()


@pytest.mark.parametrize("line", ["41 21 0:60 / /net rw - autofs systemd-1 rw", "41 21 0:61 / /net rw - proc proc rw"])
def test_what_comes_when_it_is_asked_for_is_not_known(snapshot_1: PlainMachine, line: str) -> None:
    entries: dict[str, Content] = {"etc/extensions/a.raw": Link("/net/host/a"), "net": None}
    (told,) = look(snapshot_1, entries, line).unknown
    assert told.startswith("/net: ")
    assert look(snapshot_1, {"net/host/a": Link(f"{STORE}/a-1.raw")}, line).unknown == ()


@pytest.mark.parametrize("folder", ["run/extensions", "var/lib/extensions", "run/portables"])
def test_a_folder_of_links_that_is_in_such_a_place(snapshot_1: PlainMachine, folder: str) -> None:
    (told,) = look(snapshot_1, {folder: Link("/home/links")}, HIDDEN[0][1]).unknown
    assert "/home: hidden from this process" in told


def test_versions_of_a_folder_by_any_name_are_those_of_its_link(snapshot_1: PlainMachine) -> None:
    """systemd.v(7): the name of the link decides which entries are taken."""
    versions: dict[str, Content] = {
        f"opt/all/{name}_{number}.raw": Link(f"{STORE}/{name}-{number}.raw") for name in "ab" for number in (1, 2)
    }
    found = look(snapshot_1, {**versions, "etc/extensions/a.raw.v": Link("/opt/all/")}).by_image
    assert {"a-1.raw", "a-2.raw"} <= found.keys()
    assert not {"b-1.raw", "b-2.raw"} & found.keys()


def test_a_folder_of_versions_may_have_many(snapshot_1: PlainMachine) -> None:
    versions: dict[str, Content] = {f"opt/all/a_{number}.raw": Link(f"{STORE}/a-{number}.raw") for number in range(300)}
    found = look(snapshot_1, {**versions, "etc/extensions/a.raw.v": Link("/opt/all")})
    assert ("a-299.raw" in found.by_image, found.unknown) == (True, ())


def test_a_link_that_leads_over_ever_longer_paths_is_not_known(snapshot_1: PlainMachine) -> None:
    entries: dict[str, Content] = {"etc/extensions/a.raw": Link("/opt/a"), "opt/a": Link("b/x"), "opt/b": Link("a/y")}
    (told,) = look(snapshot_1, entries).unknown
    assert "leads over more than 256 paths" in told


@pytest.mark.parametrize(
    "text",
    [
        f"[Service]\nExtensionImages={STORE}/a-1.raw\n",
        f"[Service]\n ExtensionImages = /x.raw:a -{STORE}/a-1.raw:relaxed\n",
        f"[Service]\nExtensionImages=/x.raw \\\n# comment\n  '{STORE}/a-1.raw'\n",
        f"RootImage={STORE}/a-1.raw\r\n",
        f"MountImages={STORE}/a-1.raw:/mnt:ro\n",
        f"MountImages='{STORE}/a-1.raw\n",
    ],
)
@pytest.mark.parametrize("folder", ["etc/systemd/system", "run/systemd/system.attached"])
@pytest.mark.parametrize("name", ["x.service", "x.service.d/10-x.conf"])
def test_a_unit_that_names_an_image(snapshot_1: PlainMachine, folder: str, name: str, text: str) -> None:
    found = look(snapshot_1, {f"{folder}/{name}": text})
    assert (found.by_image.get("a-1.raw"), found.unknown) == (["a unit of the running system"], ())


def test_a_unit_that_names_the_newest_of_a_folder_by_a_pattern(snapshot_1: PlainMachine) -> None:
    """systemd.v(7): the version stands for the three underscores."""
    entries: dict[str, Content] = {
        f"opt/all.v/{name}_{number}.raw": Link(f"{STORE}/{name}-{number}.raw") for name in "ab" for number in (1, 2)
    }
    unit = "[Service]\nExtensionImages=/opt/all.v/a___.raw\n"
    found = look(snapshot_1, {**entries, "etc/systemd/system/x.service": unit}).by_image
    assert {"a-1.raw", "a-2.raw"} <= found.keys()
    assert not {"b-1.raw", "b-2.raw"} & found.keys()


@pytest.mark.parametrize(
    "entries",
    [
        {"etc/systemd/system/x.service": f"# ExtensionImages={STORE}/a-1.raw\n"},
        {"etc/systemd/system/x.service": Link("/dev/null")},
        {"etc/systemd/system/x.service": Link("/nowhere")},
        {"etc/systemd/system/x.txt": f"ExtensionImages={STORE}/a-1.raw\n"},
        {"etc/systemd/system/x.service": "ExtensionImages=\n"},
        {"etc/systemd/system/x.service.d": "a file where a folder belongs: systemd has no use for it"},
    ],
)
def test_a_unit_that_names_none(snapshot_1: PlainMachine, entries: dict[str, Content]) -> None:
    found = look(snapshot_1, entries)
    assert ("a-1.raw" in found.by_image, found.unknown) == (False, ())


def test_a_unit_that_cannot_be_read_is_not_known(snapshot_1: PlainMachine) -> None:
    (snapshot_1.root / "etc/systemd/system/x.service").mkdir(parents=True)
    assert "x.service: expected a regular file" in look(snapshot_1, {}).unknown[0]


def test_an_image_that_is_bound_elsewhere(snapshot_1: PlainMachine) -> None:
    line = f"41 21 0:31 /@{STORE}/a-1.raw /srv/a.img rw - btrfs /dev/vda2 rw"
    store = STORE.lstrip("/")
    assert "a-1.raw" in look(snapshot_1, {f"{store}/a-1.raw": "image"}, line).by_image


def test_a_folder_among_the_snapshots_that_is_not_one_of_snapper(snapshot_1: PlainMachine) -> None:
    links: dict[str, Content] = {
        ".snapshots/kept/etc/extensions/a.raw": Link(f"{STORE}/a-1.raw"),
        ".snapshots/by hand/snapshot/etc/extensions/a.raw": Link(f"{STORE}/b-1.raw"),
        ".snapshots/007/snapshot/etc/extensions/a.raw": Link(f"{STORE}/c-1.raw"),
        ".snapshots/grub-snapshot.cfg": "",
    }
    found = look(snapshot_1, links)
    assert ({"a-1.raw", "b-1.raw", "c-1.raw"} <= found.by_image.keys(), found.unknown) == (True, ())
