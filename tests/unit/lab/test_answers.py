# SPDX-License-Identifier: LGPL-2.1-or-later
"""Conditions and ranges, as RFC 9110 has them."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from tests.lab.answers import Part, Representation, choose_part

FILE = Representation(size=100, etag='"tag"', modified=datetime(2026, 11, 1, 12, 0, 0, tzinfo=UTC))
WHOLE = Part(status=200, length=100)
UNCHANGED = Part(status=304)
THEN = "Sun, 01 Nov 2026 12:00:00 GMT"
BEFORE = "Sun, 01 Nov 2026 11:59:59 GMT"
LATER = "Sun, 01 Nov 2026 12:00:01 GMT"


@pytest.mark.parametrize(
    ("headers", "part"),
    [
        ({}, WHOLE),
        ({"if-none-match": '"tag"'}, UNCHANGED),
        ({"if-none-match": 'W/"tag"'}, UNCHANGED),
        ({"if-none-match": '"other", "tag"'}, UNCHANGED),
        ({"if-none-match": "*"}, UNCHANGED),
        ({"if-none-match": '"other"'}, WHOLE),
        ({"if-none-match": '"other"', "if-modified-since": THEN}, WHOLE),
        ({"if-modified-since": THEN}, UNCHANGED),
        ({"if-modified-since": LATER}, UNCHANGED),
        ({"if-modified-since": BEFORE}, WHOLE),
        ({"if-modified-since": "yesterday"}, WHOLE),
        ({"range": "bytes=0-9"}, Part(status=206, start=0, length=10)),
        ({"range": "bytes=90-"}, Part(status=206, start=90, length=10)),
        ({"range": "bytes=90-1000"}, Part(status=206, start=90, length=10)),
        ({"range": "bytes=99-99"}, Part(status=206, start=99, length=1)),
        ({"range": "bytes=-10"}, Part(status=206, start=90, length=10)),
        ({"range": "bytes=-1000"}, Part(status=206, start=0, length=100)),
        ({"range": "bytes=100-"}, Part(status=416)),
        ({"range": "bytes=-0"}, Part(status=416)),
        ({"range": "bytes=9-1"}, WHOLE),
        ({"range": "bytes=0-1,4-5"}, WHOLE),
        ({"range": "lines=0-1"}, WHOLE),
        ({"range": "bytes=90-", "if-range": '"tag"'}, Part(status=206, start=90, length=10)),
        ({"range": "bytes=90-", "if-range": 'W/"tag"'}, WHOLE),
        ({"range": "bytes=90-", "if-range": '"other"'}, WHOLE),
        ({"range": "bytes=90-", "if-range": THEN}, Part(status=206, start=90, length=10)),
        ({"range": "bytes=90-", "if-range": LATER}, WHOLE),
        ({"range": "bytes=90-", "if-none-match": '"tag"'}, UNCHANGED),
    ],
)
def test_get(headers: dict[str, str], part: Part) -> None:
    assert choose_part("GET", headers, FILE) == part


def test_head_knows_no_ranges() -> None:
    assert choose_part("HEAD", {"range": "bytes=1-2"}, FILE) == WHOLE
    assert choose_part("HEAD", {"if-none-match": "*"}, FILE) == UNCHANGED


def test_ranges_can_be_switched_off() -> None:
    assert choose_part("GET", {"range": "bytes=1-2"}, FILE, ranges=False) == WHOLE


def test_an_empty_file_has_no_ranges() -> None:
    empty = Representation(size=0, etag='"tag"', modified=FILE.modified)
    assert choose_part("GET", {"range": "bytes=0-"}, empty) == Part(status=416)
    assert choose_part("GET", {"range": "bytes=-1"}, empty) == Part(status=416)
    assert choose_part("GET", {}, empty) == Part(status=200)
