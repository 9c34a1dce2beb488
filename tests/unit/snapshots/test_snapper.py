# SPDX-License-Identifier: LGPL-2.1-or-later
"""The snapshots of a machine: what is there, and what is not known (threats C5 to C7)."""

from __future__ import annotations

import pytest

from tests.machine import OS_RELEASE, PlainMachine, snapper_info
from tests.trees import Link
from tukit_sysext.snapshots.snapper import Scan, scan, scan_in_use


def look(site: PlainMachine) -> Scan:
    return scan(site.layout, site.subvolumes)


def unknown(site: PlainMachine, words: str) -> None:
    """Something with these words is not known."""
    assert [words in line for line in look(site).unknown] == [True], look(site).unknown


def test_a_snapshot_with_all_that_is_known_of_it(site: PlainMachine) -> None:
    made = site.snapshot(
        12,
        {"etc/os-release": OS_RELEASE, "etc/extensions/a.raw": Link("/var/lib/sysext-store/a-1.raw")},
        read_only=True,
    )
    site.subvolumes.set_default(made.identifier)
    (found,) = look(site).snapshots
    assert look(site).unknown == ()
    assert (found.number, found.subvolume, found.default, found.running, found.open) == (12, made, True, False, False)
    assert found.entries is not None
    assert [entry.image for entry in found.entries] == ["a-1.raw"]
    assert found.release is not None
    assert found.release["VERSION_ID"] == "20261101"
    assert (found.date, found.description) == ("2026-11-01 10:00:00", "Snapshot Update of #1")


def test_sorted_by_number(site: PlainMachine) -> None:
    for number in (10, 9, 100):
        site.snapshot(number)
    assert [snapshot.number for snapshot in look(site).snapshots] == [9, 10, 100]


def test_an_open_transaction(site: PlainMachine) -> None:
    site.snapshot(2, info=snapper_info(2, in_progress=True))
    assert look(site).snapshots[0].open


def test_of_many_those_in_use_are_read(site: PlainMachine) -> None:
    for number in (1, 3, 4, 6, 7):
        site.snapshot(number)
    site.subvolumes.set_default(site.snapshot(2).identifier)
    site.snapshot(5, info=snapper_info(5, in_progress=True))
    site.snapshot(8, info=None)
    seen = scan_in_use(site.layout, site.subvolumes, also=lambda number, _: number == 7)
    assert [snapshot.number for snapshot in seen.snapshots] == [2, 5, 7, 8]
    assert seen.others == (1, 3, 4, 6)
    assert seen.numbers == [1, 2, 3, 4, 5, 6, 7, 8]
    every = {snapshot.number: snapshot for snapshot in look(site).snapshots}
    assert {snapshot.number: snapshot for snapshot in seen.snapshots} == {n: every[n] for n in (2, 5, 7, 8)}
    assert seen.unknown == look(site).unknown


def test_what_the_running_one_was_made_from_is_in_use(site: PlainMachine) -> None:
    made = site.snapshot(3)
    site.snapshot(4)
    site.subvolumes.create(site.root, parent=made)
    assert [snapshot.number for snapshot in scan_in_use(site.layout, site.subvolumes).snapshots] == [3]


def test_a_number_without_a_subvolume_is_seen_beside_those_in_use(site: PlainMachine) -> None:
    site.snapshot(1)
    site.snapshot_folder(2, snapper_info(2))
    seen = scan_in_use(site.layout, site.subvolumes)
    assert (seen.unknown, seen.leftovers) == (look(site).unknown, look(site).leftovers)
    assert len(seen.leftovers) == 1


def test_an_empty_number_folder_is_fine(site: PlainMachine) -> None:
    """snapper keeps it so that numbers stay unique."""
    site.snapshot(1)
    (site.layout.snapshots / "2").mkdir()
    (site.layout.snapshots / "grub-snapshot.cfg").touch()
    (site.layout.snapshots / "03").mkdir()
    assert [snapshot.number for snapshot in look(site).snapshots] == [1]
    assert look(site).unknown == ()


@pytest.mark.parametrize("info", [None, "<snapshot>", "\0\1", '<?xml version="1.0" encoding="nonsense"?><s/>'])
def test_a_tree_without_whole_info_is_not_known(site: PlainMachine, info: str | None) -> None:
    site.snapshot(1, info=info)
    unknown(site, "snapshot 1: no readable info.xml")


def test_info_without_a_tree_is_not_known(site: PlainMachine) -> None:
    site.snapshot(1)
    site.snapshot_folder(2, snapper_info(2))
    unknown(site, "snapshot 2:")


@pytest.mark.parametrize("etc", [{}, {"etc": None}, {"etc": Link("/elsewhere")}, {"etc/extensions": Link("/usr")}])
def test_a_snapshot_whose_etc_cannot_be_read_is_not_known(site: PlainMachine, etc: dict[str, Link | None]) -> None:
    site.snapshot(1, {"usr/lib/os-release": OS_RELEASE, **etc})
    unknown(site, "snapshot 1:")
    assert look(site).snapshots[0].entries is None


def test_a_readable_etc_without_extensions_has_none(site: PlainMachine) -> None:
    site.snapshot(1)
    assert look(site).snapshots[0].entries == ()


def test_snapshots_that_are_not_mounted_are_not_known(site: PlainMachine) -> None:
    unknown(site, ".snapshots: empty")
    (site.layout.snapshots / ".subvolume").unlink()
    site.layout.snapshots.rmdir()
    unknown(site, ".snapshots: cannot be read")


def test_a_folder_where_the_snapshots_should_be_mounted(site: PlainMachine) -> None:
    site.snapshot(1)
    (site.layout.snapshots / ".subvolume").unlink()
    unknown(site, ".snapshots: expected a btrfs subvolume, is it mounted?")


def test_what_boots_next_must_be_among_them(site: PlainMachine) -> None:
    site.snapshot(1)
    hidden = site.subvolumes.create(site.root / "elsewhere")
    site.subvolumes.set_default(hidden.identifier)
    unknown(site, f"what boots next (subvolume {hidden.identifier}) is none of the snapshots")


def test_a_default_that_is_not_told(site: PlainMachine) -> None:
    site.snapshot(1)
    (site.root / ".default-subvolume").unlink()
    unknown(site, "default subvolume is not known")
    assert [snapshot.default for snapshot in look(site).snapshots] == [False]


def test_a_tree_that_is_no_subvolume_is_not_known(site: PlainMachine) -> None:
    """Copied back by hand: whether it is a snapshot that somebody boots is not ours to say."""
    site.snapshot(1)
    (site.layout.snapshots / "9/snapshot/etc/extensions").mkdir(parents=True)
    unknown(site, "snapshot 9: ")
