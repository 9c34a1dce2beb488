# SPDX-License-Identifier: LGPL-2.1-or-later
"""The collection on a real machine: real snapshots, mounts and file systems (threats C1 to C7, C10, C11, L13)."""

from __future__ import annotations

import fcntl
import json
import os
import shutil

import pytest

from tests.lab import Flavour
from tests.lab.images import MARKS, make_image
from tests.on_lab.site import NEW, OLD, STATE, STORE, Site

DEBUG_1, DEBUG_2 = "debug-1.0.x86-64.raw", "debug-1.1.x86-64.raw"


@pytest.fixture
def site(site: Site) -> Site:
    """One snapshot has debug 1.0, what runs after it 1.1; nothing has a time of grace.

    There was a collection, so that within the hour the deletion of a snapshot asks for none.
    """
    site.write("/etc/tukit-sysext/tukit-sysext.conf", "[Store]\nGrace=0s\n")
    site.publish("debug", "1.0", OLD)
    site.want("debug")
    site.lab.tukit("execute", "true", check=True)
    site.lab.reboot()
    site.publish("debug", "1.1", NEW)
    assert site.update().returncode == 0
    site.lab.reboot()
    site.command("gc")
    return site


def collect_twice(site: Site, *options: str) -> list[str]:
    """What is in the store after two runs: the first one never deletes."""
    for _ in range(2):
        site.command("gc", *options, check=False)
    return [name for name in site.store() if not name.startswith(".")]


def with_image(site: Site, file_name: str) -> list[int]:
    """The snapshots that have an image."""
    return [row.number for row in site.lab.snapshots() if file_name in site.links(row.number).values()]


def delete(site: Site, *numbers: int) -> None:
    site.lab.run(["snapper", "--no-dbus", "delete", *(str(number) for number in numbers)])


def test_what_no_snapshot_needs_goes(site: Site) -> None:
    old = with_image(site, DEBUG_1)
    assert collect_twice(site) == [DEBUG_1, DEBUG_2]
    told = site.command("why", "debug").stdout
    assert [line for line in told.splitlines() if line.startswith("  ")] == [
        *(f"  snapshot {number}" for number in old),
        *(f"  snapshot {number}" for number in with_image(site, DEBUG_2)),
        "  the running system",
    ]
    delete(site, *old)
    dry = site.command("gc", "--dry-run").stdout
    assert f"{DEBUG_1}" in dry and "nothing needs it" in dry
    assert "0 deleted" in site.command("gc").stdout
    assert site.store() == [DEBUG_1, DEBUG_2]
    done = site.command("gc")
    assert "1 deleted" in done.stdout
    assert site.store() == [DEBUG_2]
    assert site.records() == [f"{DEBUG_2}.json"]
    assert site.command("why", DEBUG_1, check=False).returncode == 1
    assert f"Did you mean {DEBUG_2}?" in site.command("why", DEBUG_1, check=False).stderr


def test_the_deletion_of_a_snapshot_asks_for_a_collection_once_an_hour(site: Site) -> None:
    """The first one begins the wait; the second deletion, within the hour, asks for none."""
    site.lab.path(f"{STATE}/ledger.db").unlink()  # and with it the memory of the last one
    old = with_image(site, DEBUG_1)
    extra = int(site.lab.run(["snapper", "--no-dbus", "create", "-p"]).stdout)
    delete(site, *old)
    ask = site.json("why", "debug-1.0")
    assert ask["images"][0]["unreferenced_since"] is not None
    delete(site, extra)
    assert site.store() == [DEBUG_1, DEBUG_2]


def test_a_transaction_is_not_disturbed(site: Site) -> None:
    delete(site, *with_image(site, DEBUG_1))
    site.command("gc")
    with open(site.lab.path("/run/tukit-sysext/lock")) as lock:
        fcntl.flock(lock, fcntl.LOCK_SH)
        done = site.command("gc", check=False)
    assert done.returncode == 1
    assert "held by a transaction" in done.stderr and "next step:" in done.stderr
    assert site.store() == [DEBUG_1, DEBUG_2]


