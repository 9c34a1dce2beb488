# SPDX-License-Identifier: LGPL-2.1-or-later
"""The collection on a plain machine: what makes it delete nothing, and that what it deletes was needed by nothing."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.machine import OS_RELEASE, PlainMachine
from tests.records import publish, record
from tests.trees import Content, Link, make_tree
from tukit_sysext.all_plugins import Root
from tukit_sysext.collect.collection import LOOKING, Collection, CollectionOptions, collect
from tukit_sysext.collect.decision import Disposition
from tukit_sysext.collect.survey import survey
from tukit_sysext.errors import Busy
from tukit_sysext.ledger.ledger import Ledger
from tukit_sysext.ledger.settling import settle
from tukit_sysext.plugins.manager import Plugins
from tukit_sysext.sources.cache import CONTENT, INDEXES
from tukit_sysext.store.image_store import Store
from tukit_sysext.system.process import ProcessResult, TimedOut
from tukit_sysext.system.subvolume import Subvolume

DAY = 86400
STORE = "/var/lib/sysext-store"
A, B = "a-1.0.x86-64.raw", "b-1.0.x86-64.raw"


class Site(PlainMachine):
    """A machine with images a and b, snapshot 1 that needs a, and a clock that can be moved."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        super().__init__(root)
        self.plugins = Plugins()
        self.now = int(time.time()) + 60  # what is published now has come before that
        monkeypatch.setattr(time, "time", lambda: self.now)
        self.store = Store(self.layout)
        for name in (A, B):
            self.store_image(name)
        self.snapshot(1, self.linked(A))

    def linked(self, *images: str) -> dict[str, Content]:
        links: dict[str, Content] = {f"etc/extensions/{name[0]}.raw": Link(f"{STORE}/{name}") for name in images}
        return {"etc/os-release": OS_RELEASE, **links}

    def store_image(self, name: str, content: bytes = b"image") -> None:
        entry = record(content, file_name=name, name=name[0], version="1.0", merge_name=name[0])
        publish(self.store, content, entry)

    def collect(self, options: CollectionOptions | None = None, *, dry_run: bool = False) -> Collection:
        return collect(self.machine, self.plugins, options, dry_run=dry_run)

    def let_pass(self, days: float = 8) -> None:
        self.now += int(days * DAY)

    def names(self) -> list[str]:
        return sorted(os.listdir(self.layout.store))

    def delete_snapshot(self, number: int) -> None:
        shutil.rmtree(self.layout.snapshots / str(number))


@pytest.fixture
def a_is_needed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    return Site(tmp_path, monkeypatch)


def test_what_nothing_needs_goes_with_its_record_after_two_runs_and_the_grace_time(a_is_needed: Site) -> None:
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


def test_what_is_needed_again_waits_from_the_start(a_is_needed: Site) -> None:
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


def test_what_was_needed_between_two_runs_waits_from_the_start(a_is_needed: Site) -> None:
    """No collection saw it, but the settling of its events did."""
    a_is_needed.collect()
    a_is_needed.let_pass()
    a_is_needed.snapshot(2, a_is_needed.linked(B))
    settle(a_is_needed.machine, a_is_needed.plugins)
    a_is_needed.delete_snapshot(2)
    settle(a_is_needed.machine, a_is_needed.plugins)
    assert a_is_needed.collect().gone == ()
    assert B in a_is_needed.names()


def test_a_long_time_without_a_run_is_no_run(a_is_needed: Site) -> None:
    a_is_needed.let_pass(1000)
    assert a_is_needed.collect().gone == ()


def half_made(site: Site) -> None:
    site.snapshot(2, info=None)


def half_deleted(site: Site) -> None:
    site.snapshot_folder(2, "<snapshot/>")


def no_etc(site: Site) -> None:
    (site.tree(1) / "etc").rename(site.root / "hidden")


def empty_etc(site: Site) -> None:
    shutil.rmtree(site.tree(1) / "etc")
    (site.tree(1) / "etc").mkdir()


def etc_is_a_link(site: Site) -> None:
    (site.tree(1) / "etc").rename(site.tree(1) / "hidden")
    (site.tree(1) / "etc").symlink_to("hidden")


def not_mounted(site: Site) -> None:
    site.layout.snapshots.rename(site.root / "hidden")
    site.layout.snapshots.mkdir()


def not_there(site: Site) -> None:
    site.layout.snapshots.rename(site.root / "hidden")


def not_those_that_boot(site: Site) -> None:
    site.subvolumes.set_default(site.subvolumes.create(site.root / "other").identifier)


def no_proc(site: Site) -> None:
    (site.root / "proc/self/mountinfo").unlink()


def overlay_lost(site: Site) -> None:
    (site.tree(1) / "etc/fstab").write_text("overlay /etc overlay upperdir=/sysroot/var/lib/overlay/1/etc 0 0\n")
    site.layout.overlays.mkdir(parents=True)


