# SPDX-License-Identifier: LGPL-2.1-or-later
"""Images that must not be linked: broken ones, wrong ones, and what stands in the store under their names."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest

from tests.lab.images import MARKS
from tests.on_lab.site import NEW, OLD, STATE, STORE, Site


@pytest.fixture
def site(any_site: Site) -> Site:
    """These tests are run with every kind of source."""
    return any_site


def spoil(site: Site, file_name: str, content: bytes, *, listed: bool) -> None:
    """Give a published file another content; ``listed`` with its hash, so that only the content is wrong."""
    (site.images / file_name).write_bytes(content)
    if listed:
        site.list_images()


def published(site: Site, file_name: str) -> bytes:
    return (site.images / file_name).read_bytes()


def merged_marks(site: Site) -> set[str]:
    """What real systemd-sysext merges in the running system."""
    site.lab.merge()
    found = {path.name for path in site.lab.path(f"/usr/{MARKS}").iterdir()}
    site.lab.run(["systemd-sysext", "unmerge"])
    return found


@pytest.mark.parametrize(
    "case", ["truncated", "empty", "random", "error page", "wrong hash", "os-release", "wrong name"]
)
def test_one_bad_image_does_not_spoil_the_good_ones(site: Site, case: str) -> None:
    """C14: systemd-sysext would fail on most of these, and merge the good images neither."""
    site.publish("good", "1.0", OLD)
    site.publish("bad", "1.0", OLD)
    site.want("good")
    site.want("bad", policy="optional")
    name = "bad-1.1.x86-64.raw"
    files = {"lib/os-release": "ID=evil\n"} if case == "os-release" else None
    two_names = {"lib/extension-release.d/extension-release.x": "ID=_any\n"} if case == "wrong name" else None
    release_name = "y" if case == "wrong name" else None
    site.publish("bad", "1.1", OLD, files=files or two_names, release_name=release_name)
    content = {
        "truncated": published(site, name)[:900],
        "empty": b"",
        "random": os.urandom(8192),
        "error page": b"<html>404 Not Found</html>\n",
        "wrong hash": published(site, name) + b"\0" * 512,
    }.get(case)
    if content is not None:
        spoil(site, name, content, listed=case != "wrong hash")

    done = site.lab.tukit("execute", "true")

    assert done.returncode == 0, done.stderr
    site.lab.reboot()
    assert site.links() == {"bad.raw": "bad-1.0.x86-64.raw", "good.raw": "good-1.0.x86-64.raw"}
    assert site.store() == ["bad-1.0.x86-64.raw", "good-1.0.x86-64.raw"]
    assert merged_marks(site) == {"bad", "good"}


def test_the_content_decides_and_not_the_manifest(site: Site) -> None:
    """N9: a manifest promises what the image is not."""
    site.publish("debug", "1.0", OLD)
    site.publish("debug", "1.1", NEW)
    manifest = {"manifest_version": 1, "config": {"name": "debug"}, "extension": {**OLD, **site.identity}}
    (site.images / "debug-1.1.x86-64.manifest.gz").unlink()
    (site.images / "debug-1.1.x86-64.manifest").write_text(json.dumps(manifest))
    site.list_images()
    site.want("debug")
    assert "to be fetched" in site.command("check").stdout
    assert site.lab.tukit("execute", "true").returncode == 0
    assert site.links(site.default()) == {"debug.raw": "debug-1.0.x86-64.raw"}
    assert site.store() == ["debug-1.0.x86-64.raw"]
    # what was found in it is remembered: it is not fetched again to find it out
    assert "1.1 of source main: does not fit" in site.command("check").stdout
    if site.web is not None:
        site.web.server.clear()
        site.lab.tukit("execute", "true", check=True)
        assert not [request for request in site.web.server.requests if request.path.endswith(".raw")]


@pytest.mark.parametrize("manifest", ["mkosi", "mkosi.gz", "sysextmgr", None])
def test_descriptions_of_every_kind(site: Site, manifest: str | None) -> None:
    site.publish("debug", "1.0", OLD, manifest=manifest)
    site.publish("debug", "1.1", NEW, manifest=manifest)
    site.want("debug")
    assert site.lab.tukit("execute", "true").returncode == 0
    assert site.links(site.default()) == {"debug.raw": "debug-1.0.x86-64.raw"}


def test_a_description_with_another_hash_counts_as_none(site: Site) -> None:
    """Whoever puts it there keeps no image away: the content decides."""
    site.publish("debug", "1.0", OLD)
    site.publish("debug", "1.1", OLD)
    site.want("debug")
    path = site.images / "debug-1.1.x86-64.manifest.gz"
    path.write_bytes(published(site, "debug-1.0.x86-64.manifest.gz"))
    assert site.lab.tukit("execute", "true").returncode == 0
    assert site.links(site.default()) == {"debug.raw": "debug-1.1.x86-64.raw"}


def test_what_is_for_any_system_by_its_content_alone(site: Site) -> None:
    """Its manifest was written before a script of the build set ID=_any, and the list has the hash of that."""
    keys = {"ID": "another-system", "SYSEXT_LEVEL": "glibc-9"}
    for version in ("1.0", "1.1"):
        image = site.publish("debug", version, {"ID": "_any"}, manifest=None)
        manifest = {"manifest_version": 1, "config": {"name": "debug", "version": version}, "extension": keys}
        (site.images / image.name.replace(".raw", ".manifest")).write_text(json.dumps(manifest))
        site.list_images()
        site.want("debug")
        assert site.lab.tukit("execute", "true").returncode == 0
        assert site.links(site.default()) == {"debug.raw": f"debug-{version}.x86-64.raw"}


def test_a_link_gets_the_name_that_systemd_accepts(site: Site) -> None:
    """As sysextmgr's images are: the extension-release has the version in its name."""
    site.publish("gcc", "30.3", OLD, release_name="gcc-30.3.x86-64")
    site.publish("k3s", "1.31", OLD, release_name="whatever", strict=False)
    site.want("gcc")
    site.want("k3s")
    site.lab.tukit("execute", "true", check=True)
    site.lab.reboot()
    assert site.links() == {"gcc-30.3.x86-64.raw": "gcc-30.3.x86-64.raw", "k3s.raw": "k3s-1.31.x86-64.raw"}
    assert merged_marks(site) == {"gcc", "k3s"}
    site.publish("gcc", "30.4", NEW, release_name="gcc-30.4.x86-64")
    site.publish("k3s", "1.32", NEW)
    assert site.update().returncode == 0
    site.lab.reboot()
    assert site.links() == {"gcc-30.4.x86-64.raw": "gcc-30.4.x86-64.raw", "k3s.raw": "k3s-1.32.x86-64.raw"}
    assert merged_marks(site) == {"gcc", "k3s"}


