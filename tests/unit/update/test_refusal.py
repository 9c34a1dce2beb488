# SPDX-License-Identifier: LGPL-2.1-or-later
"""The mark of a refused update."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tukit_sysext.update.refusal import HeldBack, Refusal, again, clear, is_over, read, write

MARK = Refusal(last=200, times=2, system="id 2", images={"gdb": HeldBack(reason="none fits", since=100)})


def test_round_trip(tmp_path: Path) -> None:
    path = tmp_path / "run" / "refused.json"
    assert read(path) is None
    write(path, MARK)
    assert read(path) == MARK
    assert MARK.since == 100
    clear(path)
    clear(path)
    assert read(path) is None


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b"null", b"\xff", b"[" * 100_000]
    + [
        json.dumps({"since": 1, "last": last, "times": 1, "system": "x", "images": images}).encode()
        for last, images in [
            ("x", {}),
            (None, {}),
            (float("inf"), {}),
            (1, []),
            (1, {"a": 1}),
            (1, {"a": {"since": 1}}),
        ]
    ],
)
def test_what_is_no_mark_is_none(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "mark").write_bytes(content)
    assert read(tmp_path / "mark") is None


def test_the_first_refusal() -> None:
    mark = again(None, now=500, system="id 2", images={"gdb": "why"})
    assert (mark.since, mark.last, mark.times, mark.system) == (500, 500, 1, "id 2")


def test_one_more_keeps_since_and_counts() -> None:
    mark = again(MARK, now=500, system="id 3", images={"gdb": "why", "new": "too"})
    assert (mark.last, mark.times, mark.system) == (500, 3, "id 3")
    assert mark.images == {"gdb": HeldBack(reason="why", since=100), "new": HeldBack(reason="too", since=500)}


def test_an_image_that_holds_nothing_back_any_more_is_forgotten() -> None:
    assert list(again(MARK, now=500, system="id 3", images={"new": "too"}).images) == ["new"]


def test_a_clock_that_went_back() -> None:
    assert again(MARK, now=50, system="id 2", images={"gdb": "why"}).since == 50


@pytest.mark.parametrize(
    ("passed", "running", "required", "over"),
    [
        ("id 2", "id 1", {"gdb"}, True),  # the update that was refused passes
        ("id 3", "id 1", {"gdb"}, True),  # a newer update passes
        ("id 1", "id 1", {"gdb"}, False),  # a package on top of the running system says nothing about the update
        ("id 1", "id 1", {"other"}, True),  # the image is no longer required
        ("id 1", "id 1", set(), True),
        ("id 2", "id 2", {"gdb"}, True),  # the very system of the refusal, by another way
    ],
)
def test_when_it_is_over(passed: str, running: str, required: set[str], over: bool) -> None:
    assert is_over(MARK, passed=passed, running=running, still_required=frozenset(required)) is over


def test_a_time_that_no_calendar_has(tmp_path: Path) -> None:
    path = tmp_path / "refused.json"
    path.write_text('{"last": 10000000000000000000, "times": 1, "system": "", "images": {}}')
    assert read(path) is None
