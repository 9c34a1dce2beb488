# SPDX-License-Identifier: LGPL-2.1-or-later
"""Repairing trees: where content is looked for, in which order, and what is said of it."""

from __future__ import annotations

import hashlib
import os
from dataclasses import replace
from pathlib import Path

import pytest

from tests.lab.made_up_registry import MadeUpRegistry
from tests.trees import Link, listing, make_tree
from tests.unit.integrity.mending import Careless, mend
from tests.unit.integrity.verify_site import VerifySite, file_of
from tukit_sysext.errors import ImageBroken, NotFound, SourceUnreachable
from tukit_sysext.integrity.repair import RepairOutcome, repair
from tukit_sysext.layout import STORE
from tukit_sysext.plugins.manager import Plugins
from tukit_sysext.store.image_store import Condition


def test_another_file_of_the_store_is_taken(verify_site: VerifySite, lost: Path) -> None:
    verify_site.offer("1")
    make_tree(verify_site.layout.store, {".gdb.abc123": "gdb 1"})
    done = mend(verify_site)
    assert (done.outcome, done.text) == (
        RepairOutcome.REPAIRED,
        f"repaired from {verify_site.layout.store}/.gdb.abc123",
    )
    assert lost.read_bytes() == b"gdb 1"
    assert verify_site.finding().condition is Condition.WHOLE


def test_a_folder_in_the_store_is_in_nobodys_way(verify_site: VerifySite, lost: Path) -> None:
    verify_site.offer("1")
    verify_site.list()
    make_tree(verify_site.layout.store, {"folder.raw": None})
    assert mend(verify_site).outcome is RepairOutcome.REPAIRED
    assert lost.read_bytes() == b"gdb 1"


@pytest.mark.parametrize("form", ["{}", "file://{}"])
def test_where_the_record_says_that_it_came_from(verify_site: VerifySite, form: str) -> None:
    path = verify_site.root.parent / "a file.raw"
    path.write_bytes(b"gdb 1")
    text = str(path).replace(" ", "%20") if "file" in form[:4] else str(path)
    verify_site.store_image("1", url=form.format(text)).unlink()
    verify_site.link("1")
    assert mend(verify_site).text == f"repaired from {path}"


def test_a_registry_has_it_by_its_hash(verify_site: VerifySite) -> None:
    """Neither its list nor a tag is looked at."""
    verify_site.store_image("1").unlink()
    verify_site.link("1")
    with MadeUpRegistry() as registry:
        make_tree(verify_site.root, {"etc/tukit-sysext/sources.d/local.conf": f"[Source]\nURL={registry.url}\n"})
        sha256 = registry.put_blob("gdb", b"gdb 1")
        assert mend(verify_site).text == "repaired from source local"
        assert registry.paths == [f"gdb/blobs/sha256:{sha256}"]


def test_a_source_that_lists_only_newer_ones_still_has_it(verify_site: VerifySite, lost: Path) -> None:
    verify_site.offer("1")
    verify_site.offer("2")
    verify_site.list(but=file_of("1"))
    done = mend(verify_site)
    assert (done.outcome, done.text) == (RepairOutcome.REPAIRED, "repaired from source local")
    assert lost.read_bytes() == b"gdb 1"
    assert verify_site.finding().condition is Condition.WHOLE


def test_the_list_may_be_gone_or_stale(verify_site: VerifySite, lost: Path) -> None:
    """N7: repair by a recorded hash is exempt."""
    verify_site.offer("1")
    (verify_site.source / "SHA256SUMS").unlink()
    assert mend(verify_site).outcome is RepairOutcome.REPAIRED


def test_other_content_under_its_name_is_not_taken(verify_site: VerifySite, lost: Path) -> None:
    """L3. Also where its file is gone: other snapshots link the name for the content that is recorded.

    What is published now serves beside it.
    """
    verify_site.offer("1").write_bytes(b"gdb x")
    verify_site.list()
    before = lost.read_bytes() if lost.exists() else None
    done = mend(verify_site)
    assert done.outcome is RepairOutcome.REPLACED
    assert done.text.startswith("replaced by 1 (")
    assert os.readlink(verify_site.root / "etc/extensions/gdb.raw").startswith(f"{STORE}/{lost.name}.")
    assert (lost.read_bytes() if lost.exists() else None) == before


def test_content_that_is_gone_for_good_gives_way_to_the_newest_that_fits(verify_site: VerifySite, lost: Path) -> None:
    verify_site.offer("2")
    verify_site.offer("3")
    verify_site.offer("4", level="glibc-2.43")
    done = mend(verify_site)
    assert done.outcome is RepairOutcome.REPLACED
    assert done.text.startswith("replaced by 3 from source local: recorded content cannot be had any more")
    assert os.readlink(verify_site.root / "etc/extensions/gdb.raw") == f"{STORE}/{file_of('3')}"
    assert verify_site.finding().condition is Condition.WHOLE
    assert not (verify_site.layout.store / file_of("4")).exists()


