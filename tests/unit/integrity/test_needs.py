# SPDX-License-Identifier: LGPL-2.1-or-later
"""The mark of images that have to be repaired: what starts the repairing unit, and what does not."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from tests.records import MISSING_GDB
from tukit_sysext.integrity import needs


@pytest.fixture
def mark(tmp_path: Path) -> Path:
    return tmp_path / "run" / "repair"


def identity(path: Path) -> tuple[int, int]:
    status = os.stat(path)
    return status.st_ino, status.st_mtime_ns


def test_nothing_wrong_makes_no_mark(mark: Path) -> None:
    assert needs.update(mark, [7], [], matter=[7]) == []
    assert not mark.exists()
    assert needs.read(mark) == ()


def test_what_is_wrong_is_marked_and_told_once(mark: Path) -> None:
    assert needs.update(mark, [7], [MISSING_GDB], matter=[7]) == [MISSING_GDB]
    assert needs.read(mark) == (MISSING_GDB,)
    assert needs.update(mark, [7], [replace(MISSING_GDB, since=2000)], matter=[7]) == []
    assert needs.read(mark) == (MISSING_GDB,)


def test_a_repair_that_cannot_be_done_does_not_start_itself_again(mark: Path) -> None:
    """The path unit starts the repair when the mark changes, and every run finds other words for the same fault."""
    needs.update(mark, [7], [MISSING_GDB], matter=[7])
    before = identity(mark)
    for number in range(5):
        needs.update(mark, [7], [replace(MISSING_GDB, reason=f"timed out after {number} s", since=2000)], matter=[7])
    assert identity(mark) == before


def test_another_fault_is_a_change(mark: Path) -> None:
    needs.update(mark, [7], [MISSING_GDB], matter=[7])
    before = identity(mark)
    other = replace(MISSING_GDB, condition="damaged")
    assert needs.update(mark, [7], [other], matter=[7]) == [other]
    assert identity(mark) != before


def test_since_when_is_kept_when_more_goes_wrong(mark: Path) -> None:
    needs.update(mark, [7], [MISSING_GDB], matter=[7])
    strace = replace(MISSING_GDB, name="strace", link="strace.raw", since=2000)
    needs.update(mark, [7], [replace(MISSING_GDB, since=2000), strace], matter=[7])
    assert [(need.name, need.since) for need in needs.read(mark)] == [("gdb", 1000), ("strace", 2000)]


def test_it_goes_when_all_is_well(mark: Path) -> None:
    needs.update(mark, [7], [MISSING_GDB], matter=[7])
    needs.update(mark, [7], [], matter=[7])
    assert not mark.exists()


def test_what_was_not_looked_at_stays_while_it_matters(mark: Path) -> None:
    needs.update(mark, [7], [MISSING_GDB], matter=[1, 7])
    needs.update(mark, [1], [], matter=[1, 7])
    assert needs.read(mark) == (MISSING_GDB,)
    needs.update(mark, [1], [], matter=[1, 8])
    assert not mark.exists()


@pytest.mark.parametrize(
    "content", ["", "{", "[]", '{"images": 1}', '{"images": [{}]}', '{"images": [{"snapshot": "x"}]}']
)
def test_what_is_no_mark_is_none_and_is_written_over(mark: Path, content: str) -> None:
    mark.parent.mkdir()
    mark.write_text(content)
    assert needs.read(mark) == ()
    needs.update(mark, [7], [MISSING_GDB], matter=[7])
    assert needs.read(mark) == (MISSING_GDB,)


def test_a_time_that_no_calendar_has(mark: Path) -> None:
    needs.update(mark, [7], [replace(MISSING_GDB, since=10**18)], matter=[7])
    assert mark.exists()
    assert needs.read(mark) == ()
