# SPDX-License-Identifier: LGPL-2.1-or-later
"""What searching costs grows with what has to be looked at, and with nothing else (row P5)."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from tests.machine import PlainMachine
from tests.unit.update.samples import FITS, OTHER, candidate, facts, file_of, stored, want
from tukit_sysext.plugins.manager import Plugins
from tukit_sysext.rules.matching import check
from tukit_sysext.snapshots import fitting
from tukit_sysext.sources.candidate import Candidate, Description
from tukit_sysext.store.image_store import Condition, Store, Stored
from tukit_sysext.system.tree import Tree
from tukit_sysext.update.deciding import decide, undecided
from tukit_sysext.update.local import LocalLook
from tukit_sysext.update.plan import Action
from tukit_sysext.update.search import Resolver


@pytest.fixture
def plain(tmp_path: Path) -> PlainMachine:
    return PlainMachine(tmp_path / "machine")


class Told:
    """A source that counts what it is asked; of the versions from ``fits`` downwards it says that they fit."""

    name = "local"

    def __init__(self, versions: int, fits: int) -> None:
        self.offered = [candidate(str(number)) for number in range(1, versions + 1)]
        self.fits = fits
        self.asked: list[int] = []

    def candidates(self) -> Sequence[Candidate]:
        return self.offered

    def describe(self, candidates: Sequence[Candidate]) -> Mapping[str, Description]:
        self.asked.append(len(candidates))
        return {each.sha256: FITS if int(each.version) <= self.fits else OTHER for each in candidates}

    def fetch(self, wanted: object) -> Mapping[str, Exception]:
        raise AssertionError


def search(plain: PlainMachine, source: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    given = facts(want())
    monkeypatch.setattr(Plugins, "sources", lambda *_: [source])
    monkeypatch.setattr(LocalLook, "facts", lambda *_, **__: given)
    with Tree(plain.root) as tree:
        Resolver(replace(plain.machine, read_only=True), tree, Plugins()).resolve()


@pytest.mark.parametrize(
    ("versions", "fits", "asked"),
    [(50, 50, [1]), (50, 49, [1, 2]), (50, 0, [1, 2, 4, 8, 16, 19]), (1000, 0, [2**step for step in range(9)] + [489])],
)
def test_the_newest_costs_one_and_none_a_few_rounds(
    plain: PlainMachine, versions: int, fits: int, asked: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    source = Told(versions, fits)
    search(plain, source, monkeypatch)
    assert source.asked == asked


def test_each_release_is_judged_once(plain: PlainMachine, monkeypatch: pytest.MonkeyPatch) -> None:
    judged: list[object] = []

    def counted(*given: object) -> object:
        judged.append(given)
        return check(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(fitting, "check", counted)
    fitting.verdict_of.cache_clear()
    search(plain, Told(300, 0), monkeypatch)
    assert len(judged) == 1


def test_many_images_and_many_files_are_no_product(plain: PlainMachine, monkeypatch: pytest.MonkeyPatch) -> None:
    """5,000 wanted images and 20,000 files in the store: 19 s when each is compared with each."""
    monkeypatch.setattr(Store, "names", lambda _: [f"other{number}-1.x86-64.raw" for number in range(20_000)])
    monkeypatch.setattr(Store, "look", lambda _, file: Stored(file_name=file, condition=Condition.MISSING))
    given = facts(*(want(f"image{number}") for number in range(5_000)), want("other7"))
    with Tree(plain.root) as tree:
        look = LocalLook(plain.machine, tree)
        begin = time.process_time()
        found = look.with_store(given).stored
        assert time.process_time() - begin < 4
    assert file_of("other7", "1") in found
    assert len(found) == 1111  # each that begins like other7: what a file is, its record tells


def test_many_wanted_images_are_decided_one_by_one() -> None:
    """3,000 images that are linked, stored and offered: each is looked up, not searched for among all."""
    names = [f"image{number}" for number in range(3_000)]
    given = facts(
        *map(want, names),
        offers={candidate("2", name): OTHER for name in names},
        store=[stored("1", name) for name in names],
    )
    begin = time.process_time()
    assert undecided(given) == ()
    assert {image.action for image in decide(given).images} == {Action.LINK}
    assert time.process_time() - begin < 3
