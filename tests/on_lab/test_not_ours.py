# SPDX-License-Identifier: LGPL-2.1-or-later
"""Held images, what is not ours in /etc/extensions, taking it over, and taking images out."""

from __future__ import annotations

import os
import shutil

import pytest

from tests.lab import Flavour
from tests.lab.images import MARKS, make_image, release_text
from tests.on_lab.site import NEW, OLD, STORE, Site

EXTENSIONS = "/etc/extensions"


@pytest.fixture
def site(any_site: Site) -> Site:
    """These tests are run with every kind of source."""
    return any_site


def link(site: Site, name: str, target: str) -> None:
    """Link something by hand."""
    folder = site.lab.path(EXTENSIONS)
    folder.mkdir(exist_ok=True)
    (folder / name).symlink_to(target)


def update_and_boot(site: Site, *arguments: str) -> None:
    site.lab.tukit("execute", "true", check=True)
    site.lab.reboot()


def directory_extension(site: Site, path: str, name: str, release: dict[str, str]) -> None:
    """An extension that is a directory."""
    folder = site.lab.path(path)
    releases = folder / "usr/lib/extension-release.d"
    releases.mkdir(parents=True)
    (releases / f"extension-release.{name}").write_text(release_text(release))
    marks = folder / "usr" / MARKS
    marks.mkdir(parents=True)
    (marks / name).write_text("by hand")


def test_a_held_image_stays(site: Site) -> None:
    anywhere = {"ID": "_any"}
    site.publish("debug", "1.0", anywhere)
    site.publish("debug", "1.1", anywhere)
    site.want("debug", Hold="1.0")
    update_and_boot(site)
    assert site.links() == {"debug.raw": "debug-1.0.x86-64.raw"}
    assert site.update().returncode == 0
    assert site.links(site.default()) == {"debug.raw": "debug-1.0.x86-64.raw"}


@pytest.mark.parametrize(("policy", "status"), [("required", 75), ("optional", 0)])
def test_the_policy_decides_when_the_held_version_does_not_fit(site: Site, policy: str, status: int) -> None:
    site.publish("debug", "1.0", OLD)
    site.publish("debug", "1.1", NEW)
    site.want("debug", policy=policy, Hold="1.0")
    update_and_boot(site)
    done = site.update()
    assert done.returncode == status
    assert "held at 1.0" in done.stderr + done.stdout
    assert "debug.raw" not in site.links(site.default()) or status == 75


def test_what_is_not_ours_is_left_alone_and_told(site: Site) -> None:
    site.publish("debug", "1.0", OLD)
    site.want("debug")
    site.lab.path(STORE).mkdir(exist_ok=True)
    old = dict(OLD, **site.identity)
    # as sysextmgr leaves it: the link has the name of the file
    make_image(site.lab.path(STORE), "gcc", "30.3", release=old, release_name="gcc-30.3.x86-64", manifest=None)
    link(site, "gcc-30.3.x86-64.raw", f"{STORE}/gcc-30.3.x86-64.raw")
    make_image(site.lab.path("/var/other"), "gdb", "14", release=old, manifest=None)
    link(site, "gdb.raw", "/var/other/gdb-14.x86-64.raw")
    make_image(site.lab.path(EXTENSIONS), "perf", "6", release=old, manifest=None, file_name="perf.raw")
    directory_extension(site, f"{EXTENSIONS}/tools", "tools", old)
    link(site, "dangling.raw", "/var/other/nothing.raw")
    before = site.links()

    update_and_boot(site)

    assert site.links() == {**before, "debug.raw": "debug-1.0.x86-64.raw"}
    told = site.command("check").stdout
    for name in ("gcc-30.3.x86-64.raw", "gdb.raw", "perf.raw", "tools", "dangling.raw"):
        assert f"  {name}: " in told
    foreign = {item["name"]: item["complaint"] for item in site.json("check")["foreign"]}
    assert [name for name, complaint in foreign.items() if complaint] == ["dangling.raw"]
    running = site.json("status")["trees"][0]
    assert {row["name"] for row in running["images"] if row["policy"] == "not ours"} == set(foreign)

    # with the new system none of them would be merged, and that is said; nothing is changed
    site.publish("debug", "1.1", NEW)
    assert site.update().returncode == 0
    new = site.default()
    assert site.links(new) == {**before, "debug.raw": "debug-1.1.x86-64.raw"}
    check = site.json("check", "--root", f"/.snapshots/{new}/snapshot")
    complaints = {item["name"]: item["complaint"] for item in check["foreign"]}
    assert all("glibc-2.42" in complaints[name] for name in ("gdb.raw", "perf.raw", "tools", "gcc-30.3.x86-64.raw"))


