# SPDX-License-Identifier: LGPL-2.1-or-later
"""systemd-sysext is the judge: what it merges before a collection with all ages past it merges afterwards (threat C15).

The ways of reaching.py are laid out in a lab together, but each fails by itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.conftest import StartLab
from tests.lab import Flavour, Lab
from tests.lab.images import MARKS, make_image
from tests.on_lab.reaching import LINKS, PLACES, PRELUDE, VERSIONS, Way
from tests.on_lab.site import STORE, Site

ANY = {"ID": "_any"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Shown:
    """What was merged before and after the collection, what is left of the images, and what the collection said."""

    before: frozenset[str]
    after: frozenset[str]
    left: frozenset[str]
    told: str


def _merge(lab: Lab) -> frozenset[str]:
    """The ways whose image a real merge brings."""
    lab.merge()
    marks = lab.path(f"/usr/{MARKS}")
    merged = frozenset(path.name for path in marks.iterdir()) if marks.is_dir() else frozenset()
    lab.run(["systemd-sysext", "unmerge"])
    return merged


def _lay_out(lab: Lab, ways: Sequence[Way]) -> None:
    """Make the image of each way, and then its way to it."""
    store = lab.path(STORE)
    for way in ways:
        make_image(
            store, way.name, "1", release=ANY, release_name="x", strict=False, manifest=None,
            files={f"{MARKS}/{way.name}": ""}, file_name=f"{way.name}_1.raw",
        )  # fmt: skip
    other = lab.run(["snapper", "--no-dbus", "create", "-p", "--read-write"]).stdout.strip()
    script = [
        "set -eu",
        PRELUDE,
        f"T=/.snapshots/{other}/snapshot E=$T/etc N=/.snapshots/kept M='/.snapshots/by hand/snapshot'",
    ]
    # /etc is a subvolume of its own, of which the snapshot of a snapshot has an empty folder that cannot be written to
    script += [
        'mkdir "${M%/*}"; for n in $N "$M"; do',
        'btrfs -q subvolume snapshot / "$n"',
        'rmdir "$n/etc"; mkdir -p "$n/etc/extensions"; done',
    ]
    script += [f"(W={way.name} I={way.name}_1.raw; {way.script})" for way in ways]
    with lab.unlocked():
        lab.run(["sh", "-c", "\n".join(script)])


def _show(lab: Lab, ways: Sequence[Way]) -> Shown:
    site = Site(lab=lab).prepare()
    site.write("/etc/tukit-sysext/tukit-sysext.conf", "[Store]\nGrace=0s\n")
    lab.path("/etc/extensions").mkdir(exist_ok=True)
    try:
        _lay_out(lab, ways)
        before = _merge(lab)
        told = [site.command("gc", "--unknown-origin", check=False) for _ in range(2)]
        return Shown(
            before=before,
            after=_merge(lab),
            left=frozenset(site.store()),
            told="\n".join(f"{done.stdout}{done.stderr}" for done in told),
        )
    finally:
        # the kernel has no end of a machine: each would keep the disk of its lab for ever
        lab.run(["sh", "-c", "[ ! -e /run/loops ] || xargs losetup --detach </run/loops"])


@pytest.fixture(scope="module")
def links(start_shared_lab: StartLab, our_tree: Path) -> Shown:
    return _show(start_shared_lab(Flavour.MICROOS, install={our_tree: "/"}), LINKS)


@pytest.fixture(scope="module")
def versions(start_shared_lab: StartLab, our_tree: Path) -> Shown:
    return _show(start_shared_lab(Flavour.MICROOS, install={our_tree: "/"}), VERSIONS)


@pytest.fixture(scope="module")
def places(start_shared_lab: StartLab, our_tree: Path) -> Shown:
    return _show(start_shared_lab(Flavour.MICROOS, install={our_tree: "/"}), PLACES)


def _hold(way: Way, shown: Shown) -> None:
    told = "\n".join(line for line in shown.told.splitlines() if way.name in line)
    left = f"{way.name}_1.raw" in shown.left
    assert "not known" not in shown.told, shown.told
    before, after = way.name in shown.before, way.name in shown.after
    assert (before, after) == (way.merged, before), told
    assert left == way.kept, told


@pytest.mark.parametrize("way", LINKS, ids=str)
def test_a_link(way: Way, links: Shown) -> None:
    _hold(way, links)


@pytest.mark.parametrize("way", VERSIONS, ids=str)
def test_a_folder_of_versions(way: Way, versions: Shown) -> None:
    _hold(way, versions)


@pytest.mark.parametrize("way", PLACES, ids=str)
def test_another_place(way: Way, places: Shown) -> None:
    _hold(way, places)
