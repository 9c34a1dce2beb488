# SPDX-License-Identifier: LGPL-2.1-or-later
"""From each kind of source that has more than files: an update, a refusal, a rollback, a repair and a collection."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import StartLab
from tests.lab import Flavour
from tests.lab.images import MARKS
from tests.on_lab.published_site import WAYS, PublishedSite, Way, published_site
from tests.on_lab.site import NEW, OLD, STORE

OLD_FILE, NEW_FILE = "debug-1.0.x86-64.raw", "debug-1.1.x86-64.raw"
SAME = random.Random(1).randbytes(4 << 20)
"""What all versions have in them."""
LATER = {"VERSION_ID": "20270101", "SYSEXT_LEVEL": "glibc-2.44"}


@pytest.fixture(params=WAYS)
def site(
    request: pytest.FixtureRequest, start_lab: StartLab, our_tree: Path, tmp_path: Path
) -> Iterator[PublishedSite]:
    """One layout: what comes from the network does not depend on it."""
    way: Way = request.param
    if "deltas" in way:
        pytest.importorskip("numpy")
    with published_site(start_lab(Flavour.MICROOS, install={our_tree: "/"}), tmp_path, way) as site:
        site.write("/etc/tukit-sysext/tukit-sysext.conf", "[Network]\nDeadline=2s\n[Store]\nGrace=0s\n")
        yield site


def add(site: PublishedSite, version: str, release: dict[str, str]) -> bytes:
    """Publish a version; what is in its file."""
    files = {f"{MARKS}/debug": version, "share/debug/data": SAME}
    return site.publish("debug", version, release, files=files, manifest=None).read_bytes()


def merged(site: PublishedSite, snapshot: int) -> str:
    """The version of the image that real systemd-sysext merges when the snapshot boots."""
    site.lab.reboot()
    assert site.lab.running == snapshot
    site.lab.merge()
    mark = site.lab.path(f"/usr/{MARKS}/debug").read_text()
    site.lab.run(["systemd-sysext", "unmerge"])
    return mark


def test_all_that_becomes_of_an_image(site: PublishedSite) -> None:
    old = add(site, "1.0", OLD)
    site.want("debug")
    site.lab.tukit("execute", "true", check=True)
    first = site.default()
    assert merged(site, first) == "1.0"
    assert site.fetched(OLD_FILE) == len(old)

    refused = site.update()
    assert refused.returncode == 75
    assert "debug: nothing published fits: 1.0 is the newest" in refused.stderr

    new = add(site, "1.1", NEW)
    assert site.update().returncode == 0
    second = site.default()
    assert site.links(second) == {"debug.raw": NEW_FILE}
    assert site.lab.path(f"{STORE}/{NEW_FILE}").read_bytes() == new
    came = site.fetched(NEW_FILE)
    assert 0 < came < len(new) // 4 if site.deltas else came == len(new)
    assert merged(site, second) == "1.1"
    assert site.update(release=LATER).returncode == 75

    site.lab.tukit("rollback", str(first), check=True)
    third = site.default()
    assert merged(site, third) == "1.0"

    site.lab.path(f"{STORE}/{OLD_FILE}").unlink()
    assert site.command("verify", check=False).returncode == 1
    repaired = site.command("verify", "--repair", check=False)
    assert repaired.returncode == 0, repaired.stdout + repaired.stderr
    assert "debug 1.0: repaired from " in repaired.stdout
    assert site.lab.path(f"{STORE}/{OLD_FILE}").read_bytes() == old
    assert merged(site, third) == "1.0"

    for row in site.lab.snapshots():
        if NEW_FILE in site.links(row.number).values():
            site.lab.run(["snapper", "--no-dbus", "delete", str(row.number)])
    for _ in range(2):  # the first one never deletes
        site.command("gc")
    assert [name for name in site.store() if not name.startswith(".")] == [OLD_FILE]
