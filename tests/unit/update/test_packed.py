# SPDX-License-Identifier: LGPL-2.1-or-later
"""Images that are published packed: the hash of what came is checked, and what was in it is stored (threat N32)."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tests.lab.made_up_registry import MadeUpRegistry
from tests.packing import PACKINGS, layer, pack
from tests.records import sha256
from tests.trees import make_tree
from tests.unit.integrity.verify_site import VerifySite, file_of
from tukit_sysext.integrity.repair import RepairOutcome, repair
from tukit_sysext.plugins.manager import Plugins
from tukit_sysext.store.incoming import Incoming
from tukit_sysext.store.record import Record
from tukit_sysext.system import unpack
from tukit_sysext.update.left_out import LeftOut
from tukit_sysext.update.plan import Action, ImagePlan
from tukit_sysext.update.transaction import Transaction, finalize

CONTENT = b"gdb 1"


def offer_packed(site: VerifySite, version: str = "1", packing: str = "xz", *, content: bytes = b"") -> Path:
    """Publish an image packed; its description keeps its name."""
    image = site.offer(version)
    if content:
        image.write_bytes(content)
    made = pack(image, packing)
    relist(site)
    return made


def relist(site: VerifySite) -> None:
    listed = sorted(path for path in site.source.iterdir() if path.name != "SHA256SUMS")
    lines = [f"{sha256(path.read_bytes())}  {path.name}\n" for path in listed]
    (site.source / "SHA256SUMS").write_text("".join(lines))


@pytest.fixture
def target(verify_site: VerifySite) -> VerifySite:
    """Snapshot 7 wants gdb."""
    verify_site.wanting_snapshot(7)
    return verify_site


def update(site: VerifySite, settings: str = "") -> ImagePlan:
    if settings:
        make_tree(site.tree(7), {"etc/tukit-sysext/tukit-sysext.conf": settings})
    outcome = finalize(Transaction(machine=site.machine, path=site.tree(7), number=7), Plugins())
    (image,) = outcome.plan.images
    return image


def recorded(site: VerifySite, file_name: str) -> Record:
    record = site.machine.store().records.read(file_name)
    assert record is not None
    return record


@pytest.mark.parametrize("packing", PACKINGS)
def test_it_is_stored_unpacked_and_both_hashes_are_known(target: VerifySite, packing: str) -> None:
    published = offer_packed(target, packing=packing)
    image = update(target)
    assert (image.action, image.link) == (Action.LINK, "gdb.raw")
    path = target.layout.store / file_of("1")
    assert path.read_bytes() == CONTENT
    assert os.readlink(target.tree(7) / "etc/extensions/gdb.raw").endswith(f"/{path.name}")
    record = recorded(target, path.name)
    assert (record.sha256, record.size) == (sha256(CONTENT), len(CONTENT))
    assert record.packed is not None
    assert (record.packed.file_name, record.packed.sha256) == (published.name, sha256(published.read_bytes()))
    assert [each.name for each in target.layout.store.iterdir()] == [path.name], "something was left behind"
    assert record.url == str(published)


@pytest.mark.parametrize("still", ["configured", "not configured"])
def test_the_one_file_of_a_container_image_in_a_registry(target: VerifySite, still: str) -> None:
    """It is stored as it is in there, and brought back by the layer's hash; its URL is none for former versions."""
    content = layer({"gdb.raw": CONTENT})
    with MadeUpRegistry() as registry:
        registry.put_container("gdb", "1", content)
        source = {"etc/tukit-sysext/sources.d/local.conf": f"[Source]\nURL={registry.url}\nVerify=no\n"}
        for root in (target.root, target.tree(7)):
            make_tree(root, source)
        image = update(target)
        assert image.action is Action.LINK
        path = target.layout.store / "gdb-1.raw"
        assert path.read_bytes() == CONTENT
        record = recorded(target, path.name)
        assert record.packed is not None
        assert (record.packed.file_name, record.packed.sha256) == ("gdb-1.raw.layer", sha256(content))
        assert record.url == f"{registry.url}/gdb/blobs/sha256:{sha256(content)}"
        assert update(target).action is Action.KEEP
        path.unlink()
        if still != "configured":
            source = {"etc/tukit-sysext/sources.d/local.conf": "[Source]\nURL=http://127.0.0.1:1/\nVerify=no\n"}
            for root in (target.root, target.tree(7)):
                make_tree(root, source)
        assessment = target.assess(7)
        (done,) = repair(target.machine, Plugins(), assessment.subject, assessment.wrong)
        assert (done.outcome, path.read_bytes()) == (RepairOutcome.REPAIRED, CONTENT)


def test_once_it_is_there_nothing_is_fetched(target: VerifySite, monkeypatch: pytest.MonkeyPatch) -> None:
    offer_packed(target)
    update(target)
    monkeypatch.setattr(unpack, "_run", None)
    assert update(target).action is Action.KEEP
    (target.tree(7) / "etc/extensions/gdb.raw").unlink()
    assert update(target).action is Action.LINK


