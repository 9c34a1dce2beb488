# SPDX-License-Identifier: LGPL-2.1-or-later
"""What is left of snapshots leaves something unknown until nobody can be at work on it any more (threat C5)."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.machine import OS_RELEASE, PlainMachine
from tests.trees import Content, Link, make_tree
from tukit_sysext import cli
from tukit_sysext.collect.collection import Collection, collect
from tukit_sysext.collect.survey import survey
from tukit_sysext.ledger.ledger import Ledger
from tukit_sysext.ledger.settling import settle
from tukit_sysext.plugins.manager import Plugins
from tukit_sysext.snapshots.snapper import scan

DAY = 86400
LEFT = ".debug-1.0.x86-64.raw.Xy12Zz"
"""A file of the store that goes as soon as nothing stops a collection."""


class Site(PlainMachine):
    """A machine that can be booted, and whose monotonic clock can be moved."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        super().__init__(root)
        self.seconds = 1000.0
        monkeypatch.setattr("tukit_sysext.ledger.leftovers.time", SimpleNamespace(monotonic=lambda: self.seconds))
        self.former = self.snapshot(1)
        store = self.layout.store.relative_to(root)
        make_tree(root, {"etc/tukit-sysext/tukit-sysext.conf": "[Store]\nGrace=0s\n", f"{store}/{LEFT}": ""})
        os.utime(self.layout.store / LEFT, (0, 0))
        self.reboot("first")
        self.collect()  # needed by nothing in one run

    def reboot(self, name: str) -> None:
        path = self.root / "proc/sys/kernel/random/boot_id"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{name}\n")
        self.seconds = 10.0

    def collect(self, *, dry_run: bool = False) -> Collection:
        return collect(self.machine, Plugins(), dry_run=dry_run)

    def stopped(self) -> bool:
        """Whether a collection tells of number 77, and deletes nothing then."""
        found = self.collect()
        assert bool(found.unknown) == (self.layout.store / LEFT).exists()
        assert all("snapshot 77" in reason for reason in found.unknown)
        return bool(found.unknown)


