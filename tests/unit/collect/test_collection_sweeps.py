# SPDX-License-Identifier: LGPL-2.1-or-later
"""What is in no use any more beside the images: what killed processes left, lists, indexes and records."""

from __future__ import annotations

import os
import shutil

import pytest

from tests.unit.collect.collection_site import A, B, CollectionSite
from tukit_sysext.sources.cache import CONTENT, INDEXES


def test_what_killed_processes_left_among_the_records_goes(a_is_needed: CollectionSite) -> None:
    left = a_is_needed.layout.records / f".tukit-sysext.{A}.json.77"
    left.write_text("{")
    a_is_needed.collect()
    assert left.exists(), "somebody may be writing it"
    a_is_needed.let_pass(1)
    a_is_needed.collect()
    assert not left.exists()
    assert a_is_needed.store.records.names() == [A, B]


def test_what_killed_processes_left_beside_lists_and_memories_goes(a_is_needed: CollectionSite) -> None:
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


def test_indexes_and_lists_are_not_kept_for_ever(a_is_needed: CollectionSite) -> None:
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


def test_a_record_whose_file_is_gone_goes_when_nothing_needs_it(a_is_needed: CollectionSite) -> None:
    for name in (A, B):
        (a_is_needed.layout.store / name).unlink()
    a_is_needed.collect()
    a_is_needed.let_pass()
    a_is_needed.collect()
    assert a_is_needed.store.records.names() == [A], "with it the image can be fetched again by its hash"


@pytest.mark.root
def test_leavings_where_nothing_was_ever_recorded(a_is_needed: CollectionSite) -> None:
    """A machine that had another tool alone: no folder of records, and several files that go."""
    shutil.rmtree(a_is_needed.layout.records)
    leavings = [a_is_needed.layout.store / name for name in (".a-1.0.x86-64.raw.Ab12cD", ".b-1.0.x86-64.raw.Ab12cD")]
    for path in leavings:
        path.write_text("<html>")
    a_is_needed.collect()
    a_is_needed.let_pass()
    gone = [item.file.file_name for item in a_is_needed.collect().gone]
    assert gone == [*(path.name for path in leavings), B], "b has no record either, and is no image"
