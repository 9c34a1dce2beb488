# SPDX-License-Identifier: LGPL-2.1-or-later
"""The collection on a plain machine: that what it deletes was needed by nothing for long enough."""

from __future__ import annotations

import hashlib
import subprocess
import sys

import pytest

from tests.records import publish, record
from tests.trees import make_tree
from tests.unit.collect.collection_site import A, B, CollectionSite
from tukit_sysext.collect.collection import Collection
from tukit_sysext.collect.decision import Disposition
from tukit_sysext.ledger.ledger import Ledger
from tukit_sysext.ledger.settling import settle
from tukit_sysext.store.image_store import Store
from tukit_sysext.store.record import Record, Records


def test_what_nothing_needs_goes_with_its_record_after_two_runs_and_the_grace_time(a_is_needed: CollectionSite) -> None:
    assert a_is_needed.collect().gone == ()
    a_is_needed.let_pass(6.9)
    assert a_is_needed.collect().gone == ()
    a_is_needed.let_pass(0.2)
    found = a_is_needed.collect()
    assert [item.file.file_name for item in found.gone] == [B]
    assert a_is_needed.names() == [A]
    assert a_is_needed.store.records.names() == [A]
    with Ledger(a_is_needed.layout.ledger) as ledger:
        assert [(event.kind, event.image) for event in ledger.events("collected")] == [("collected", "b")]
        assert {image.file: image.gone is None for image in ledger.images()} == {A: True, B: False}


def test_what_is_needed_again_waits_from_the_start(a_is_needed: CollectionSite) -> None:
    a_is_needed.collect()
    a_is_needed.let_pass()
    a_is_needed.snapshot(2, a_is_needed.linked(B))
    assert a_is_needed.collect().gone == ()
    a_is_needed.delete_snapshot(2)
    assert a_is_needed.collect().gone == ()
    a_is_needed.let_pass(1)
    assert a_is_needed.collect().gone == ()
    a_is_needed.let_pass()
    assert [item.file.file_name for item in a_is_needed.collect().gone] == [B]


def test_what_was_needed_between_two_runs_waits_from_the_start(a_is_needed: CollectionSite) -> None:
    """No collection saw it, but the settling of its events did."""
    a_is_needed.collect()
    a_is_needed.let_pass()
    a_is_needed.snapshot(2, a_is_needed.linked(B))
    settle(a_is_needed.machine, a_is_needed.plugins)
    a_is_needed.delete_snapshot(2)
    settle(a_is_needed.machine, a_is_needed.plugins)
    assert a_is_needed.collect().gone == ()
    assert B in a_is_needed.names()


def test_a_long_time_without_a_run_is_no_run(a_is_needed: CollectionSite) -> None:
    a_is_needed.let_pass(1000)
    assert a_is_needed.collect().gone == ()


def test_a_held_version_stays(a_is_needed: CollectionSite) -> None:
    make_tree(a_is_needed.root, {"etc/tukit-sysext/images.d/b.conf": "[Image]\nHold=1.0\n"})
    a_is_needed.collect()
    a_is_needed.let_pass()
    found = a_is_needed.collect()
    assert {item.file.file_name: item.needed_by for item in found.decisions}[B] == ("held in the running system",)


def test_a_held_version_stays_whatever_its_file_is_called(a_is_needed: CollectionSite) -> None:
    """Its record says which version it is."""
    make_tree(a_is_needed.root, {"etc/tukit-sysext/images.d/b.conf": "[Image]\nHold=7.0\n"})
    renamed = "b.of.another.tool.raw"
    publish(a_is_needed.store, b"seven", record(b"seven", file_name=renamed, name="b", version="7.0", merge_name="b"))
    a_is_needed.collect()
    a_is_needed.let_pass()
    found = a_is_needed.collect()
    assert a_is_needed.names() == [A, renamed]
    assert {item.file.file_name: item.needed_by for item in found.decisions}[renamed] == ("held in the running system",)