def test_adopt_takes_over(site: Site, flavour: Flavour) -> None:
    old = dict(OLD, **site.identity)
    store = site.lab.path(STORE)
    store.mkdir(exist_ok=True)
    make_image(store, "gcc", "30.3", release=old, release_name="gcc-30.3.x86-64", manifest=None)
    link(site, "gcc-30.3.x86-64.raw", f"{STORE}/gcc-30.3.x86-64.raw")
    make_image(site.lab.path("/var/other"), "gdb", "14", release=old, manifest=None)
    link(site, "gdb.raw", "/var/other/gdb-14.x86-64.raw")
    keys = {**old, "SYSEXT_VERSION_ID": "6.1"}
    make_image(site.lab.path(EXTENSIONS), "perf", "6.1", release=keys, manifest=None, file_name="perf.raw")
    directory_extension(site, f"{EXTENSIONS}/tools", "tools", {**old, "SYSEXT_VERSION_ID": "3"})
    (store / "half-1.0.x86-64.raw").write_bytes((store / "gcc-30.3.x86-64.raw").read_bytes()[:700])
    link(site, "half-1.0.x86-64.raw", f"{STORE}/half-1.0.x86-64.raw")

    done = site.command("adopt", check=False)

    assert done.returncode == 1, "half a download cannot be taken over"
    assert "half-1.0.x86-64.raw is not adopted" in done.stderr
    assert site.links() == {
        "gcc-30.3.x86-64.raw": "gcc-30.3.x86-64.raw",
        "gdb.raw": "gdb-14.x86-64.raw",
        "half-1.0.x86-64.raw": "half-1.0.x86-64.raw",
        "perf.raw": "perf-6.1.x86-64.raw",
        "tools.raw": "tools-3.x86-64.raw",
    }
    assert "[Image]\nPolicy=required\n" in site.lab.path("/etc/tukit-sysext/images.d/gdb.conf").read_text()
    assert site.lab.path("/var/other/gdb-14.x86-64.raw").exists()
    kept = sorted(path.name.split(".2")[0] for path in site.lab.path("/etc/tukit-sysext/adopted").iterdir())
    assert kept == ["perf.raw", "tools"]
    assert [item["name"] for item in site.json("check")["foreign"]] == ["half-1.0.x86-64.raw"]
    taken_over = set(site.links().values()) - {"half-1.0.x86-64.raw"}
    assert {site.record(file_name)["source"] for file_name in taken_over} == {"adopted"}
    remembered = [event for event in site.json("history")["events"] if event["kind"] == "adopted"]
    assert len(remembered) == len(taken_over)
    # what was taken over merges, once what would fail the merge is gone
    os.unlink(site.lab.path(f"{EXTENSIONS}/half-1.0.x86-64.raw"))
    site.lab.merge()
    assert (site.lab.path(f"/usr/{MARKS}") / "tools").read_text() == "by hand"
    site.lab.run(["systemd-sysext", "unmerge"])

    # and from now on it is updated like any other
    site.publish("gcc", "30.4", OLD, release_name="gcc-30.4.x86-64")
    update_and_boot(site)
    assert "gcc-30.4.x86-64.raw" in site.links() and "gcc-30.3.x86-64.raw" not in site.links()


def test_adopt_loses_nothing_where_two_have_one_name(site: Site) -> None:
    """A directory and a file of one name: systemd-sysext sees one, and taking over one must not cost the other."""
    old = {**OLD, **site.identity, "SYSEXT_VERSION_ID": "3"}
    make_image(site.lab.path(EXTENSIONS), "tools", "6.1", release=old, manifest=None, file_name="tools.raw")
    content = site.lab.path(f"{EXTENSIONS}/tools.raw").read_bytes()
    directory_extension(site, f"{EXTENSIONS}/tools", "tools", old)
    done = site.command("adopt", "tools", check=False)
    assert done.returncode == 1
    assert "its link would be tools.raw, which is there already" in done.stderr
    assert site.links() == {"tools": "(no link)", "tools.raw": "(no link)"}
    assert site.lab.path(f"{EXTENSIONS}/tools.raw").read_bytes() == content


def test_a_removed_image_is_taken_out_and_a_masked_one_is_not_wanted(site: Site) -> None:
    for name in ("debug", "strace"):
        site.publish(name, "1.0", OLD)
        site.want(name)
    update_and_boot(site)
    site.want("debug", policy=None, State="removed")
    site.lab.path("/etc/tukit-sysext/images.d/strace.conf").unlink()
    site.lab.path("/etc/tukit-sysext/images.d/strace.conf").symlink_to("/dev/null")

    done = site.lab.tukit("execute", "true")

    assert "debug: 1.0 removed" in done.stdout
    assert site.links(site.default()) == {"strace.raw": "strace-1.0.x86-64.raw"}
    check = site.json("check", "--root", f"/.snapshots/{site.default()}/snapshot")
    assert check["masked"] == {"strace": "/etc/tukit-sysext/images.d/strace.conf"}
    assert [item["name"] for item in check["foreign"]] == ["strace.raw"]
    assert "debug-1.0.x86-64.raw" in site.store(), "another snapshot has it still"


def test_a_directory_in_the_way_of_a_wanted_image(site: Site) -> None:
    site.publish("tools", "1.0", OLD)
    site.want("tools")
    directory_extension(site, f"{EXTENSIONS}/tools", "tools", dict(OLD, **site.identity))
    update_and_boot(site)
    assert site.links() == {"tools": "(no link)"}, "it fits, and serves"
    site.publish("tools", "1.1", NEW)
    done = site.update()
    # what is not ours is no image that we would take away
    assert done.returncode == 0
    assert "comes WITHOUT required images: tools" in done.stderr and "tools is not ours" in done.stderr
    shutil.rmtree(site.lab.path(f"{EXTENSIONS}/tools"))
    assert site.update().returncode == 0
    assert site.links(site.default()) == {"tools.raw": "tools-1.1.x86-64.raw"}


def test_another_tools_plugin_is_told(site: Site) -> None:
    plugins = site.lab.path("/etc/tukit/plugins")
    plugins.mkdir(parents=True, exist_ok=True)
    (plugins / "50-sysext-update").symlink_to("../../../usr/bin/sysextmgrcli")
    assert "/etc/tukit/plugins/50-sysext-update" in site.command("status").stdout
    (plugins / "50-sysext-update").unlink()
    (plugins / "50-sysext-update").symlink_to("/dev/null")
    assert site.json("status")["other_plugins"] == []