def test_a_damaged_image_is_fetched_again(site: Site) -> None:
    site.publish("debug", "1.0", OLD)
    site.want("debug")
    site.lab.tukit("execute", "true", check=True)
    site.lab.reboot()
    path = site.lab.path(f"{STORE}/debug-1.0.x86-64.raw")
    good = path.read_bytes()
    path.write_bytes(good[:1000] + b"rot" + good[1003:])
    assert "damaged" in site.command("status").stdout

    done = site.lab.tukit("execute", "true")

    assert "debug: 1.0 repaired, from source main" in done.stdout
    assert site.lab.path(f"{STORE}/debug-1.0.x86-64.raw").read_bytes() == good


def test_a_lost_record_is_made_anew_without_fetching(site: Site) -> None:
    site.publish("debug", "1.0", OLD)
    site.want("debug")
    site.lab.tukit("execute", "true", check=True)
    site.lab.reboot()
    inode = site.lab.path(f"{STORE}/debug-1.0.x86-64.raw").stat().st_ino
    for record in site.lab.path(f"{STATE}/images").iterdir():
        record.write_text("{")
    assert "of unknown origin" in site.command("status").stdout
    assert site.lab.tukit("execute", "true").returncode == 0
    assert site.record("debug-1.0.x86-64.raw")["version"] == "1.0"
    assert site.lab.path(f"{STORE}/debug-1.0.x86-64.raw").stat().st_ino == inode
    assert "of unknown origin" not in site.command("status").stdout


@pytest.mark.parametrize("what", ["half a download", "another image", "a symbolic link"])
def test_what_stands_in_the_store_under_a_published_name(site: Site, what: str) -> None:
    """L1, L3, P7: what systemd could not read gives way, beside an image the published one stands; the rest is told."""
    site.publish("debug", "1.0", OLD)
    site.publish("debug", "0.9", OLD)
    site.want("debug")
    name = "debug-1.0.x86-64.raw"
    path: Path = site.lab.path(f"{STORE}/{name}")
    path.parent.mkdir(exist_ok=True)
    if what == "half a download":
        path.write_bytes(published(site, name)[:900])
    elif what == "another image":
        path.write_bytes(published(site, "debug-0.9.x86-64.raw"))
    else:
        path.symlink_to("/etc/passwd")
    with site.journal() as journal:
        assert site.lab.tukit("execute", "true").returncode == 0
    linked = site.links(site.default())
    if what == "half a download":
        assert linked == {"debug.raw": name}
        assert path.read_bytes() == published(site, name)
    elif what == "another image":
        assert re.fullmatch(rf"{name}\.[0-9a-f]{{16}}", linked["debug.raw"])
        assert path.read_bytes() == published(site, "debug-0.9.x86-64.raw")
    else:
        assert linked == {"debug.raw": "debug-0.9.x86-64.raw"}
        assert any("in the way" in line for line in journal)
        assert path.is_symlink()