def reference_plugin_fails(site: Site) -> None:
    class Failing:
        def tukit_sysext_references(self) -> list[Root]:
            raise RuntimeError("injected")

    from tukit_sysext.plugin_api import hookimpl

    Failing.tukit_sysext_references = hookimpl(Failing.tukit_sysext_references)  # type: ignore[method-assign]
    site.plugins.register(Failing(), name="failing")


def plugin_cannot_be_loaded(site: Site) -> None:
    site.plugins = Plugins(["there-is-no-such-plugin"])


def grace_has_a_fault(site: Site) -> None:
    make_tree(site.root, {"etc/tukit-sysext/tukit-sysext.conf": "[Store]\nGrace=90 dayz\n"})


def holds_cannot_be_read(site: Site) -> None:
    make_tree(site.root, {"etc/tukit-sysext/images.d": "no folder"})


UNKNOWN: list[Callable[[Site], None]] = [
    half_made,
    half_deleted,
    no_etc,
    empty_etc,
    etc_is_a_link,
    not_mounted,
    not_there,
    not_those_that_boot,
    no_proc,
    overlay_lost,
    reference_plugin_fails,
    plugin_cannot_be_loaded,
    grace_has_a_fault,
    holds_cannot_be_read,
]


@pytest.mark.parametrize("fault", UNKNOWN)
def test_where_anything_is_unknown_nothing_is_deleted(a_is_needed: Site, fault: Callable[[Site], None]) -> None:
    a_is_needed.collect()
    a_is_needed.let_pass()
    fault(a_is_needed)
    found = a_is_needed.collect()
    assert found.unknown and found.gone == ()
    assert a_is_needed.names() == [A, B]
    a_is_needed.let_pass()
    assert a_is_needed.collect(CollectionOptions(at_once=True, unknown_origin=True)).gone == ()
    assert a_is_needed.names() == [A, B]