def test_snapshots_that_are_not_mounted(site: Site) -> None:
    """Without them every image but those of the running system seems to be needed by nothing (threat C7)."""
    site.lab.run(["umount", "/.snapshots"])
    for _ in range(2):
        done = site.command("gc", check=False)
        assert done.returncode == 1
        assert "/.snapshots" in done.stderr and "nothing is deleted" in done.stderr
    assert site.store() == [DEBUG_1, DEBUG_2]


def test_a_snapshot_that_is_half_there(site: Site) -> None:
    """Threats C5 and C6; all of it by the means of the disk."""
    delete(site, *with_image(site, DEBUG_1))
    site.command("gc")
    tree = site.lab.snapshot(1)
    with site.lab.unlocked():
        for hide, unhide in (
            (tree.parent / "info.xml", tree.parent / "away.xml"),
            (tree / "etc", tree / "etc-away"),
        ):
            if hide.name == "etc" and site.lab.flavour is Flavour.MICROOS:
                site.lab.run(["btrfs", "property", "set", "-ts", "/.snapshots/1/snapshot", "ro", "false"])
            hide.rename(unhide)
            done = site.command("gc", check=False)
            assert (done.returncode, "snapshot 1" in done.stderr) == (1, True), done
            assert site.store() == [DEBUG_1, DEBUG_2]
            unhide.rename(hide)
    assert collect_twice(site) == [DEBUG_2]


def test_a_number_that_is_used_again(site: Site) -> None:
    """snapper 0.10.6 gives a freed number to the next snapshot (threat C3)."""
    old = with_image(site, DEBUG_1)
    delete(site, *old)
    site.command("settle")
    made = int(site.lab.run(["snapper", "--no-dbus", "create", "-p"]).stdout)
    site.command("settle")
    known = [(row.number, row.uuid, row.gone is None) for row in site.ledger() if row.number == made]
    assert len({uuid for _, uuid, _ in known}) == len(known)
    assert [here for _, _, here in known][-1]
    assert collect_twice(site) == [DEBUG_2]


def test_an_image_that_is_merged_stays_although_nothing_links_it(site: Site) -> None:
    """Threat C10."""
    site.lab.merge()
    assert (site.lab.path(f"/usr/{MARKS}") / "debug").exists()
    site.lab.path("/etc/extensions/debug.raw").unlink()
    assert with_image(site, DEBUG_2) == []
    assert DEBUG_2 in collect_twice(site)
    (image,) = (item for item in site.json("why", "debug-1.1")["images"])
    assert any("mounted" in place for place in image["needed_by"]), image
    site.lab.run(["systemd-sysext", "unmerge"])


def test_an_overlay_of_an_old_system(site: Site) -> None:
    """transactional-update < 5 kept /etc of a snapshot in /var (threat C11)."""
    delete(site, *with_image(site, DEBUG_1))
    folder = site.lab.path("/var/lib/overlay/1/etc/extensions")
    folder.mkdir(parents=True)
    (folder / "debug.raw").symlink_to(f"{STORE}/{DEBUG_1}")
    assert collect_twice(site) == [DEBUG_1, DEBUG_2]
    shutil.rmtree(site.lab.path("/var/lib/overlay"))
    assert collect_twice(site) == [DEBUG_2]


@pytest.mark.parametrize("fault", ["read-only", "not mounted"])
def test_var(site: Site, fault: str) -> None:
    """The collection does nothing, and a transaction that needs nothing passes (threat L13)."""
    delete(site, *with_image(site, DEBUG_1))
    site.command("gc")
    before = site.links()
    if fault == "read-only":
        site.lab.run(["mount", "-o", "remount,bind,ro", "/var"])
        assert site.command("gc", check=False).returncode == 1
    else:
        site.lab.run(["umount", "-l", "/var"])
        site.command("gc", check=False)
    if fault == "read-only":
        done = site.lab.tukit("execute", "true")
        assert done.returncode == 0, done.stderr
        assert site.links(site.default()) == before
        site.lab.run(["mount", "-o", "remount,bind,rw", "/var"])
    else:
        site.lab.reboot()
    assert site.store() == [DEBUG_1, DEBUG_2]


