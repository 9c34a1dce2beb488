# SPDX-License-Identifier: LGPL-2.1-or-later
"""Whatever way content comes into the store: it passes the one place where it can be sealed, once, and unnamed, and
leaves free what is configured.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.lab.server import Server
from tests.trees import make_tree
from tests.unit.integrity.verify_site import VerifySite, file_of
from tukit_sysext.change.adopt_entry import adopt
from tukit_sysext.errors import NoSpace, StoreError
from tukit_sysext.integrity.repair import RepairOutcome, repair
from tukit_sysext.plugins.manager import Plugins
from tukit_sysext.rules.release import ReleaseData
from tukit_sysext.snapshots.entries import read_entries
from tukit_sysext.snapshots.targets import running_and_next
from tukit_sysext.store import image_store as store_seal
from tukit_sysext.store.record import Record
from tukit_sysext.system.inspect_image import Inspection
from tukit_sysext.system.tree import Tree
from tukit_sysext.update.facts import Foreign
from tukit_sysext.update.transaction import Transaction, finalize

CONTENT = b"gdb 1"


@dataclass(frozen=True, kw_only=True, slots=True)
class Sealed:
    """What was true when it was asked to seal."""

    record: Record
    content: bytes
    named: bool
    recorded: bool


@pytest.fixture
def sealing(verify_site: VerifySite, monkeypatch: pytest.MonkeyPatch) -> VerifySite:
    release = ReleaseData({"ID": "opensuse-microos", "SYSEXT_LEVEL": "glibc-2.42"})
    monkeypatch.setattr(
        "tukit_sysext.change.import_image.inspect_image",
        lambda _, *, preferred, **__: Inspection(merge_name=preferred, release=release),
    )
    return verify_site


@pytest.fixture
def sealed(sealing: VerifySite, monkeypatch: pytest.MonkeyPatch) -> list[Sealed]:
    calls: list[Sealed] = []

    def seal(descriptor: int, record: Record) -> None:
        content = os.pread(descriptor, 1000, 0)
        path = sealing.layout.store / record.file_name
        same = path.exists() and os.path.samestat(path.stat(), os.fstat(descriptor))
        known = sealing.machine.store().records.read(record.file_name)
        calls.append(Sealed(record=record, content=content, named=same, recorded=known is not None))

    monkeypatch.setattr(store_seal, "seal", seal)
    return calls


def _finalize(site: VerifySite) -> list[str]:
    """The links that a transaction makes."""
    tree = site.wanting_snapshot(7)
    for name in ("sources.d/local.conf", "tukit-sysext.conf"):
        path = site.root / "etc/tukit-sysext" / name
        if path.exists():
            (tree / "etc/tukit-sysext" / name).write_bytes(path.read_bytes())
    transaction = Transaction(machine=site.machine, path=tree, number=7)
    finalize(transaction, Plugins())
    links = tree / "etc/extensions"
    return os.listdir(links) if links.exists() else []


def _update(site: VerifySite) -> None:
    assert _finalize(site) == ["gdb.raw"]


def _from_a_folder(site: VerifySite) -> None:
    site.offer("1")
    _update(site)


def _from_a_server(site: VerifySite) -> None:
    site.offer("1")
    with Server(site.source) as server:
        make_tree(site.root, {"etc/tukit-sysext/sources.d/local.conf": f"[Source]\nURL={server.url}\nVerify=no\n"})
        _update(site)


def _of_another_tool(site: VerifySite) -> None:
    """It stands in the store under the right name: only a record is missing."""
    site.offer("1")
    site.layout.store.mkdir(parents=True)
    (site.layout.store / file_of("1")).write_bytes(CONTENT)
    _update(site)


def _repair(site: VerifySite) -> None:
    found = site.assess()
    (done,) = repair(site.machine, Plugins(), found.subject, found.wrong)
    assert done.outcome is RepairOutcome.REPAIRED


def _lost(site: VerifySite) -> None:
    """An image that is linked, recorded and gone."""
    site.store_image("1").unlink()
    site.link("1")


def _repaired_from_a_copy(site: VerifySite) -> None:
    (site.layout.store / "copy.raw").write_bytes(CONTENT)
    _repair(site)


def _repaired_from_a_source(site: VerifySite) -> None:
    site.offer("1")
    _repair(site)


def _adopted(site: VerifySite, path: Path) -> None:
    with Tree(site.root) as tree:
        (entry,) = read_entries(tree)
        (target,) = running_and_next(site.machine)
        assert adopt(target, tree, Foreign(entry=entry), path, None).version == "1"


def _adopted_from_elsewhere(site: VerifySite) -> None:
    path = make_tree(site.root, {f"srv/{file_of('1')}": CONTENT}) / f"srv/{file_of('1')}"
    (site.root / "etc/extensions/gdb.raw").symlink_to(path)
    _adopted(site, path)


def _adopted_in_the_store(site: VerifySite) -> None:
    make_tree(site.layout.store, {file_of("1"): CONTENT})
    site.link("1")
    _adopted(site, site.layout.store / file_of("1"))


@dataclass(frozen=True, kw_only=True, slots=True)
class Way:
    """How content comes into the store; ``named`` where it has its name before."""

    come: Callable[[VerifySite], None]
    before: Callable[[VerifySite], None] = lambda _: None
    named: bool = False


WAYS = {
    "from a folder": Way(come=_from_a_folder),
    "from a server": Way(come=_from_a_server),
    "of another tool": Way(come=_of_another_tool, named=True),
    "repaired from a copy": Way(come=_repaired_from_a_copy, before=_lost),
    "repaired from a source": Way(come=_repaired_from_a_source, before=_lost),
    "adopted": Way(come=_adopted_from_elsewhere),
    "adopted in the store": Way(come=_adopted_in_the_store, named=True),
}


@pytest.fixture(params=WAYS)
def way(sealing: VerifySite, request: pytest.FixtureRequest) -> Iterator[Way]:
    chosen: Way = WAYS[request.param]
    chosen.before(sealing)
    yield chosen


def test_it_is_sealed_once_before_it_has_a_name(way: Way, sealing: VerifySite, sealed: list[Sealed]) -> None:
    way.come(sealing)
    (call,) = sealed
    assert call.content == CONTENT
    assert call.record.sha256 == hashlib.sha256(CONTENT).hexdigest()
    assert call.named is way.named
    assert call.recorded is (way.before is _lost), "but what is repaired has a record all the time"
    assert (sealing.layout.store / file_of("1")).read_bytes() == CONTENT
    known = sealing.machine.store().records.read(file_of("1"))
    assert known is not None and known.identity is not None


@pytest.mark.parametrize("error", [StoreError("cannot be sealed"), OSError(5, "Input/output error")])
def test_what_cannot_be_sealed_is_not_published(
    way: Way, sealing: VerifySite, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    before = sorted(path.name for path in sealing.layout.store.glob("*")), sealing.machine.store().records.names()

    def seal(_: int, __: Record) -> None:
        raise error

    monkeypatch.setattr(store_seal, "seal", seal)
    with pytest.raises((AssertionError, StoreError)):
        way.come(sealing)
    names = sorted(path.name for path in sealing.layout.store.glob("*"))
    brought = {"copy.raw"} | ({file_of("1")} if way.named else set())
    assert set(names) - brought == set(before[0]) - brought
    assert sealing.machine.store().records.names() == before[1]


def test_what_is_configured_stays_free(way: Way, sealing: VerifySite, monkeypatch: pytest.MonkeyPatch) -> None:
    """P6: a repair or an import fills the disk as little as a fetch does."""
    make_tree(sealing.root, {"etc/tukit-sysext/tukit-sysext.conf": "[Store]\nKeepFree=1000T\n"})
    tried: list[str] = []

    class Full(NoSpace):
        """Told of each that comes."""

        def __init__(self, message: str, **more: str) -> None:
            super().__init__(message, **more)
            tried.append(message)

    monkeypatch.setattr("tukit_sysext.store.incoming.NoSpace", Full)
    if way.named:
        way.come(sealing)  # it is there already
        return
    with pytest.raises((AssertionError, NoSpace)):
        way.come(sealing)
    assert tried and all(f"KeepFree= keeps {1000 * 1024**4} of them" in each for each in tried)
    assert not (sealing.layout.store / file_of("1")).exists()


def test_what_calls_itself_otherwise_is_not_published(
    sealing: VerifySite, monkeypatch: pytest.MonkeyPatch, sealed: list[Sealed]
) -> None:
    other = Inspection(merge_name="gdb-extra", release=ReleaseData({"ID": "_any"}))
    monkeypatch.setattr("tukit_sysext.update.content_judge.inspect_image", lambda *_, **__: other)
    sealing.offer("1")
    assert _finalize(sealing) == []
    assert sealed == []
