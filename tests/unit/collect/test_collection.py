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
from tests.trees import Content, Link, make_tree
from tests.unit.ledger.samples import record, sha256
from tukit_sysext.all_plugins import Root
from tukit_sysext.collect.collection import LOOKING, Collection, CollectionOptions, collect
from tukit_sysext.collect.decision import Disposition
from tukit_sysext.collect.survey import survey
from tukit_sysext.errors import Busy
from tukit_sysext.ledger.ledger import Ledger
from tukit_sysext.ledger.settling import settle
from tukit_sysext.plugins.manager import Plugins
from tukit_sysext.quantities import KEEP_FREE
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
        with self.store.receive(sha256=sha256(content), limit=1000, where="test", keep_free=KEEP_FREE) as incoming:
            incoming.write(content)
            incoming.finish()
            self.store.publish(incoming, entry, replaceable=lambda _: False)

    def collect(self, options: CollectionOptions | None = None, *, dry_run: bool = False) -> Collection:
        return collect(self.machine, self.plugins, options, dry_run=dry_run)

    def let_pass(self, days: float = 8) -> None:
        self.now += int(days * DAY)

    def names(self) -> list[str]:
        return sorted(os.listdir(self.layout.store))

    def delete_snapshot(self, number: int) -> None:
        shutil.rmtree(self.layout.snapshots / str(number))


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    return Site(tmp_path, monkeypatch)


def test_what_nothing_needs_goes_with_its_record_after_two_runs_and_the_grace_time(site: Site) -> None:
    assert site.collect().gone == ()
    site.let_pass(6.9)
    assert site.collect().gone == ()
    site.let_pass(0.2)
    found = site.collect()
    assert [item.file.file_name for item in found.gone] == [B]
    assert site.names() == [A]
    assert site.store.records.names() == [A]
    with Ledger(site.layout.ledger) as ledger:
        assert [(event.kind, event.image) for event in ledger.events("collected")] == [("collected", "b")]
        assert {image.file: image.gone is None for image in ledger.images()} == {A: True, B: False}


def test_what_is_needed_again_waits_from_the_start(site: Site) -> None:
    site.collect()
    site.let_pass()
    site.snapshot(2, site.linked(B))
    assert site.collect().gone == ()
    site.delete_snapshot(2)
    assert site.collect().gone == ()
    site.let_pass(1)
    assert site.collect().gone == ()
    site.let_pass()
    assert [item.file.file_name for item in site.collect().gone] == [B]


def test_what_was_needed_between_two_runs_waits_from_the_start(site: Site) -> None:
    """No collection saw it, but the settling of its events did."""
    site.collect()
    site.let_pass()
    site.snapshot(2, site.linked(B))
    settle(site.machine, site.plugins)
    site.delete_snapshot(2)
    settle(site.machine, site.plugins)
    assert site.collect().gone == ()
    assert B in site.names()


def test_a_long_time_without_a_run_is_no_run(site: Site) -> None:
    site.let_pass(1000)
    assert site.collect().gone == ()


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
def test_where_anything_is_unknown_nothing_is_deleted(site: Site, fault: Callable[[Site], None]) -> None:
    site.collect()
    site.let_pass()
    fault(site)
    found = site.collect()
    assert found.unknown and found.gone == ()
    assert site.names() == [A, B]
    site.let_pass()
    assert site.collect(CollectionOptions(lacking_space=True, unknown_origin=True)).gone == ()
    assert site.names() == [A, B]


