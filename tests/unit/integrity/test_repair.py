# SPDX-License-Identifier: LGPL-2.1-or-later
"""Repairing trees: where content is looked for, in which order, and what is said of it."""

from __future__ import annotations

import fcntl
import hashlib
import os
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from tests.trees import Link, listing, make_tree
from tests.unit.integrity.verify_site import VerifySite, file_of, flip, rot
from tukit_sysext.config.settings import Configuration
from tukit_sysext.errors import SourceUnreachable, TukitSysextError
from tukit_sysext.integrity.repair import Repair, RepairOutcome, repair
from tukit_sysext.layout import STORE
from tukit_sysext.machine import Machine
from tukit_sysext.plugin_api import hookimpl
from tukit_sysext.plugins.manager import Plugins
from tukit_sysext.sources.candidate import Candidate, Description
from tukit_sysext.sources.protocol import Sink, Source
from tukit_sysext.store.image_store import Condition


@pytest.fixture
def site(verify_site: VerifySite) -> VerifySite:
    return verify_site


def mend(site: VerifySite, number: int | None = None, plugins: Plugins | None = None) -> Repair:
    """Repair; the only thing that was done."""
    assessment = site.assess(number)
    (done,) = repair(site.machine, plugins or Plugins(), assessment.subject, assessment.wrong)
    return done


FAULTS: dict[str, Callable[[VerifySite, Path], object]] = {
    "gone": lambda _, path: path.unlink(),
    "truncated": lambda _, path: path.write_bytes(path.read_bytes()[:2]),
    "a bit": lambda _, path: flip(path),
    "rot": rot,
}


@pytest.fixture(params=FAULTS)
def lost(site: VerifySite, request: pytest.FixtureRequest) -> Path:
    """An image that is linked and not whole."""
    path = site.store_image("1")
    site.link("1")
    FAULTS[request.param](site, path)
    return path


def test_another_file_of_the_store_is_taken(site: VerifySite, lost: Path) -> None:
    site.offer("1")
    make_tree(site.layout.store, {".gdb.abc123": "gdb 1"})
    done = mend(site)
    assert (done.outcome, done.text) == (RepairOutcome.REPAIRED, f"repaired from {site.layout.store}/.gdb.abc123")
    assert lost.read_bytes() == b"gdb 1"
    assert site.finding().condition is Condition.WHOLE


def test_a_folder_in_the_store_is_in_nobodys_way(site: VerifySite, lost: Path) -> None:
    site.offer("1")
    site.list()
    make_tree(site.layout.store, {"folder.raw": None})
    assert mend(site).outcome is RepairOutcome.REPAIRED
    assert lost.read_bytes() == b"gdb 1"


@pytest.mark.parametrize("form", ["{}", "file://{}"])
def test_where_the_record_says_that_it_came_from(site: VerifySite, form: str) -> None:
    path = site.root.parent / "a file.raw"
    path.write_bytes(b"gdb 1")
    text = str(path).replace(" ", "%20") if "file" in form[:4] else str(path)
    site.store_image("1", url=form.format(text)).unlink()
    site.link("1")
    assert mend(site).text == f"repaired from {path}"


def test_a_source_that_lists_only_newer_ones_still_has_it(site: VerifySite, lost: Path) -> None:
    site.offer("1")
    site.offer("2")
    site.list(but=file_of("1"))
    done = mend(site)
    assert (done.outcome, done.text) == (RepairOutcome.REPAIRED, "repaired from source local")
    assert lost.read_bytes() == b"gdb 1"
    assert site.finding().condition is Condition.WHOLE


def test_the_list_may_be_gone_or_stale(site: VerifySite, lost: Path) -> None:
    """N7: repair by a recorded hash is exempt."""
    site.offer("1")
    (site.source / "SHA256SUMS").unlink()
    assert mend(site).outcome is RepairOutcome.REPAIRED


def test_other_content_under_its_name_is_not_taken(site: VerifySite, lost: Path) -> None:
    """L3. Also where its file is gone: other snapshots link the name for the content that is recorded.

    What is published now serves beside it.
    """
    site.offer("1").write_bytes(b"gdb x")
    site.list()
    before = lost.read_bytes() if lost.exists() else None
    done = mend(site)
    assert done.outcome is RepairOutcome.REPLACED
    assert done.text.startswith("replaced by 1 (")
    assert os.readlink(site.root / "etc/extensions/gdb.raw").startswith(f"{STORE}/{lost.name}.")
    assert (lost.read_bytes() if lost.exists() else None) == before


def test_content_that_is_gone_for_good_gives_way_to_the_newest_that_fits(site: VerifySite, lost: Path) -> None:
    site.offer("2")
    site.offer("3")
    site.offer("4", level="glibc-2.43")
    done = mend(site)
    assert done.outcome is RepairOutcome.REPLACED
    assert done.text.startswith("replaced by 3 from source local: recorded content cannot be had any more")
    assert os.readlink(site.root / "etc/extensions/gdb.raw") == f"{STORE}/{file_of('3')}"
    assert site.finding().condition is Condition.WHOLE
    assert not (site.layout.store / file_of("4")).exists()


