# SPDX-License-Identifier: LGPL-2.1-or-later
"""INI files: what is read, and that a fault costs its own line alone."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tukit_sysext.formats.ini import parse


def values(content: bytes) -> list[tuple[str, str, str, int]]:
    return [(found.section, found.key, found.value, found.line) for found in parse(content)[0]]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", []),
        (b"\n \t\n# note\n; note\n  # indented note\n", []),
        (b"[A]\nKey=value\n", [("A", "Key", "value", 2)]),
        (b"[A]\n  Key =  a value \t\n", [("A", "Key", "a value", 2)]),
        (b"[A]\nKey=a=b\n", [("A", "Key", "a=b", 2)]),
        (b"[A]\nKey=", [("A", "Key", "", 2)]),
        (b"[A]\r\nKey=value\r\n", [("A", "Key", "value", 2)]),
        (b"[A]\nKey=\xc3\xa9\n", [("A", "Key", "\u00e9", 2)]),
        (b"[A]\nKey=not # a comment\n", [("A", "Key", "not # a comment", 2)]),
        (b"[A]\nKey=1\n[B]\nKey=2\n", [("A", "Key", "1", 2), ("B", "Key", "2", 4)]),
        (b"[A]\nKey=1\nKey=2\n", [("A", "Key", "1", 2), ("A", "Key", "2", 3)]),
        (b"[A]\nKey=one \\\n two\nNext=3\n", [("A", "Key", "one   two", 2), ("A", "Next", "3", 4)]),
    ],
)
def test_assignments_are_read(content: bytes, expected: list[tuple[str, str, str, int]]) -> None:
    assert values(content) == expected
    assert parse(content)[1] == ()


def test_a_comment_inside_a_continued_line_is_skipped() -> None:
    """systemd.syntax(7): a line that ends in a backslash goes on in the next line that is no comment."""
    assert values(b"[A]\nKey=one \\\n# a note\n; another\ntwo\n") == [("A", "Key", "one  two", 2)]


@pytest.mark.parametrize(
    ("content", "line", "words"),
    [
        (b"Key=value\n", 1, "no section"),
        (b"[A]\nnothing\n", 2, "Key=value"),
        (b"[A\nKey=value\n", 1, "[Section]"),
        (b"[]\n", 1, "[Section]"),
        (b"[A]\nKey=\xff\n", 2, "UTF-8"),
        (b"[A]\nKey=a\0b\n", 2, "control character"),
        (b"[A]\nKey=a\x1bb\n", 2, "control character"),
        (b"[A]\nKey=one \\", 2, "continued line"),
        (b"[A]\nKey=one \\\n\xff\n", 3, "UTF-8"),
        (b"[A]\n\nno\\\nthing\n", 3, "Key=value"),
    ],
)
def test_a_fault_is_named_with_its_line(content: bytes, line: int, words: str) -> None:
    faults = parse(content)[1]
    assert faults[0].line == line
    assert words in faults[0].message


def test_the_rest_of_a_file_with_faults_is_used() -> None:
    content = b"stray\n[A]\nKey=1\n\xff\nOther=2\nnothing\n[B]\nKey=3\n"
    assert values(content) == [("A", "Key", "1", 3), ("A", "Other", "2", 5), ("B", "Key", "3", 8)]
    assert [fault.line for fault in parse(content)[1]] == [1, 4, 6]


def test_what_follows_a_broken_section_belongs_to_no_section() -> None:
    """Taking it for the section before would give a value to the wrong key."""
    assert values(b"[A]\nKey=1\n[B\nKey=2\n") == [("A", "Key", "1", 2)]


@given(st.binary(max_size=200))
def test_never_raises(content: bytes) -> None:
    assignments, faults = parse(content)
    lines = content.count(b"\n") + 1
    numbers = [found.line for found in assignments] + [fault.line for fault in faults]
    assert all(1 <= number <= lines for number in numbers)


@given(
    st.lists(st.sampled_from([b"[A]", b"[", b"]", b"K=", b"=v", b"\\", b"\n", b"#", b"\xff", b" ", b"\0"]), max_size=40)
)
def test_every_assignment_has_a_section(pieces: list[bytes]) -> None:
    for found in parse(b"".join(pieces))[0]:
        assert found.section == found.section.strip()
        assert "\n" not in found.key + found.value