def test_a_held_version_stays_where_another_tree_has_a_fault(a_is_needed: CollectionSite) -> None:
    """It is not only that nothing goes: it is told what holds it."""
    make_tree(a_is_needed.root, {"etc/tukit-sysext/images.d/b.conf": "[Image]\nHold=1.0\n"})
    boots_next = a_is_needed.snapshot(2, {**a_is_needed.linked(A), "etc/tukit-sysext/images.d": "no directory"})
    a_is_needed.subvolumes.set_default(boots_next.identifier)
    found = a_is_needed.collect()
    assert found.unknown
    assert {item.file.file_name: item.needed_by for item in found.decisions}[B] == ("held in the running system",)


def test_of_what_is_needed_no_record_is_read(a_is_needed: CollectionSite, monkeypatch: pytest.MonkeyPatch) -> None:
    """But where the ledger does not have it, as after it was lost."""
    read: list[str] = []
    real = Records.read

    def counted(records: Records, name: str, **more: bool) -> Record | None:
        read.append(name)
        return real(records, name, **more)

    monkeypatch.setattr(Records, "read", counted)
    a_is_needed.collect()
    assert A in read
    read.clear()
    a_is_needed.collect()
    assert set(read) == {B}
    a_is_needed.layout.ledger.unlink()
    a_is_needed.collect()
    with Ledger(a_is_needed.layout.ledger) as ledger:
        assert [(image.file, image.version) for image in ledger.images()] == [(A, "1.0"), (B, "1.0")]


def test_what_gets_a_record_is_entered_with_it(a_is_needed: CollectionSite) -> None:
    """A ledger that has the name alone, of a file that waited without a record, does not have it yet."""
    kept = a_is_needed.store.records.read(B)
    assert kept is not None
    a_is_needed.store.records.remove(B)
    a_is_needed.collect()
    a_is_needed.store.records.write(kept)
    a_is_needed.snapshot(2, a_is_needed.linked(B))
    a_is_needed.collect()
    with Ledger(a_is_needed.layout.ledger) as ledger:
        assert {image.file: (image.name, image.version) for image in ledger.images()}[B] == ("b", "1.0")


def test_what_went_and_is_back_is_entered_as_it_is_now(a_is_needed: CollectionSite) -> None:
    a_is_needed.collect()
    a_is_needed.let_pass()
    a_is_needed.collect()
    a_is_needed.store_image(B, b"another image")
    a_is_needed.snapshot(2, a_is_needed.linked(B))
    a_is_needed.collect()
    with Ledger(a_is_needed.layout.ledger) as ledger:
        assert [(image.sha256, image.gone) for image in ledger.images() if image.file == B] == [
            (hashlib.sha256(b"another image").hexdigest(), None)
        ]


@pytest.mark.parametrize("content", ["[Image]\nHold=1.0\n" + "#" * 300_000, "[Image]\nHold 1.0\n"])
def test_where_the_file_that_may_hold_it_has_a_fault_every_version_stays(
    a_is_needed: CollectionSite, content: str
) -> None:
    make_tree(a_is_needed.root, {"etc/tukit-sysext/images.d/b.conf": content})
    a_is_needed.collect()
    a_is_needed.let_pass()
    found = a_is_needed.collect()
    assert found.unknown == ()
    (place,) = {item.file.file_name: item.needed_by for item in found.decisions}[B]
    assert place == "perhaps held in the running system (/etc/tukit-sysext/images.d/b.conf has a fault)"


