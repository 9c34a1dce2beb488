# SPDX-License-Identifier: LGPL-2.1-or-later
"""What two images of the store have otherwise is found out once, and kept by their hashes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.machine import PlainMachine
from tukit_sysext.errors import NoVerdict
from tukit_sysext.store.record import Record
from tukit_sysext.system.process import TimedOut
from tukit_sysext.update import comparing
from tukit_sysext.update.comparing import ComparedImages


@pytest.fixture
def records(site: PlainMachine) -> tuple[Record, Record]:
    def record(name: str) -> Record:
        site.link_image(site.root, name, "1")
        found = site.machine.store().records.read(f"{name}-1.x86-64.raw")
        assert found is not None
        return found

    return record("one"), record("other")


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Sequence[str]]:
    """Paths that images were compared by; the first one differs."""
    calls: list[Sequence[str]] = []

    def differing(one: int, other: int, paths: Sequence[str], *, scratch: Path) -> frozenset[str]:
        calls.append(paths)
        return frozenset(paths[:1])

    monkeypatch.setattr(comparing, "differing", differing)
    return calls


def test_it_is_remembered_in_this_run_and_the_next(
    site: PlainMachine, records: tuple[Record, Record], asked: list[Sequence[str]]
) -> None:
    one, other = records
    compared = ComparedImages(site.machine, site.machine.store())
    assert compared.differing(one, other, ["usr/a", "usr/b"]) == {"usr/a"}
    assert compared.differing(other, one, ["usr/a", "usr/b"]) == {"usr/a"}

    again = ComparedImages(site.machine, site.machine.store())
    assert again.differing(other, one, ["usr/a", "usr/b"]) == {"usr/a"}
    assert asked == [["usr/a", "usr/b"]]


def test_that_nothing_differs_is_remembered_too(
    site: PlainMachine, records: tuple[Record, Record], asked: list[Sequence[str]]
) -> None:
    for _ in range(2):
        assert ComparedImages(site.machine, site.machine.store()).differing(*records, []) == frozenset()
    assert asked == [[]]


def test_not_more_than_can_be_compared(
    site: PlainMachine, records: tuple[Record, Record], asked: list[Sequence[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(comparing, "_MOST", 1)
    ComparedImages(site.machine, site.machine.store()).differing(*records, ["usr/a", "usr/b"])
    assert asked == [["usr/a"]]


def test_it_has_an_end(
    site: PlainMachine, records: tuple[Record, Record], asked: list[Sequence[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """In one run; what takes too long by itself is not tried again in the next."""
    monkeypatch.setattr(comparing, "_MOST_SECONDS", -1.0)
    assert ComparedImages(site.machine, site.machine.store()).differing(*records, ["usr/a"]) == frozenset()
    assert asked == []
    monkeypatch.undo()

    def slow(*_: object, **__: object) -> frozenset[str]:
        raise TimedOut("it lasted too long")

    monkeypatch.setattr(comparing, "differing", slow)
    assert ComparedImages(site.machine, site.machine.store()).differing(*records, ["usr/a"]) == frozenset()
    monkeypatch.setattr(comparing, "differing", None)
    assert ComparedImages(site.machine, site.machine.store()).differing(*records, ["usr/a"]) == frozenset()


def test_what_is_not_known_is_not_kept(
    site: PlainMachine, records: tuple[Record, Record], monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[int] = []

    def failing(one: int, *_: object, **__: object) -> frozenset[str]:
        calls.append(one)
        raise NoVerdict("images cannot be compared")

    monkeypatch.setattr(comparing, "differing", failing)
    for _ in range(2):
        compared = ComparedImages(site.machine, site.machine.store())
        assert compared.differing(*records, ["usr/a"]) == frozenset()
        assert compared.differing(*records, ["usr/a"]) == frozenset(), "nor asked again in this run"
    assert len(calls) == 2