@pytest.mark.parametrize(
    ("error", "when"),
    [
        (SourceUnreachable("no connection"), "now"),
        (RuntimeError("injected"), "now"),
        (NotFound("404"), "any more"),
        (ImageBroken("other content"), "any more"),
    ],
)
def test_what_may_be_there_again_later_is_not_called_gone(verify_site: VerifySite, error: Exception, when: str) -> None:
    verify_site.store_image("1").unlink()
    verify_site.link("1")
    plugins = Plugins()
    plugins.register(Careless(None, error), name="careless")
    assert f"recorded content cannot be had {when} (" in mend(verify_site, plugins=plugins).text


def test_a_folder_that_is_not_mounted_may_be_there_again_later(verify_site: VerifySite, lost: Path) -> None:
    assert "recorded content cannot be had any more (" in mend(verify_site).text
    verify_site.source.rename(verify_site.source.with_name("unmounted"))
    assert "recorded content cannot be had now (" in mend(verify_site).text


def test_a_held_image_is_replaced_by_nothing_else(verify_site: VerifySite, lost: Path) -> None:
    (verify_site.root / "etc/tukit-sysext/images.d/gdb.conf").write_text("[Image]\nHold=1\n")
    verify_site.offer("3")
    before = os.readlink(verify_site.root / "etc/extensions/gdb.raw")
    done = mend(verify_site)
    assert done.outcome is RepairOutcome.FAILED
    assert done.next_step
    assert os.readlink(verify_site.root / "etc/extensions/gdb.raw") == before


def test_where_nothing_can_be_had_the_link_stays(verify_site: VerifySite, lost: Path) -> None:
    before = listing(verify_site.root / "etc")
    done = mend(verify_site)
    assert done.outcome is RepairOutcome.FAILED
    assert "recorded content cannot be had any more (source local: " in done.text
    assert done.next_step
    assert listing(verify_site.root / "etc") == before


def test_a_lost_record_and_file_come_back_from_a_list(verify_site: VerifySite) -> None:
    verify_site.store_image("1").unlink()
    verify_site.machine.store().records.remove(file_of("1"))
    verify_site.link("1")
    verify_site.offer("1")
    verify_site.offer("2")
    done = mend(verify_site)
    assert (done.outcome, done.text) == (RepairOutcome.REPAIRED, "repaired from source local")
    assert os.readlink(verify_site.root / "etc/extensions/gdb.raw") == f"{STORE}/{file_of('1')}"
    assert verify_site.finding().condition is Condition.WHOLE


def test_an_error_page_under_a_published_name_gives_way(verify_site: VerifySite) -> None:
    verify_site.store_image("1").write_bytes(b"<html>")
    verify_site.machine.store().records.remove(file_of("1"))
    verify_site.link("1")
    verify_site.offer("1")
    assert mend(verify_site).outcome is RepairOutcome.REPAIRED
    assert verify_site.finding().condition is Condition.WHOLE


def test_what_is_not_wanted_is_had_again_but_never_replaced(verify_site: VerifySite, lost: Path) -> None:
    wanted = verify_site.root / "etc/tukit-sysext/images.d/gdb.conf"
    wanted.write_text("[Image]\nState=removed\n")
    verify_site.offer("2")
    assert "not wanted" in mend(verify_site).text
    wanted.unlink()
    done = mend(verify_site)
    assert done.outcome is RepairOutcome.FAILED
    assert "not wanted" in done.text
    verify_site.offer("1")
    assert mend(verify_site).outcome is RepairOutcome.REPAIRED


def test_others_entries_are_left_alone(verify_site: VerifySite) -> None:
    make_tree(verify_site.root, {"etc/extensions/x.raw": Link("/srv/x.raw"), "srv/x.raw": "<html>"})
    assessment = verify_site.assess()
    assert len(assessment.wrong) == 1
    assert repair(verify_site.machine, Plugins(), assessment.subject, assessment.wrong) == ()


def test_what_does_not_fit_is_replaced(verify_site: VerifySite) -> None:
    verify_site.store_image("1", level="glibc-2.43")
    verify_site.link("1")
    verify_site.offer("2")
    done = mend(verify_site)
    assert done.text.startswith("replaced by 2 from source local: 1 does not fit: SYSEXT_LEVEL is glibc-2.43")
    assert verify_site.finding().condition is Condition.WHOLE