def test_a_held_image_is_replaced_by_nothing_else(site: VerifySite, lost: Path) -> None:
    (site.root / "etc/tukit-sysext/images.d/gdb.conf").write_text("[Image]\nHold=1\n")
    site.offer("3")
    before = os.readlink(site.root / "etc/extensions/gdb.raw")
    done = mend(site)
    assert done.outcome is RepairOutcome.FAILED
    assert done.next_step
    assert os.readlink(site.root / "etc/extensions/gdb.raw") == before


def test_where_nothing_can_be_had_the_link_stays(site: VerifySite, lost: Path) -> None:
    before = listing(site.root / "etc")
    done = mend(site)
    assert done.outcome is RepairOutcome.FAILED
    assert "recorded content cannot be had any more (source local: " in done.text
    assert done.next_step
    assert listing(site.root / "etc") == before


def test_a_lost_record_and_file_come_back_from_a_list(site: VerifySite) -> None:
    site.store_image("1").unlink()
    site.machine.store().records.remove(file_of("1"))
    site.link("1")
    site.offer("1")
    site.offer("2")
    done = mend(site)
    assert (done.outcome, done.text) == (RepairOutcome.REPAIRED, "repaired from source local")
    assert os.readlink(site.root / "etc/extensions/gdb.raw") == f"{STORE}/{file_of('1')}"
    assert site.finding().condition is Condition.WHOLE


def test_an_error_page_under_a_published_name_gives_way(site: VerifySite) -> None:
    site.store_image("1").write_bytes(b"<html>")
    site.machine.store().records.remove(file_of("1"))
    site.link("1")
    site.offer("1")
    assert mend(site).outcome is RepairOutcome.REPAIRED
    assert site.finding().condition is Condition.WHOLE


def test_what_is_not_wanted_is_had_again_but_never_replaced(site: VerifySite, lost: Path) -> None:
    wanted = site.root / "etc/tukit-sysext/images.d/gdb.conf"
    wanted.write_text("[Image]\nState=removed\n")
    site.offer("2")
    assert "not wanted" in mend(site).text
    wanted.unlink()
    done = mend(site)
    assert done.outcome is RepairOutcome.FAILED
    assert "not wanted" in done.text
    site.offer("1")
    assert mend(site).outcome is RepairOutcome.REPAIRED


def test_others_entries_are_left_alone(site: VerifySite) -> None:
    make_tree(site.root, {"etc/extensions/x.raw": Link("/srv/x.raw"), "srv/x.raw": "<html>"})
    assessment = site.assess()
    assert len(assessment.wrong) == 1
    assert repair(site.machine, Plugins(), assessment.subject, assessment.wrong) == ()


def test_what_does_not_fit_is_replaced(site: VerifySite) -> None:
    site.store_image("1", level="glibc-2.43")
    site.link("1")
    site.offer("2")
    done = mend(site)
    assert done.text.startswith("replaced by 2 from source local: 1 does not fit: SYSEXT_LEVEL is glibc-2.43")
    assert site.finding().condition is Condition.WHOLE


def store_named(site: VerifySite) -> None:
    """An image of the store whose content says that it is gdb, whatever its link is called."""
    path = site.store_image("1")
    path.write_bytes(b"gdb 1 as gdb")
    records = site.machine.store().records
    known = records.read(path.name)
    assert known is not None
    records.write(replace(known, sha256=hashlib.sha256(path.read_bytes()).hexdigest()).sealed(path.stat()))


def test_a_wrongly_named_link_gets_its_name(site: VerifySite) -> None:
    store_named(site)
    site.link("1", as_name="other")
    assert site.finding().condition is Condition.WRONGLY_NAMED
    assert mend(site).text == "link other.raw taken out; linked as gdb.raw"
    assert site.finding().condition is Condition.WHOLE


def test_a_second_link_goes_and_no_source_is_said_to_have_mended_it(site: VerifySite) -> None:
    store_named(site)
    site.link("1")
    site.link("1", as_name="again")
    site.offer("1")
    assert mend(site).text == "link again.raw taken out; the image has gdb.raw already"
    assert [path.name for path in (site.root / "etc/extensions").iterdir()] == ["gdb.raw"]


def test_a_snapshot_has_the_running_systems_sources_too(site: VerifySite) -> None:
    root = site.wanting_snapshot(7)
    (root / "etc/tukit-sysext/sources.d/local.conf").unlink()
    site.store_image("1").unlink()
    site.link("1", root=root)
    site.offer("1")
    assert mend(site, 7).text == "repaired from source local"


