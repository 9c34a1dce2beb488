# SPDX-License-Identifier: LGPL-2.1-or-later
"""What others do while a collection runs: to the snapshots, to the links, and with the lock."""

from __future__ import annotations

import fcntl
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.trees import Link, make_tree
from tests.unit.collect.collection_site import STORE, A, B, CollectionSite
from tukit_sysext.collect.survey import survey
from tukit_sysext.errors import Busy
from tukit_sysext.system.subvolume import Subvolume


def test_a_number_that_is_used_again_is_another_snapshot(
    a_is_needed: CollectionSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the first look and the second listing snapshot 1 was deleted and made anew, and needs b (threat C3)."""
    a_is_needed.collect()
    a_is_needed.let_pass()

    def again() -> None:
        a_is_needed.delete_snapshot(1)
        a_is_needed.snapshot(1, a_is_needed.linked(A, B))

    a_is_needed.snapshot(2, a_is_needed.linked(A))
    # when snapshot 2 is looked at, what snapshot 1 had has been read
    during_the_look(a_is_needed, monkeypatch, again, number=2)
    marks = survey(a_is_needed.machine, a_is_needed.plugins, a_is_needed.store.inventory())
    assert B in marks.by_image and marks.unknown == ()
    assert a_is_needed.collect().gone == ()
    assert a_is_needed.names() == [A, B]


def test_a_snapshot_that_comes_during_the_look_counts(
    a_is_needed: CollectionSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The scan starts anew (threat C4)."""
    a_is_needed.collect()
    a_is_needed.let_pass()
    during_the_look(a_is_needed, monkeypatch, lambda: a_is_needed.snapshot(2, a_is_needed.linked(B)))
    found = a_is_needed.collect()
    assert (found.gone, found.unknown) == ((), ())
    assert {item.file.file_name: item.needed_by for item in found.decisions}[B] == ("snapshot 2",)


def test_snapshots_that_never_stand_still_are_unknown(
    a_is_needed: CollectionSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    a_is_needed.collect()
    a_is_needed.let_pass()
    numbers = iter(range(10, 1000))
    during_the_look(a_is_needed, monkeypatch, lambda: a_is_needed.snapshot(next(numbers)), always=True)
    found = a_is_needed.collect()
    assert found.gone == ()
    assert "come and go too quickly" in found.unknown[0]


def during_the_look(
    site: CollectionSite,
    monkeypatch: pytest.MonkeyPatch,
    happen: Callable[[], object],
    *,
    always: bool = False,
    number: int = 1,
) -> None:
    """Let something happen when the look at the snapshots comes to this number."""
    real, done = site.machine.subvolumes.find, list[bool]()

    def find(path: Path) -> Subvolume | None:
        found = real(path)
        if path == site.tree(number) and (always or not done) and site.layout.store.exists():
            done.append(True)
            if len(done) == 1 or always:
                happen()
        return found

    monkeypatch.setattr(site.machine.subvolumes, "find", find)


def test_a_link_that_is_made_right_before_the_deletion_saves_its_image(
    a_is_needed: CollectionSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By hand, without the lock: roots are looked for once more."""
    a_is_needed.collect()
    a_is_needed.let_pass()
    real, calls = survey, list[int]()

    def again(*arguments: Any) -> object:
        calls.append(1)
        if len(calls) == 2:
            make_tree(a_is_needed.root, {"etc/extensions/by-hand.raw": Link(f"{STORE}/{B}")})
        return real(*arguments)

    monkeypatch.setattr("tukit_sysext.collect.collection.survey", again)
    assert a_is_needed.collect().gone == ()
    assert len(calls) == 2
    assert a_is_needed.names() == [A, B]


def test_a_transaction_that_holds_the_lock_is_not_disturbed(a_is_needed: CollectionSite) -> None:
    a_is_needed.collect()
    a_is_needed.let_pass()
    with open(a_is_needed.layout.lock) as file:
        fcntl.flock(file, fcntl.LOCK_SH)
        with pytest.raises(Busy, match="held by a transaction"):
            a_is_needed.collect()
    assert a_is_needed.names() == [A, B]


def test_two_collections_at_once(a_is_needed: CollectionSite) -> None:
    """Another process holds the lock alone; this one leaves at once."""
    script = (
        "import fcntl, sys\nfile = open(sys.argv[1])\nfcntl.flock(file, fcntl.LOCK_EX)\n"
        "print('held', flush=True)\nsys.stdin.read()\n"
    )
    a_is_needed.collect()
    with subprocess.Popen(
        [sys.executable, "-c", script, a_is_needed.layout.lock], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout is not None and other.stdout.readline() == b"held\n"
        with pytest.raises(Busy):
            a_is_needed.collect()
        other.communicate()
    a_is_needed.collect()