@pytest.mark.parametrize("fault", UNKNOWN)
def test_nothing_begins_to_wait_while_anything_is_unknown(
    a_is_needed: Site, fault: Callable[[Site], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    fault(a_is_needed)
    a_is_needed.collect()
    with Ledger(a_is_needed.layout.ledger) as ledger:
        assert [image.file for image in ledger.images() if image.unreferenced_since is not None] == []


def test_an_empty_number_folder_is_fine(a_is_needed: Site) -> None:
    (a_is_needed.layout.snapshots / "5").mkdir()
    a_is_needed.collect()
    a_is_needed.let_pass()
    assert [item.file.file_name for item in a_is_needed.collect().gone] == [B]


def test_a_number_that_is_used_again_is_another_snapshot(a_is_needed: Site, monkeypatch: pytest.MonkeyPatch) -> None:
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


def test_a_snapshot_that_comes_during_the_look_counts(a_is_needed: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """The scan starts anew (threat C4)."""
    a_is_needed.collect()
    a_is_needed.let_pass()
    during_the_look(a_is_needed, monkeypatch, lambda: a_is_needed.snapshot(2, a_is_needed.linked(B)))
    found = a_is_needed.collect()
    assert (found.gone, found.unknown) == ((), ())
    assert {item.file.file_name: item.needed_by for item in found.decisions}[B] == ("snapshot 2",)


def test_snapshots_that_never_stand_still_are_unknown(a_is_needed: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    a_is_needed.collect()
    a_is_needed.let_pass()
    numbers = iter(range(10, 1000))
    during_the_look(a_is_needed, monkeypatch, lambda: a_is_needed.snapshot(next(numbers)), always=True)
    found = a_is_needed.collect()
    assert found.gone == ()
    assert "come and go too quickly" in found.unknown[0]


def during_the_look(
    site: Site, monkeypatch: pytest.MonkeyPatch, happen: Callable[[], object], *, always: bool = False, number: int = 1
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
    a_is_needed: Site, monkeypatch: pytest.MonkeyPatch
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


def test_a_transaction_that_holds_the_lock_is_not_disturbed(a_is_needed: Site) -> None:
    a_is_needed.collect()
    a_is_needed.let_pass()
    with open(a_is_needed.layout.lock) as file:
        fcntl.flock(file, fcntl.LOCK_SH)
        with pytest.raises(Busy, match="held by a transaction"):
            a_is_needed.collect()
    assert a_is_needed.names() == [A, B]


def test_a_held_version_stays(a_is_needed: Site) -> None:
    make_tree(a_is_needed.root, {"etc/tukit-sysext/images.d/b.conf": "[Image]\nHold=1.0\n"})
    a_is_needed.collect()
    a_is_needed.let_pass()
    found = a_is_needed.collect()
    assert {item.file.file_name: item.needed_by for item in found.decisions}[B] == ("held in the running system",)


@pytest.mark.parametrize("content", ["[Image]\nHold=1.0\n" + "#" * 300_000, "[Image]\nHold 1.0\n"])
def test_where_the_file_that_may_hold_it_has_a_fault_every_version_stays(a_is_needed: Site, content: str) -> None:
    make_tree(a_is_needed.root, {"etc/tukit-sysext/images.d/b.conf": content})
    a_is_needed.collect()
    a_is_needed.let_pass()
    found = a_is_needed.collect()
    assert found.unknown == ()
    (place,) = {item.file.file_name: item.needed_by for item in found.decisions}[B]
    assert place == "perhaps held in the running system (/etc/tukit-sysext/images.d/b.conf has a fault)"


def test_one_file_that_cannot_be_deleted_keeps_no_other(a_is_needed: Site, monkeypatch: pytest.MonkeyPatch) -> None:
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
    a_is_needed: Site, rubbish: bytes | None, caplog: pytest.LogCaptureFixture
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


def test_a_lost_ledger_costs_the_time_that_it_remembered_and_nothing_else(a_is_needed: Site) -> None:
    a_is_needed.collect()
    a_is_needed.let_pass()
    a_is_needed.layout.ledger.write_bytes(b"rubbish")
    assert a_is_needed.collect().gone == ()
    a_is_needed.let_pass()
    assert [item.file.file_name for item in a_is_needed.collect().gone] == [B]


def test_the_word_of_the_ledger_alone_deletes_nothing(a_is_needed: Site) -> None:
    with Ledger(a_is_needed.layout.ledger) as ledger:
        ledger.mark({A: (0, 2), B: (0, 2)})
    assert a_is_needed.collect().gone == (), "both were published just now"
    a_is_needed.let_pass()
    assert [item.file.file_name for item in a_is_needed.collect().gone] == [B]


@pytest.mark.parametrize("jump", [-60, -5000, 60, 5000])
def test_the_clock_jumps(a_is_needed: Site, jump: float) -> None:
    a_is_needed.collect()
    a_is_needed.let_pass(jump)
    a_is_needed.collect()
    a_is_needed.let_pass(-jump)
    a_is_needed.collect()
    assert A in a_is_needed.names()
    if jump < 7:
        assert a_is_needed.names() == [A, B]


def test_dry_run_writes_nothing(a_is_needed: Site) -> None:
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


def test_a_damaged_image_that_is_needed_stays(a_is_needed: Site) -> None:
    """Threat L9: the same hash is fetched again; the damage is no reason to delete."""
    (a_is_needed.layout.store / A).write_bytes(b"rot")
    a_is_needed.collect()
    a_is_needed.let_pass()
    a_is_needed.collect()
    assert A in a_is_needed.names()


def test_an_image_without_record_stays_and_is_told(a_is_needed: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tukit_sysext.system.inspect_image.inspect_image", lambda *_, **__: None)
    a_is_needed.store.records.remove(B)
    a_is_needed.collect()
    a_is_needed.let_pass()
    found = a_is_needed.collect()
    assert {item.file.file_name: item.disposition for item in found.decisions}[B] is Disposition.UNKNOWN_ORIGIN
    assert a_is_needed.names() == [A, B]
    assert [item.file.file_name for item in a_is_needed.collect(CollectionOptions(unknown_origin=True)).gone] == [B]


@pytest.mark.parametrize(
    "result",
    [
        ProcessResult(status=1, output="", messages="Failed to mount image: No such device\n"),  # no such file system
        ProcessResult(status=1, output="", messages="Failed to mount image: Cannot allocate memory\n"),
        ProcessResult(status=1, output="", messages="Failed to detach mount namespace: Input/output error\n"),
        ProcessResult(status=-9, output="", messages=""),
        TimedOut("no end"),
    ],
)
def test_an_image_without_record_stays_where_the_machine_cannot_look_into_it(
    a_is_needed: Site, monkeypatch: pytest.MonkeyPatch, result: ProcessResult | Exception
) -> None:
    def run(*_: object, **__: object) -> ProcessResult:
        if isinstance(result, Exception):
            raise result
        return result

    monkeypatch.setattr("tukit_sysext.system.inspect_image.run", run)
    a_is_needed.store.records.remove(B)
    a_is_needed.collect()
    a_is_needed.let_pass()
    found = a_is_needed.collect()
    assert found.gone == ()
    (told,) = [item.reason for item in found.decisions if item.disposition is Disposition.UNKNOWN_ORIGIN]
    assert "cannot be looked into" in told


def test_looking_into_images_comes_to_an_end(a_is_needed: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Transactions wait meanwhile, and who asks for one image does not wait for the others to be looked into."""
    looked: list[str] = []

    def look(*_: object, preferred: str, **__: object) -> None:
        looked.append(preferred)
        clock.append(clock[-1] + LOOKING + 1)

    clock = [time.monotonic()]
    monkeypatch.setattr(time, "monotonic", lambda: clock[-1])
    monkeypatch.setattr("tukit_sysext.system.inspect_image.inspect_image", look)
    others = [f"{letter}-1.0.x86-64.raw" for letter in "cd"]
    for name in others:
        a_is_needed.store_image(name)
        a_is_needed.store.records.remove(name)
    a_is_needed.collect()
    a_is_needed.let_pass()
    assert (
        "not looked into yet"
        in {item.file.file_name: item.reason for item in a_is_needed.collect().decisions}[others[1]]
    )
    assert looked == [others[0].removesuffix(".raw")]
    options = CollectionOptions(about=lambda file: file.file_name == others[1])
    collect(a_is_needed.machine, a_is_needed.plugins, options, dry_run=True)
    assert looked[1:] == [others[1].removesuffix(".raw")]


def test_what_killed_processes_left_among_the_records_goes(a_is_needed: Site) -> None:
    left = a_is_needed.layout.records / f".tukit-sysext.{A}.json.77"
    left.write_text("{")
    a_is_needed.collect()
    assert left.exists(), "somebody may be writing it"
    a_is_needed.let_pass(1)
    a_is_needed.collect()
    assert not left.exists()
    assert a_is_needed.store.records.names() == [A, B]


def test_what_killed_processes_left_beside_lists_and_memories_goes(a_is_needed: Site) -> None:
    folders = (a_is_needed.layout.seen, a_is_needed.layout.cache / "lists")
    for folder in folders:
        folder.mkdir(parents=True)
        (folder / ".tukit-sysext.main.77").write_text("{")
        (folder / "main").write_text("{}")
    a_is_needed.collect()
    assert all((folder / ".tukit-sysext.main.77").exists() for folder in folders), "somebody may be writing it"
    a_is_needed.let_pass(1)
    a_is_needed.collect()
    assert [os.listdir(folder) for folder in folders] == [["main"], ["main"]]


def test_indexes_and_lists_are_not_kept_for_ever(a_is_needed: Site) -> None:
    """What the store has of them stands beside the records."""
    folders = [a_is_needed.layout.cache / kind for kind in (INDEXES, CONTENT)]
    for folder in folders:
        folder.mkdir(parents=True)
        (folder / "hash").write_text("an index, or a list")
    a_is_needed.collect()
    assert [os.listdir(folder) for folder in folders] == [["hash"], ["hash"]], "an update may be about to need it"
    a_is_needed.let_pass(1)
    a_is_needed.collect()
    assert [os.listdir(folder) for folder in folders] == [[], ["hash"]]
    a_is_needed.let_pass(90)
    a_is_needed.collect()
    assert [os.listdir(folder) for folder in folders] == [[], []]


def test_a_record_whose_file_is_gone_goes_when_nothing_needs_it(a_is_needed: Site) -> None:
    for name in (A, B):
        (a_is_needed.layout.store / name).unlink()
    a_is_needed.collect()
    a_is_needed.let_pass()
    a_is_needed.collect()
    assert a_is_needed.store.records.names() == [A], "with it the image can be fetched again by its hash"


@pytest.mark.root
def test_leavings_where_nothing_was_ever_recorded(a_is_needed: Site) -> None:
    """A machine that had another tool alone: no folder of records, and several files that go."""
    shutil.rmtree(a_is_needed.layout.records)
    leavings = [a_is_needed.layout.store / name for name in (".a-1.0.x86-64.raw.Ab12cD", ".b-1.0.x86-64.raw.Ab12cD")]
    for path in leavings:
        path.write_text("<html>")
    a_is_needed.collect()
    a_is_needed.let_pass()
    gone = [item.file.file_name for item in a_is_needed.collect().gone]
    assert gone == [*(path.name for path in leavings), B], "b has no record either, and is no image"


def test_a_store_that_is_not_there_is_none(a_is_needed: Site) -> None:
    a_is_needed.layout.store.rename(a_is_needed.root / "hidden")
    assert a_is_needed.collect() == Collection()


def test_a_store_that_grows_beyond_its_limit_is_warned_of(a_is_needed: Site, caplog: pytest.LogCaptureFixture) -> None:
    make_tree(a_is_needed.root, {"etc/tukit-sysext/tukit-sysext.conf": "[Store]\nStoreMax=4K\n"})
    assert a_is_needed.collect().too_large
    assert "more than StoreMax= allows" in caplog.text
    make_tree(a_is_needed.root, {"etc/tukit-sysext/tukit-sysext.conf": "[Store]\nStoreMax=100%\n"})
    assert not a_is_needed.collect().too_large


def test_two_collections_at_once(a_is_needed: Site) -> None:
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