@pytest.mark.parametrize("fault", UNKNOWN)
def test_nothing_begins_to_wait_while_anything_is_unknown(
    site: Site, fault: Callable[[Site], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    fault(site)
    site.collect()
    with Ledger(site.layout.ledger) as ledger:
        assert [image.file for image in ledger.images() if image.unreferenced_since is not None] == []


def test_an_empty_number_folder_is_fine(site: Site) -> None:
    (site.layout.snapshots / "5").mkdir()
    site.collect()
    site.let_pass()
    assert [item.file.file_name for item in site.collect().gone] == [B]


def test_a_number_that_is_used_again_is_another_snapshot(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between the first look and the second listing snapshot 1 was deleted and made anew, and needs b (threat C3)."""
    site.collect()
    site.let_pass()

    def again() -> None:
        site.delete_snapshot(1)
        site.snapshot(1, site.linked(A, B))

    site.snapshot(2, site.linked(A))
    # when snapshot 2 is looked at, what snapshot 1 had has been read
    during_the_look(site, monkeypatch, again, number=2)
    marks = survey(site.machine, site.plugins, site.store.inventory())
    assert B in marks.by_image and marks.unknown == ()
    assert site.collect().gone == ()
    assert site.names() == [A, B]


def test_a_snapshot_that_comes_during_the_look_counts(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """The scan starts anew (threat C4)."""
    site.collect()
    site.let_pass()
    during_the_look(site, monkeypatch, lambda: site.snapshot(2, site.linked(B)))
    found = site.collect()
    assert (found.gone, found.unknown) == ((), ())
    assert {item.file.file_name: item.needed_by for item in found.decisions}[B] == ("snapshot 2",)


def test_snapshots_that_never_stand_still_are_unknown(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site.collect()
    site.let_pass()
    numbers = iter(range(10, 1000))
    during_the_look(site, monkeypatch, lambda: site.snapshot(next(numbers)), always=True)
    found = site.collect()
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
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By hand, without the lock: roots are looked for once more."""
    site.collect()
    site.let_pass()
    real, calls = survey, list[int]()

    def again(*arguments: Any) -> object:
        calls.append(1)
        if len(calls) == 2:
            make_tree(site.root, {"etc/extensions/by-hand.raw": Link(f"{STORE}/{B}")})
        return real(*arguments)

    monkeypatch.setattr("tukit_sysext.collect.collection.survey", again)
    assert site.collect().gone == ()
    assert len(calls) == 2
    assert site.names() == [A, B]


def test_a_transaction_that_holds_the_lock_is_not_disturbed(site: Site) -> None:
    site.collect()
    site.let_pass()
    with open(site.layout.lock) as file:
        fcntl.flock(file, fcntl.LOCK_SH)
        with pytest.raises(Busy, match="held by a transaction"):
            site.collect()
    assert site.names() == [A, B]


def test_a_held_version_stays(site: Site) -> None:
    make_tree(site.root, {"etc/tukit-sysext/images.d/b.conf": "[Image]\nHold=1.0\n"})
    site.collect()
    site.let_pass()
    found = site.collect()
    assert {item.file.file_name: item.needed_by for item in found.decisions}[B] == ("held in the running system",)


@pytest.mark.parametrize("content", ["[Image]\nHold=1.0\n" + "#" * 300_000, "[Image]\nHold 1.0\n"])
def test_where_the_file_that_may_hold_it_has_a_fault_every_version_stays(site: Site, content: str) -> None:
    make_tree(site.root, {"etc/tukit-sysext/images.d/b.conf": content})
    site.collect()
    site.let_pass()
    found = site.collect()
    assert found.unknown == ()
    (place,) = {item.file.file_name: item.needed_by for item in found.decisions}[B]
    assert place == "perhaps held in the running system (/etc/tukit-sysext/images.d/b.conf has a fault)"


def test_one_file_that_cannot_be_deleted_keeps_no_other(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site.store_image("0-1.0.x86-64.raw")
    site.collect()
    site.let_pass()
    real = Store.remove

    def remove(store: Store, name: str) -> None:
        if name.startswith("0"):
            raise PermissionError(1, "Operation not permitted")  # chattr +i
        real(store, name)

    monkeypatch.setattr(Store, "remove", remove)
    assert [item.file.file_name for item in site.collect().gone] == [B]


@pytest.mark.parametrize("rubbish", [b"rubbish" * 1000, None])
def test_a_look_needs_no_ledger_that_can_be_read(
    site: Site, rubbish: bytes | None, caplog: pytest.LogCaptureFixture
) -> None:
    """Rubbish, or a transaction that was killed, which a reader cannot undo."""
    site.collect()
    if rubbish is not None:
        site.layout.ledger.write_bytes(rubbish)
    else:
        script = (
            "import os, sqlite3, sys\nledger = sqlite3.connect(sys.argv[1], isolation_level=None)\n"
            "ledger.execute('PRAGMA cache_size = 1')\nledger.execute('BEGIN IMMEDIATE')\n"
            "ledger.executemany('INSERT INTO event (time, kind, detail) VALUES (1, 2, ?)', [('x' * 2000,)] * 2000)\n"
            "os.kill(os.getpid(), 9)\n"
        )
        subprocess.run([sys.executable, "-c", script, site.layout.ledger], check=False)
    found = site.collect(dry_run=True)
    assert {item.file.file_name: item.disposition for item in found.decisions} == {
        A: Disposition.NEEDED,
        B: Disposition.WAITS,
    }
    assert "ledger.db" in caplog.text
    assert site.collect().unknown == (), "whoever may write mends it"


def test_a_lost_ledger_costs_the_time_that_it_remembered_and_nothing_else(site: Site) -> None:
    site.collect()
    site.let_pass()
    site.layout.ledger.write_bytes(b"rubbish")
    assert site.collect().gone == ()
    site.let_pass()
    assert [item.file.file_name for item in site.collect().gone] == [B]


def test_the_word_of_the_ledger_alone_deletes_nothing(site: Site) -> None:
    with Ledger(site.layout.ledger) as ledger:
        ledger.mark({A: (0, 2), B: (0, 2)})
    assert site.collect().gone == (), "both were published just now"
    site.let_pass()
    assert [item.file.file_name for item in site.collect().gone] == [B]


@pytest.mark.parametrize("jump", [-60, -5000, 60, 5000])
def test_the_clock_jumps(site: Site, jump: float) -> None:
    site.collect()
    site.let_pass(jump)
    site.collect()
    site.let_pass(-jump)
    site.collect()
    assert A in site.names()
    if jump < 7:
        assert site.names() == [A, B]


def test_dry_run_writes_nothing(site: Site) -> None:
    site.collect()
    site.let_pass()
    before = site.layout.ledger.read_bytes()
    found = site.collect(dry_run=True)
    assert {item.file.file_name: item.disposition for item in found.decisions} == {
        A: Disposition.NEEDED,
        B: Disposition.GOES,
    }
    assert site.names() == [A, B]
    assert site.layout.ledger.read_bytes() == before


def test_a_damaged_image_that_is_needed_stays(site: Site) -> None:
    """Threat L9: the same hash is fetched again; the damage is no reason to delete."""
    (site.layout.store / A).write_bytes(b"rot")
    site.collect()
    site.let_pass()
    site.collect()
    assert A in site.names()


def test_an_image_without_record_stays_and_is_told(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tukit_sysext.system.inspect_image.inspect_image", lambda *_, **__: None)
    site.store.records.remove(B)
    site.collect()
    site.let_pass()
    found = site.collect()
    assert {item.file.file_name: item.disposition for item in found.decisions}[B] is Disposition.UNKNOWN_ORIGIN
    assert site.names() == [A, B]
    assert [item.file.file_name for item in site.collect(CollectionOptions(unknown_origin=True)).gone] == [B]


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
    site: Site, monkeypatch: pytest.MonkeyPatch, result: ProcessResult | Exception
) -> None:
    def run(*_: object, **__: object) -> ProcessResult:
        if isinstance(result, Exception):
            raise result
        return result

    monkeypatch.setattr("tukit_sysext.system.inspect_image.run", run)
    site.store.records.remove(B)
    site.collect()
    site.let_pass()
    found = site.collect()
    assert found.gone == ()
    (told,) = [item.reason for item in found.decisions if item.disposition is Disposition.UNKNOWN_ORIGIN]
    assert "cannot be looked into" in told


def test_looking_into_images_comes_to_an_end(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
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
        site.store_image(name)
        site.store.records.remove(name)
    site.collect()
    site.let_pass()
    assert "not looked into yet" in {item.file.file_name: item.reason for item in site.collect().decisions}[others[1]]
    assert looked == [others[0].removesuffix(".raw")]
    options = CollectionOptions(about=lambda file: file.file_name == others[1])
    collect(site.machine, site.plugins, options, dry_run=True)
    assert looked[1:] == [others[1].removesuffix(".raw")]


def test_what_killed_processes_left_among_the_records_goes(site: Site) -> None:
    left = site.layout.records / f".tukit-sysext.{A}.json.77"
    left.write_text("{")
    site.collect()
    assert left.exists(), "somebody may be writing it"
    site.let_pass(1)
    site.collect()
    assert not left.exists()
    assert site.store.records.names() == [A, B]


def test_what_killed_processes_left_beside_lists_and_memories_goes(site: Site) -> None:
    folders = (site.layout.seen, site.layout.cache / "lists")
    for folder in folders:
        folder.mkdir(parents=True)
        (folder / ".tukit-sysext.main.77").write_text("{")
        (folder / "main").write_text("{}")
    site.collect()
    assert all((folder / ".tukit-sysext.main.77").exists() for folder in folders), "somebody may be writing it"
    site.let_pass(1)
    site.collect()
    assert [os.listdir(folder) for folder in folders] == [["main"], ["main"]]


def test_a_record_whose_file_is_gone_goes_when_nothing_needs_it(site: Site) -> None:
    for name in (A, B):
        (site.layout.store / name).unlink()
    site.collect()
    site.let_pass()
    site.collect()
    assert site.store.records.names() == [A], "with it the image can be fetched again by its hash"


@pytest.mark.root
def test_leavings_where_nothing_was_ever_recorded(site: Site) -> None:
    """A machine that had another tool alone: no folder of records, and several files that go."""
    shutil.rmtree(site.layout.records)
    leavings = [site.layout.store / name for name in (".a-1.0.x86-64.raw.Ab12cD", ".b-1.0.x86-64.raw.Ab12cD")]
    for path in leavings:
        path.write_text("<html>")
    site.collect()
    site.let_pass()
    gone = [item.file.file_name for item in site.collect().gone]
    assert gone == [*(path.name for path in leavings), B], "b has no record either, and is no image"


def test_a_store_that_is_not_there_is_none(site: Site) -> None:
    site.layout.store.rename(site.root / "hidden")
    assert site.collect() == Collection()


def test_a_store_that_grows_beyond_its_limit_is_warned_of(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    make_tree(site.root, {"etc/tukit-sysext/tukit-sysext.conf": "[Store]\nStoreMax=4K\n"})
    assert site.collect().too_large
    assert "more than StoreMax= allows" in caplog.text
    make_tree(site.root, {"etc/tukit-sysext/tukit-sysext.conf": "[Store]\nStoreMax=100%\n"})
    assert not site.collect().too_large


def test_two_collections_at_once(site: Site) -> None:
    """Another process holds the lock alone; this one leaves at once."""
    script = (
        "import fcntl, sys\nfile = open(sys.argv[1])\nfcntl.flock(file, fcntl.LOCK_EX)\n"
        "print('held', flush=True)\nsys.stdin.read()\n"
    )
    site.collect()
    with subprocess.Popen(
        [sys.executable, "-c", script, site.layout.lock], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout is not None and other.stdout.readline() == b"held\n"
        with pytest.raises(Busy):
            site.collect()
        other.communicate()
    site.collect()