def store_named(site: VerifySite) -> None:
    """An image of the store whose content says that it is gdb, whatever its link is called."""
    path = site.store_image("1")
    path.write_bytes(b"gdb 1 as gdb")
    records = site.machine.store().records
    known = records.read(path.name)
    assert known is not None
    records.write(replace(known, sha256=hashlib.sha256(path.read_bytes()).hexdigest()).sealed(path.stat()))


def test_a_wrongly_named_link_gets_its_name(verify_site: VerifySite) -> None:
    store_named(verify_site)
    verify_site.link("1", as_name="other")
    assert verify_site.finding().condition is Condition.WRONGLY_NAMED
    assert mend(verify_site).text == "link other.raw taken out; linked as gdb.raw"
    assert verify_site.finding().condition is Condition.WHOLE


def test_a_second_link_goes_and_no_source_is_said_to_have_mended_it(verify_site: VerifySite) -> None:
    store_named(verify_site)
    verify_site.link("1")
    verify_site.link("1", as_name="again")
    verify_site.offer("1")
    assert mend(verify_site).text == "link again.raw taken out; the image has gdb.raw already"
    assert [path.name for path in (verify_site.root / "etc/extensions").iterdir()] == ["gdb.raw"]


def test_a_snapshot_has_the_running_systems_sources_too(verify_site: VerifySite) -> None:
    root = verify_site.wanting_snapshot(7)
    (root / "etc/tukit-sysext/sources.d/local.conf").unlink()
    verify_site.store_image("1").unlink()
    verify_site.link("1", root=root)
    verify_site.offer("1")
    assert mend(verify_site, 7).text == "repaired from source local"


def test_links_of_a_snapshot_are_changed_in_the_snapshot(verify_site: VerifySite) -> None:
    root = verify_site.wanting_snapshot(7)
    verify_site.store_image("1").unlink()
    verify_site.link("1", root=root)
    verify_site.link("1")
    verify_site.offer("2")
    assert mend(verify_site, 7).outcome is RepairOutcome.REPLACED
    assert os.readlink(root / "etc/extensions/gdb.raw").endswith(file_of("2"))
    assert os.readlink(verify_site.root / "etc/extensions/gdb.raw").endswith(file_of("1"))


def test_a_folder_that_cannot_be_written_is_said(
    verify_site: VerifySite, lost: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    verify_site.offer("2")
    monkeypatch.setattr("tukit_sysext.snapshots.targets.os.access", lambda *_: False)
    done = mend(verify_site)
    assert done.outcome is RepairOutcome.FAILED
    assert "the running system is read-only" in done.text
    assert "gdb 2 would fit" in done.text
    assert not (verify_site.layout.store / file_of("2")).exists(), "fetched although it cannot be linked"


@pytest.mark.parametrize(
    ("content", "error", "repaired"),
    [(b"gdb 1", None, True), (b"gdb x", None, False), (None, None, False), (None, RuntimeError("injected"), False)],
)
def test_a_source_of_a_plugin_is_not_believed(
    verify_site: VerifySite, lost: Path, content: bytes | None, error: Exception | None, repaired: bool
) -> None:
    plugins = Plugins()
    source = Careless(content, error)
    plugins.register(source, name="careless")
    done = mend(verify_site, plugins=plugins)
    assert (done.outcome is RepairOutcome.REPAIRED) == repaired, done
    assert (verify_site.finding().condition is Condition.WHOLE) == repaired
    if error is None:
        assert source.asked[0].file_name == file_of("1")


def test_without_a_place_in_the_store(verify_site: VerifySite) -> None:
    path = verify_site.store_image("1")
    path.unlink()
    path.mkdir()
    verify_site.link("1")
    verify_site.offer("1")
    done = mend(verify_site)
    assert done.outcome is RepairOutcome.FAILED
    assert "not a regular file" in done.text


def test_links_of_an_open_transaction_are_left_to_it(verify_site: VerifySite) -> None:
    """It changes them itself when it is closed, maybe right now; content has no such owner."""
    root = verify_site.wanting_snapshot(7)
    lost = verify_site.store_image("1")
    link = verify_site.link("1", root=root)
    lost.unlink()
    verify_site.offer("2")
    subject = replace(verify_site.subject(7), open=True)
    (done,) = repair(verify_site.machine, Plugins(), subject, verify_site.assess(7).wrong)
    assert done.outcome is RepairOutcome.FAILED
    assert "2 would fit, but a transaction has the tree open" in done.text
    assert os.readlink(link).endswith(file_of("1"))
    verify_site.offer("1", listed=False)
    (done,) = repair(verify_site.machine, Plugins(), subject, verify_site.assess(7).wrong)
    assert done.outcome is RepairOutcome.REPAIRED