@pytest.fixture
def aging(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    return Site(tmp_path, monkeypatch)


def info_alone(site: Site) -> None:
    site.snapshot_folder(77, "<snapshot/>")


def a_folder(site: Site) -> None:
    make_tree(site.root, {".snapshots/77/info.xml": "", ".snapshots/77/snapshot/var/log/x": ""})


def no_info(site: Site) -> None:
    """A power cut while snapper made it: the tree is there, and its images are known."""
    site.snapshot(77, info=None)


def no_etc(site: Site) -> None:
    """A deletion that was cut off after the first of two subvolumes: MicroOS has /etc in one of its own."""
    site.snapshot(77, {"usr/lib/os-release": OS_RELEASE})


def no_etc_yet(site: Site) -> None:
    """A power cut before it was made: an empty folder is what a snapshot has in the place of a nested subvolume."""
    site.snapshot(77, {"usr/lib/os-release": OS_RELEASE, "etc": None})


def neither(site: Site) -> None:
    site.snapshot(77, {"usr/lib/os-release": OS_RELEASE}, info=None)


def no_layer(site: Site) -> None:
    """The same of an older system, whose /etc is an overlay."""
    make_tree(site.layout.overlays, {"1": None})
    fstab = "overlay /etc overlay lowerdir=/sysroot/etc,upperdir=/sysroot/var/lib/overlay/77/etc 0 0\n"
    site.snapshot(77, {"etc/os-release": OS_RELEASE, "etc/fstab": fstab})


LEFTOVERS: list[Callable[[Site], None]] = [info_alone, a_folder, no_info, no_etc, no_etc_yet, neither, no_layer]

each = pytest.mark.parametrize("leave", LEFTOVERS)


@each
def test_after_a_day_it_stops_nothing(aging: Site, leave: Callable[[Site], None]) -> None:
    leave(aging)
    assert aging.stopped()
    aging.seconds += DAY - 1
    assert aging.stopped()
    aging.seconds += 1
    assert aging.collect(dry_run=True).unknown == ()
    assert not aging.stopped()


@each
def test_after_a_boot_it_stops_nothing(aging: Site, leave: Callable[[Site], None]) -> None:
    leave(aging)
    assert aging.stopped()
    aging.reboot("second")
    assert not aging.stopped()


@each
def test_what_the_guard_finds_at_a_boot_stops_nothing(aging: Site, leave: Callable[[Site], None]) -> None:
    leave(aging)
    make_tree(aging.layout.snapshots / "1/snapshot", {"etc/extensions": None})
    aging.boot(1)
    aging.subvolumes.set_default(aging.former.identifier)
    aging.reboot("second")
    assert cli.main(["verify", "--boot"], machine=aging.machine) == 0
    assert not aging.stopped()


def test_images_of_a_snapshot_that_was_half_made_stay(aging: Site) -> None:
    aging.snapshot(77, {"etc/extensions/x.raw": Link(f"/var/lib/sysext-store/{LEFT}")}, info=None)
    assert aging.stopped()
    aging.reboot("second")
    assert aging.collect().unknown == ()
    assert (aging.layout.store / LEFT).exists()


HALF: list[Callable[[Site], None]] = [no_etc, no_etc_yet, neither, no_layer]


@pytest.mark.parametrize("leave", HALF)
def test_images_that_a_half_deleted_snapshot_had_stay(aging: Site, leave: Callable[[Site], None]) -> None:
    """As the ledger remembers: nobody can read what it had."""
    aging.snapshot(77, {"etc/os-release": OS_RELEASE, "etc/extensions/x.raw": Link(f"/var/lib/sysext-store/{LEFT}")})
    settle(aging.machine, Plugins())
    made = (aging.tree(77) / aging.subvolumes.FILE).read_text()
    shutil.rmtree(aging.layout.snapshots / "77")
    leave(aging)
    (aging.tree(77) / aging.subvolumes.FILE).write_text(made)
    assert aging.stopped()
    settle(aging.machine, Plugins())
    aging.reboot("second")
    for _ in range(3):
        assert aging.collect().unknown == ()
    assert (aging.layout.store / LEFT).exists()
    shutil.rmtree(aging.layout.snapshots / "77")
    for _ in range(3):
        aging.collect()
    assert not (aging.layout.store / LEFT).exists()


@pytest.mark.parametrize("leave", HALF)
def test_what_the_ledger_remembers_has_to_be_known(aging: Site, leave: Callable[[Site], None]) -> None:
    leave(aging)
    assert aging.stopped()
    aging.reboot("second")
    scanned = scan(aging.layout, aging.subvolumes)
    aging.layout.ledger.write_bytes(b"no database")
    found = survey(aging.machine, Plugins(), aging.machine.store().inventory())
    assert any("ledger" in reason for reason in set(found.unknown) - set(scanned.unknown))


def test_links_of_a_half_deleted_snapshot_that_can_be_read_count(aging: Site) -> None:
    no_layer(aging)
    make_tree(aging.tree(77), {"etc/extensions/x.raw": Link(f"/var/lib/sysext-store/{LEFT}")})
    assert aging.stopped()
    aging.reboot("second")
    for _ in range(3):
        assert aging.collect().unknown == ()
    assert (aging.layout.store / LEFT).exists()


@pytest.mark.parametrize("leave", HALF)
def test_what_boots_next_is_never_left_over(aging: Site, leave: Callable[[Site], None]) -> None:
    """What it has must be known: without /etc nothing would be merged, with it what is not there now."""
    leave(aging)
    made = aging.subvolumes.find(aging.tree(77))
    assert made is not None
    aging.subvolumes.set_default(made.identifier)
    assert aging.stopped()
    aging.reboot("second")
    assert aging.stopped()


def test_an_etc_that_comes_later_is_read(aging: Site) -> None:
    no_etc_yet(aging)
    assert aging.stopped()
    make_tree(aging.tree(77), {"etc/extensions/x.raw": Link(f"/var/lib/sysext-store/{LEFT}")})
    assert aging.collect().unknown == ()
    assert (aging.layout.store / LEFT).exists()


@pytest.mark.parametrize("leave", HALF)
def test_verify_all_fails_no_longer_than_a_collection(aging: Site, leave: Callable[[Site], None]) -> None:
    leave(aging)
    assert aging.stopped()
    assert cli.main(["verify", "--all"], machine=aging.machine) == 1
    aging.reboot("second")
    assert not aging.stopped()
    assert cli.main(["verify", "--all"], machine=aging.machine) == 0


def test_an_info_that_is_written_later_is_seen_for_the_first_time(aging: Site) -> None:
    no_info(aging)
    assert aging.stopped()
    (aging.layout.snapshots / "77/info.xml").write_text("<snapsh")
    aging.seconds += DAY
    assert aging.stopped()


@each
def test_seen_once_is_not_enough(aging: Site, leave: Callable[[Site], None]) -> None:
    leave(aging)
    aging.reboot("second")
    aging.seconds += 9 * DAY
    assert aging.stopped()


@pytest.mark.parametrize("name", ["info.xml", "snapshot/var/log/x", "new", "snapshot/var/new"])
def test_what_changes_is_seen_for_the_first_time(aging: Site, name: str) -> None:
    a_folder(aging)
    assert aging.stopped()
    (aging.layout.snapshots / "77" / name).write_text("changed")
    aging.seconds += DAY
    assert aging.stopped()
    aging.seconds += DAY
    assert not aging.stopped()


def test_a_subvolume_somewhere_below_may_be_a_snapshot(aging: Site) -> None:
    a_folder(aging)
    aging.subvolumes.create(aging.layout.snapshots / "77/snapshot/etc")
    assert aging.stopped()
    aging.reboot("second")
    assert aging.stopped()


def test_a_clock_that_cannot_tell_the_boot_settles_nothing(aging: Site) -> None:
    info_alone(aging)
    (aging.root / "proc/sys/kernel/random/boot_id").unlink()
    assert aging.stopped()
    aging.seconds += 9 * DAY
    assert aging.stopped()


def test_another_one_under_the_same_number_starts_anew(aging: Site) -> None:
    info_alone(aging)
    assert aging.stopped()
    (aging.layout.snapshots / "77/info.xml").unlink()
    (aging.layout.snapshots / "77").rmdir()
    with Ledger(aging.layout.ledger) as ledger:
        assert "77" in (ledger.recall("leftovers") or "")
    aging.layout.store.joinpath(LEFT).unlink()
    assert not aging.stopped()
    with Ledger(aging.layout.ledger) as ledger:
        assert ledger.recall("leftovers") == "{}"


DAMAGED = (
    '{"77": ["damaged"]}',
    '{"77": {}}',
    '{"77": {"state": "STATE", "boot": "first", "seconds": {}}}',
    "[" * 100_000,
)


@pytest.mark.parametrize("memory", DAMAGED, ids=("list", "nothing", "no time", "too deep"))
def test_what_is_remembered_and_damaged_is_forgotten(aging: Site, memory: str) -> None:
    info_alone(aging)
    (leftover,) = scan(aging.layout, aging.subvolumes).leftovers
    with Ledger(aging.layout.ledger) as ledger:
        ledger.remember("leftovers", memory.replace("STATE", leftover.state))
    assert aging.stopped()
    aging.reboot("second")
    assert not aging.stopped()


def test_links_of_what_is_left_over_count(aging: Site) -> None:
    """Copied back by hand, it may be made a snapshot again."""
    a_folder(aging)
    link: dict[str, Content] = {".snapshots/77/snapshot/etc/extensions/x.raw": Link(f"/var/lib/sysext-store/{LEFT}")}
    make_tree(aging.root, link)
    assert aging.stopped()
    aging.reboot("second")
    assert aging.collect().unknown == ()
    assert (aging.layout.store / LEFT).exists()


SAID = (("status",), ("snapshots",), ("verify", "--all"), ("doctor",), ("gc", "--dry-run"), ("settle", "--verbose"))
"""Who tells what is not known of the snapshots."""


@pytest.mark.parametrize("arguments", SAID, ids=" ".join)
def test_nothing_is_unknown_for_ever(
    aging: Site, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture, arguments: tuple[str, ...]
) -> None:
    """P13: what stops no collection any more is told by nobody, and makes nobody fail."""
    caplog.set_level("INFO")

    def said() -> tuple[int, str]:
        caplog.clear()
        status = cli.main([*arguments], machine=aging.machine)
        return status, "".join(capsys.readouterr()) + "\n".join(caplog.messages)

    before = said()
    assert "77" not in before[1]
    info_alone(aging)
    assert aging.stopped()
    assert "snapshot 77: it has info.xml, but no tree" in said()[1]
    aging.reboot("second")
    after = said()
    assert "77" not in after[1]
    assert after[0] == before[0]


def test_what_is_deleted_is_gone_in_the_ledger_too(aging: Site) -> None:
    """P13: a leftover that is settled keeps no deleted snapshot in the history as if it were there."""

    def there() -> list[int]:
        settle(aging.machine, Plugins())
        with Ledger(aging.layout.ledger) as ledger:
            return [row.number for row in ledger.snapshots() if row.gone is None]

    aging.snapshot(5)
    assert there() == [1, 5]
    shutil.rmtree(aging.layout.snapshots / "5")
    info_alone(aging)
    assert aging.stopped() and there() == [1, 5], "not known: it may be hidden only"
    aging.reboot("second")
    assert there() == [1]