def test_one_file_that_cannot_be_deleted_keeps_no_other(
    a_is_needed: CollectionSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    a_is_needed.store_image("0-1.0.x86-64.raw")
    a_is_needed.collect()
    a_is_needed.let_pass()
    real = Store.remove

    def remove(store: Store, name: str) -> None:
        if name.startswith("0"):
            raise PermissionError(1, "Operation not permitted")  # chattr +i
        real(store, name)

    monkeypatch.setattr(Store, "remove", remove)
    assert [item.file.file_name for item in a_is_needed.collect().gone] == [B]


@pytest.mark.parametrize("rubbish", [b"rubbish" * 1000, None])
def test_a_look_needs_no_ledger_that_can_be_read(
    a_is_needed: CollectionSite, rubbish: bytes | None, caplog: pytest.LogCaptureFixture
) -> None:
    """Rubbish, or a transaction that was killed, which a reader cannot undo."""
    a_is_needed.collect()
    if rubbish is not None:
        a_is_needed.layout.ledger.write_bytes(rubbish)
    else:
        script = (
            "import os, sqlite3, sys\nledger = sqlite3.connect(sys.argv[1], isolation_level=None)\n"
            "ledger.execute('PRAGMA cache_size = 1')\nledger.execute('BEGIN IMMEDIATE')\n"
            "ledger.executemany('INSERT INTO event (time, kind, detail) VALUES (1, 2, ?)', [('x' * 2000,)] * 2000)\n"
            "os.kill(os.getpid(), 9)\n"
        )
        subprocess.run([sys.executable, "-c", script, a_is_needed.layout.ledger], check=False)
    found = a_is_needed.collect(dry_run=True)
    assert {item.file.file_name: item.disposition for item in found.decisions} == {
        A: Disposition.NEEDED,
        B: Disposition.WAITS,
    }
    assert "ledger.db" in caplog.text
    assert a_is_needed.collect().unknown == (), "whoever may write mends it"


def test_a_lost_ledger_costs_the_time_that_it_remembered_and_nothing_else(a_is_needed: CollectionSite) -> None:
    a_is_needed.collect()
    a_is_needed.let_pass()
    a_is_needed.layout.ledger.write_bytes(b"rubbish")
    assert a_is_needed.collect().gone == ()
    a_is_needed.let_pass()
    assert [item.file.file_name for item in a_is_needed.collect().gone] == [B]


def test_the_word_of_the_ledger_alone_deletes_nothing(a_is_needed: CollectionSite) -> None:
    with Ledger(a_is_needed.layout.ledger) as ledger:
        ledger.mark({A: (0, 2), B: (0, 2)})
    assert a_is_needed.collect().gone == (), "both were published just now"
    a_is_needed.let_pass()
    assert [item.file.file_name for item in a_is_needed.collect().gone] == [B]


@pytest.mark.parametrize("jump", [-60, -5000, 60, 5000])
def test_the_clock_jumps(a_is_needed: CollectionSite, jump: float) -> None:
    a_is_needed.collect()
    a_is_needed.let_pass(jump)
    a_is_needed.collect()
    a_is_needed.let_pass(-jump)
    a_is_needed.collect()
    assert A in a_is_needed.names()
    if jump < 7:
        assert a_is_needed.names() == [A, B]


def test_dry_run_writes_nothing(a_is_needed: CollectionSite) -> None:
    a_is_needed.collect()
    a_is_needed.let_pass()
    before = a_is_needed.layout.ledger.read_bytes()
    found = a_is_needed.collect(dry_run=True)
    assert {item.file.file_name: item.disposition for item in found.decisions} == {
        A: Disposition.NEEDED,
        B: Disposition.GOES,
    }
    assert a_is_needed.names() == [A, B]
    assert a_is_needed.layout.ledger.read_bytes() == before


def test_a_damaged_image_that_is_needed_stays(a_is_needed: CollectionSite) -> None:
    """Threat L9: the same hash is fetched again; the damage is no reason to delete."""
    (a_is_needed.layout.store / A).write_bytes(b"rot")
    a_is_needed.collect()
    a_is_needed.let_pass()
    a_is_needed.collect()
    assert A in a_is_needed.names()


def test_a_store_that_is_not_there_is_none(a_is_needed: CollectionSite) -> None:
    a_is_needed.layout.store.rename(a_is_needed.root / "hidden")
    assert a_is_needed.collect() == Collection()


def test_a_store_that_grows_beyond_its_limit_is_warned_of(
    a_is_needed: CollectionSite, caplog: pytest.LogCaptureFixture
) -> None:
    make_tree(a_is_needed.root, {"etc/tukit-sysext/tukit-sysext.conf": "[Store]\nStoreMax=4K\n"})
    assert a_is_needed.collect().too_large
    assert "more than StoreMax= allows" in caplog.text
    make_tree(a_is_needed.root, {"etc/tukit-sysext/tukit-sysext.conf": "[Store]\nStoreMax=100%\n"})
    assert not a_is_needed.collect().too_large