def test_links_of_a_snapshot_are_changed_in_the_snapshot(site: VerifySite) -> None:
    root = site.wanting_snapshot(7)
    site.store_image("1").unlink()
    site.link("1", root=root)
    site.link("1")
    site.offer("2")
    assert mend(site, 7).outcome is RepairOutcome.REPLACED
    assert os.readlink(root / "etc/extensions/gdb.raw").endswith(file_of("2"))
    assert os.readlink(site.root / "etc/extensions/gdb.raw").endswith(file_of("1"))


def test_a_folder_that_cannot_be_written_is_said(site: VerifySite, lost: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    site.offer("2")
    monkeypatch.setattr("tukit_sysext.snapshots.targets.os.access", lambda *_: False)
    done = mend(site)
    assert done.outcome is RepairOutcome.FAILED
    assert "the running system is read-only" in done.text
    assert "gdb 2 would fit" in done.text
    assert not (site.layout.store / file_of("2")).exists(), "fetched although it cannot be linked"


class Careless:
    """A source of a plugin that says that it brought an image, and brought something else, or nothing."""

    name = "careless"

    def __init__(self, content: bytes | None, error: Exception | None = None) -> None:
        self.content = content
        self.error = error
        self.asked: list[Candidate] = []

    def candidates(self) -> Sequence[Candidate]:
        raise SourceUnreachable("no list")

    def describe(self, candidates: Sequence[Candidate]) -> dict[str, Description]:
        return {}

    def fetch(self, wanted: Sequence[tuple[Candidate, Sink]]) -> dict[str, TukitSysextError]:
        if self.error is not None:
            raise self.error
        for candidate, sink in wanted:
            self.asked.append(candidate)
            if self.content is not None:
                sink.write(self.content)
        return {}

    @hookimpl
    def tukit_sysext_sources(self, machine: Machine, configuration: Configuration) -> Sequence[Source]:
        return [self]


@pytest.mark.parametrize(
    ("content", "error", "repaired"),
    [(b"gdb 1", None, True), (b"gdb x", None, False), (None, None, False), (None, RuntimeError("injected"), False)],
)
def test_a_source_of_a_plugin_is_not_believed(
    site: VerifySite, lost: Path, content: bytes | None, error: Exception | None, repaired: bool
) -> None:
    plugins = Plugins()
    source = Careless(content, error)
    plugins.register(source, name="careless")
    done = mend(site, plugins=plugins)
    assert (done.outcome is RepairOutcome.REPAIRED) == repaired, done
    assert (site.finding().condition is Condition.WHOLE) == repaired
    if error is None:
        assert source.asked[0].file_name == file_of("1")


def test_without_a_place_in_the_store(site: VerifySite) -> None:
    path = site.store_image("1")
    path.unlink()
    path.mkdir()
    site.link("1")
    site.offer("1")
    done = mend(site)
    assert done.outcome is RepairOutcome.FAILED
    assert "not a regular file" in done.text


def test_two_repairs_of_one_tree_at_once(site: VerifySite) -> None:
    """The second waits for the first: both would use the same temporary names."""
    site.store_image("1").unlink()
    site.link("1")
    site.offer("2")
    assessment = site.assess()
    running, waiting = threading.Event(), threading.Event()
    plugins = Plugins()

    class Slow(Careless):
        def fetch(self, wanted: Sequence[tuple[Candidate, Sink]]) -> dict[str, TukitSysextError]:
            running.set()
            assert waiting.wait(30)
            return super().fetch(wanted)

    plugins.register(Slow(None), name="slow")
    done: list[Sequence[Repair]] = []
    first = threading.Thread(
        target=lambda: done.append(repair(site.machine, plugins, assessment.subject, assessment.wrong))
    )
    first.start()
    assert running.wait(30)
    (lock,) = site.layout.locks.glob("links-*")
    with open(lock) as held, pytest.raises(BlockingIOError):
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    waiting.set()
    first.join(30)
    done.append(repair(site.machine, Plugins(), assessment.subject, assessment.wrong))
    assert [each.outcome for repairs in done for each in repairs] == [RepairOutcome.REPLACED, RepairOutcome.REPLACED]
    assert site.finding().condition is Condition.WHOLE


def test_links_of_an_open_transaction_are_left_to_it(site: VerifySite) -> None:
    """It changes them itself when it is closed, maybe right now; content has no such owner."""
    root = site.wanting_snapshot(7)
    lost = site.store_image("1")
    link = site.link("1", root=root)
    lost.unlink()
    site.offer("2")
    subject = replace(site.subject(7), open=True)
    (done,) = repair(site.machine, Plugins(), subject, site.assess(7).wrong)
    assert done.outcome is RepairOutcome.FAILED
    assert "2 would fit, but a transaction has the tree open" in done.text
    assert os.readlink(link).endswith(file_of("1"))
    site.offer("1", listed=False)
    (done,) = repair(site.machine, Plugins(), subject, site.assess(7).wrong)
    assert done.outcome is RepairOutcome.REPAIRED