def test_packed_or_not_it_is_the_same_image(target: VerifySite) -> None:
    """The publisher unpacks what he had packed, or the other way round: nothing comes again."""
    published = offer_packed(target)
    update(target)
    target.offer("1", listed=False)
    published.unlink()
    relist(target)
    assert update(target).action is Action.KEEP
    offer_packed(target)
    assert update(target).action is Action.KEEP
    assert [each.name for each in target.layout.store.iterdir()] == [file_of("1")]


def test_a_wrong_hash_is_refused_before_it_is_unpacked(target: VerifySite, monkeypatch: pytest.MonkeyPatch) -> None:
    published = offer_packed(target)
    published.write_bytes(published.read_bytes() + b"\0")
    monkeypatch.setattr(unpack, "_run", None)
    image = update(target)
    assert (image.left_out, "expected SHA-256" in image.reason) == (LeftOut.BROKEN, True)
    assert list(target.layout.store.iterdir()) == []


def test_what_cannot_be_unpacked_is_broken_and_an_older_one_serves(target: VerifySite) -> None:
    offer_packed(target)
    published = offer_packed(target, "2")
    published.write_bytes(b"no xz at all")
    relist(target)
    image = update(target)
    assert image.chosen is not None
    assert image.chosen.version == "1"
    assert "it cannot be unpacked (xz)" in image.not_had
    assert [each.name for each in target.layout.store.iterdir()] == [file_of("1")]


def test_image_max_bounds_what_comes_out(target: VerifySite) -> None:
    """A bomb. With a larger one it is fetched: that it was too large is not remembered as a fault of it."""
    offer_packed(target, content=b"gdb 1 as gdb".ljust(40_000))
    image = update(target, "[Fetch]\nImageMax=10K\n")
    assert image.left_out is LeftOut.BROKEN
    assert f"{file_of('1')} of source local: larger than the limit of 10240 bytes" in image.reason
    assert list(target.layout.store.iterdir()) == []


def test_after_a_larger_limit_it_comes(target: VerifySite) -> None:
    offer_packed(target, content=b"gdb 1".ljust(40_000, b"\0"))
    update(target, "[Fetch]\nImageMax=10K\n")
    assert update(target, "[Fetch]\nImageMax=1M\n").action is Action.LINK


def test_there_has_to_be_room_for_both(target: VerifySite, monkeypatch: pytest.MonkeyPatch) -> None:
    offer_packed(target, content=os.urandom(1_000_000).hex().encode())
    written: list[int] = []
    check = Incoming._check_room

    def counted(incoming: Incoming, size: int) -> None:
        written.append(sum(other.size for other in incoming._others))
        check(incoming, size)

    monkeypatch.setattr(Incoming, "_check_room", counted)
    update(target)
    assert max(written) > 2_900_000, "the packed one, of half the size, counts as well"


def test_a_child_that_does_not_work_convicts_nobody(target: VerifySite, monkeypatch: pytest.MonkeyPatch) -> None:
    offer_packed(target)
    monkeypatch.setattr("tukit_sysext.system.unpacker.__file__", "/nowhere.py")
    image = update(target)
    assert image.left_out is not None
    assert "it cannot be unpacked (xz)" in image.reason
    assert image.left_out is not LeftOut.BROKEN


@pytest.mark.parametrize("packing", ["xz", "gz"])
@pytest.mark.parametrize("listed", [True, False])
def test_repair_brings_it_by_the_hash_of_what_was_published(
    verify_site: VerifySite, packing: str, listed: bool
) -> None:
    verify_site.wanting_snapshot(7)
    offer_packed(verify_site, packing=packing)
    update(verify_site)
    verify_site.link("1")
    path = verify_site.layout.store / file_of("1")
    path.write_bytes(b"rot")
    if not listed:
        (verify_site.source / "SHA256SUMS").unlink()
    assessment = verify_site.assess()
    (done,) = repair(verify_site.machine, Plugins(), assessment.subject, assessment.wrong)
    assert (done.outcome, done.text) == (RepairOutcome.REPAIRED, "repaired from source local")
    assert path.read_bytes() == CONTENT
    assert recorded(verify_site, path.name).packed is not None


def test_repair_takes_no_other_content(verify_site: VerifySite) -> None:
    """The packed file has the recorded hash, and something else is in it: that cannot be, and is not believed."""
    verify_site.wanting_snapshot(7)
    published = offer_packed(verify_site)
    update(verify_site)
    verify_site.link("1")
    path = verify_site.layout.store / file_of("1")
    path.unlink()
    other = pack(_file(verify_site.source / "other.raw", b"gdb x"), "xz").rename(published)
    record = verify_site.layout.records / f"{path.name}.json"
    document = json.loads(record.read_text())
    document["packed"]["sha256"] = sha256(other.read_bytes())
    record.write_text(json.dumps(document))
    (verify_site.source / "SHA256SUMS").unlink()
    assessment = verify_site.assess()
    (done,) = repair(verify_site.machine, Plugins(), assessment.subject, assessment.wrong)
    assert done.outcome is RepairOutcome.FAILED
    assert not path.exists()


def _file(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path