def test_a_transaction_that_lacks_room_has_what_nothing_needs_collected(site: Site) -> None:
    """The old image goes without its time of grace, and the new one fits in where it was."""
    site.write("/etc/tukit-sysext/tukit-sysext.conf", "[Store]\nGrace=30d\nKeepFree=0\n")
    delete(site, *with_image(site, DEBUG_1))
    later = {"VERSION_ID": "20270101", "SYSEXT_LEVEL": "glibc-2.44"}
    site.publish("debug", "1.2", later)
    old, new = site.lab.path(f"{STORE}/{DEBUG_1}"), site.images / "debug-1.2.x86-64.raw"
    # the store has a file system of its own, in which there is room for two images
    make_small_store(
        site, new.stat().st_size + old.stat().st_size + (site.lab.path(f"{STORE}/{DEBUG_2}").stat().st_size)
    )
    os.utime(site.lab.path(f"{STORE}/{DEBUG_1}"), (0, 0))
    age_record(site, DEBUG_1)

    done = site.update(release=later)

    assert done.returncode == 0, done.stderr
    assert site.store() == [DEBUG_2, "debug-1.2.x86-64.raw"]
    assert site.links(site.default()) == {"debug.raw": "debug-1.2.x86-64.raw"}


def make_small_store(site: Site, size: int) -> None:
    """Move the store to a file system that is as good as full."""
    files = {path.name: path.read_bytes() for path in site.lab.path(STORE).iterdir()}
    site.lab.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "small", STORE])
    for name, content in files.items():
        site.lab.path(f"{STORE}/{name}").write_bytes(content)


def age_record(site: Site, file_name: str) -> None:
    """Make an image an old one."""
    path = site.lab.path(f"{STATE}/images/{file_name}.json")
    document = json.loads(path.read_text())
    path.write_text(json.dumps({**document, "time": "2026-01-01T00:00:00Z"}))


def test_what_sysextmgr_left_behind(site: Site) -> None:
    """Half a download that is linked under its final name, an error page, and temporary files."""
    store = site.lab.path(STORE)
    fits = dict(NEW, **site.identity)
    good = make_image(store, "gcc", "30.3", release=fits, release_name="gcc-30.3.x86-64", manifest=None)
    half = store / "half-1.0.x86-64.raw"
    half.write_bytes(good.read_bytes()[:700])
    (store / "page-1.0.x86-64.raw").write_text("<!DOCTYPE html><title>404 Not Found</title>")
    (store / ".half-1.0.x86-64.raw.Xy12Zz").write_bytes(b"rest")
    extensions = site.lab.path("/etc/extensions")
    (extensions / "half-1.0.x86-64.raw").symlink_to(f"{STORE}/half-1.0.x86-64.raw")

    # what is linked stays, whatever it is; what nothing links goes where it is good for nothing
    assert collect_twice(site) == [DEBUG_1, DEBUG_2, "gcc-30.3.x86-64.raw", "half-1.0.x86-64.raw"]
    assert not (store / ".half-1.0.x86-64.raw.Xy12Zz").exists()
    told = site.command("gc", "--dry-run").stdout
    assert "of unknown origin, and a good image; gc --unknown-origin collects it" in told
    complaints = {item["name"]: item["complaint"] for item in site.json("check")["foreign"]}
    assert complaints["half-1.0.x86-64.raw"]

    (extensions / "half-1.0.x86-64.raw").unlink()
    assert collect_twice(site) == [DEBUG_1, DEBUG_2, "gcc-30.3.x86-64.raw"]
    # the good one is taken over
    (extensions / "gcc-30.3.x86-64.raw").symlink_to(f"{STORE}/gcc-30.3.x86-64.raw")
    done = site.command("adopt", "gcc-30.3.x86-64.raw", check=False)
    assert done.returncode == 0, done.stderr
    assert site.record("gcc-30.3.x86-64.raw")["source"] == "adopted"
    (extensions / "gcc-30.3.x86-64.raw").unlink()
    assert collect_twice(site) == [DEBUG_1, DEBUG_2], "recorded now, and needed by nothing"
