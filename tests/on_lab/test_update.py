# SPDX-License-Identifier: LGPL-2.1-or-later
"""The main job: an update brings its images along, or does not happen. On the lab, through the real hooks."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from tests.conftest import StartLab
from tests.lab import Flavour
from tests.lab.images import MARKS
from tests.on_lab.listing import listing
from tests.on_lab.site import NEW, OLD, STORE, Site

LATER = {"VERSION_ID": "20270101", "SYSEXT_LEVEL": "glibc-2.44"}


@pytest.fixture
def site(any_site: Site) -> Site:
    """These tests are run with every kind of source."""
    return any_site


def merged(site: Site, snapshot: int, *images: str) -> dict[str, str]:
    """What real systemd-sysext merges when the snapshot boots: the mark of each image as the running system sees it."""
    site.lab.reboot()
    assert site.lab.running == snapshot
    site.lab.merge()
    marks = site.lab.path(f"/usr/{MARKS}")
    return {name: (marks / name).read_text() for name in images if (marks / name).exists()}


def test_an_update_links_the_newest_images_that_fit(site: Site) -> None:
    for name, kind in (("debug", "squashfs"), ("strace", "erofs")):
        site.publish(name, "1.0", OLD, kind=kind)
        site.publish(name, "1.1", NEW, kind=kind)
        site.publish(name, "1.2", NEW, kind=kind)
        site.publish(name, "2.0", LATER, kind=kind)
        site.want(name)
    assert site.lab.tukit("execute", "true").returncode == 0
    first = site.default()
    site.lab.reboot()
    before = listing(site.lab.snapshot(first))

    done = site.update()

    assert done.returncode == 0, done.stderr
    assert "debug: 1.0 -> 1.2, from source main" in done.stdout.splitlines()
    assert done.stderr == ""
    second = site.default()
    assert second not in (1, first)
    assert site.links(second) == {"debug.raw": "debug-1.2.x86-64.raw", "strace.raw": "strace-1.2.x86-64.raw"}
    assert site.links(first) == {"debug.raw": "debug-1.0.x86-64.raw", "strace.raw": "strace-1.0.x86-64.raw"}
    assert listing(site.lab.snapshot(first)) == before
    versions = [f"{name}-{version}.x86-64.raw" for name in ("debug", "strace") for version in ("1.0", "1.2")]
    assert site.store() == versions

    seen = {row["number"]: row for row in site.json("snapshots")["snapshots"]}
    assert [(image["image"], image["version"], image["source"]) for image in seen[second]["images"]] == [
        ("debug", "1.2", "main"),
        ("strace", "1.2", "main"),
    ]
    assert [image["version"] for image in seen[first]["images"]] == ["1.0", "1.0"]
    remembered = {(row.number, row.uuid): row.images for row in site.ledger()}
    for number in (first, second):
        links = tuple(sorted(site.links(number).items()))
        assert remembered[number, seen[number]["uuid"]] == links
    record = site.record("debug-1.2.x86-64.raw")
    published = (site.images / "debug-1.2.x86-64.raw").read_bytes()
    assert record["sha256"] == hashlib.sha256(published).hexdigest()
    assert (record["source"], record["url"]) == ("main", site.location("debug-1.2.x86-64.raw"))
    assert site.lab.path(f"{STORE}/debug-1.2.x86-64.raw").read_bytes() == published

    assert merged(site, second, "debug", "strace") == {"debug": "1.2", "strace": "1.2"}


def test_newer_images_have_a_snapshot_of_their_own(site: Site) -> None:
    """Without an update of the system, of which transactional-update would make none."""
    site.publish("debug", "1.0", OLD)
    site.want("debug")
    assert site.lab.tukit("execute", "true").returncode == 0
    site.lab.reboot()
    running, former = site.default(), {row.number for row in site.lab.snapshots()}
    site.publish("debug", "2.0", OLD)

    site.command("update", "--transaction")

    (made,) = {row.number for row in site.lab.snapshots()} - former
    newer, older = {"debug.raw": "debug-2.0.x86-64.raw"}, {"debug.raw": "debug-1.0.x86-64.raw"}
    if site.lab.flavour is Flavour.MICROOS:
        assert (site.default(), site.links(made), site.links(running)) == (made, newer, older)
    else:
        assert (site.default(), site.links(made), site.links(running)) == (running, older, newer)
    site.command("update", "--transaction")
    assert {row.number for row in site.lab.snapshots()} == {*former, made}, "nothing more is to be had"


def test_a_required_image_that_does_not_fit_refuses_the_update(site: Site) -> None:
    site.publish("debug", "1.0", OLD)
    site.publish("debug", "0.9", OLD)
    site.publish("strace", "1.0", OLD)
    site.publish("strace", "1.1", NEW)
    site.want("debug")
    site.want("strace")
    site.lab.tukit("execute", "true", check=True)
    site.lab.reboot()
    numbers, links, default = site.numbers(), site.links(), site.default()
    snapshots = site.ledger_here()

    done = site.update()

    assert done.returncode == 75
    assert "because of required images: debug" in done.stderr
    assert "SYSEXT_LEVEL is glibc-2.42, the new system has glibc-2.43" in done.stderr
    assert "tukit-sysext install --optional debug" in done.stderr
    assert site.numbers() == numbers
    assert site.default() == default
    assert site.links() == links
    assert site.lab.path("/run/tukit-sysext/events").is_dir() and not site.events()
    assert all(not name.startswith(".") for name in site.store())
    assert site.ledger_here() == snapshots, "the ledger still has the snapshot that tukit deleted"

    status = site.json("status")
    assert status["refused"]["times"] == 1
    assert "glibc-2.43" in status["refused"]["images"]["debug"]["reason"]
    assert site.command("status", "--refused", check=False).returncode == 1
    assert "AN UPDATE IS REFUSED" in site.command("status").stdout

    again = site.update()
    assert again.returncode == 75
    assert site.json("status")["refused"]["times"] == 2
    assert site.json("status")["refused"]["since"] == status["refused"]["since"]

    # something else than the update passes, and says nothing about the update
    assert site.lab.tukit("execute", "true").returncode == 0
    assert site.json("status")["refused"]["times"] == 2

    site.publish("debug", "1.1", NEW)
    assert site.update().returncode == 0
    assert site.json("status")["refused"] is None
    assert site.command("status", "--refused").stdout == ""


def test_keep_ignores_the_refusal_and_gets_what_fits(site: Site) -> None:
    site.publish("debug", "1.0", OLD)
    site.publish("strace", "1.0", OLD)
    site.publish("strace", "1.1", NEW)
    site.want("debug")
    site.want("strace")
    site.lab.tukit("execute", "true", check=True)
    site.lab.reboot()

    done = site.update("--keep")

    assert done.returncode == 0
    assert "refused" in done.stderr
    number = site.default()
    assert site.links(number) == {"strace.raw": "strace-1.1.x86-64.raw"}
    assert merged(site, number, "debug", "strace") == {"strace": "1.1"}


def test_an_optional_image_is_left_out_and_comes_back_by_itself(site: Site) -> None:
    site.publish("debug", "1.0", OLD)
    site.want("debug", policy="optional")
    site.lab.tukit("execute", "true", check=True)
    site.lab.reboot()
    assert site.links() == {"debug.raw": "debug-1.0.x86-64.raw"}

    done = site.update()

    assert done.returncode == 0
    line = next(line for line in done.stdout.splitlines() if line.startswith("debug: "))
    assert line.startswith("debug: 1.0 left out: nothing published fits: ") and "glibc-2.43" in line
    assert done.stderr == ""
    assert site.links(site.default()) == {}
    told = next(system for system in site.json("status")["trees"] if system["role"] == "boots next")
    assert "glibc-2.43" in told["images"][0]["state"]

    site.lab.reboot()
    assert site.lab.tukit("execute", "true").stdout.count("debug") == 0, "nothing changed, nothing is said"
    site.lab.reboot()
    site.publish("debug", "1.1", NEW)
    assert "debug: 1.1 added, from source main" in site.lab.tukit("execute", "true").stdout.splitlines()
    assert site.links(site.default()) == {"debug.raw": "debug-1.1.x86-64.raw"}


def test_a_rollback_brings_the_old_images_back(site: Site) -> None:
    site.publish("debug", "1.0", OLD)
    site.publish("debug", "1.1", NEW)
    site.want("debug")
    site.lab.tukit("execute", "true", check=True)
    first = site.default()
    site.lab.reboot()
    assert site.update().returncode == 0
    site.lab.reboot()
    assert site.links() == {"debug.raw": "debug-1.1.x86-64.raw"}

    site.lab.tukit("rollback", str(first), check=True)

    target = site.default()
    assert site.links(target) == {"debug.raw": "debug-1.0.x86-64.raw"}
    assert merged(site, target, "debug") == {"debug": "1.0"}


def test_what_changes_until_the_reboot_does_not_reach_the_new_snapshot(start_lab: StartLab, our_tree: Path) -> None:
    """At boot transactional-update copies what changed in the old /etc over what the new one has untouched, by time."""
    site = Site(lab=start_lab(Flavour.MICROOS, install={our_tree: "/"})).prepare()
    site.publish("debug", "1.0", {"ID": "_any"})
    site.want("debug")
    site.lab.tukit("execute", "true", check=True)
    site.lab.reboot()
    assert site.update().returncode == 0
    etc = site.lab.snapshot(site.default()) / "etc"
    link, untouched = etc / "extensions/debug.raw", etc / "etc.syncpoint/extensions/debug.raw"
    assert link.readlink() == untouched.readlink()
    assert int(link.lstat().st_mtime) != int(untouched.lstat().st_mtime)
