# SPDX-License-Identifier: LGPL-2.1-or-later
"""tests/THREATS.md is true: every row has tests, every test that it names exists, and tests/defences has every row."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

from tests.breaking.table import DEFENCES

TESTS = Path(__file__).parents[1]
EXPECTED = [f"{kind}{number}" for kind, last in (("N", 16), ("L", 17), ("C", 16)) for number in range(1, last + 1)]
EXPECTED += ["P0", "P1", "P2", "P4", "P5", "P6", "P7", "P8", "P9", "P10"]
EXPECTED += ["P3", "P14"]
EXPECTED += ["B1", "B2", "B3", "B4", "B5", "B6", "B7", "B9", "B10", "B11", "B12"]
EXPECTED += ["B13", "B14", "B15", "B20"]
EXPECTED += ["B30", "B31", "B32", "B33"]
EXPECTED += ["S1", "S2"]
EXPECTED += ["M1", "M2", "M3", "M4", "M5", "M6"]
EXPECTED += ["R1", "R2", "R3", "R4"]
EXPECTED += ["R10", "R11", "R12", "R13"]
EXPECTED += ["R20", "R21", "R22", "R23"]
EXPECTED += ["R30", "R31", "R32"]
EXPECTED += ["R40", "R41", "R42", "R43", "R44"]
EXPECTED += ["R50", "R51", "R52", "R53", "R54", "R55", "R56"]
EXPECTED += ["N30", "N31", "N32", "N33"]
EXPECTED += ["N40", "N41", "N42", "N43"]
EXPECTED += ["N50"]

_ROW = re.compile(r"^\| ([A-Z]\d+) \| (.+) \| ([^|]+) \|$", re.M)
_TEST = re.compile(r"`([^`]+)`")


def rows(page: str) -> dict[str, list[str]]:
    """The tests that each row names; a row that is there twice is a fault of the page."""
    found = _ROW.findall(page)
    assert len({name for name, _, _ in found}) == len(found)
    return {name: _TEST.findall(tests) for name, _, tests in found}


@cache
def defined(file: Path) -> frozenset[str]:
    """The tests of a file, those of a class with its name in front."""
    names: set[str] = set()
    for node in ast.parse(file.read_text()).body:
        members, prefix = (node.body, f"{node.name}::") if isinstance(node, ast.ClassDef) else ([node], "")
        names |= {f"{prefix}{member.name}" for member in members if isinstance(member, ast.FunctionDef)}
    return frozenset(names)


def missing(page: str) -> list[str]:
    """What the page names and the tests do not have."""
    named = {test for tests in rows(page).values() for test in tests}
    return sorted(test for test in named if not _exists(*test.partition("::")[::2]))


def _exists(file: str, name: str) -> bool:
    return (TESTS / file).is_file() and name.rpartition("::")[2].startswith("test_") and name in defined(TESTS / file)


@pytest.fixture(scope="module")
def page() -> str:
    return (TESTS / "THREATS.md").read_text()


def test_every_row_is_there_with_at_least_one_test(page: str) -> None:
    found = rows(page)
    assert sorted(found) == sorted(EXPECTED)
    assert [name for name, tests in found.items() if not tests] == []


def test_every_test_that_is_named_exists(page: str) -> None:
    assert missing(page) == []


def test_every_row_has_a_defence_that_can_be_broken() -> None:
    assert sorted(set(EXPECTED) - {item.row for item in DEFENCES}) == []


def test_what_breaks_a_defence_names_rows_files_and_tests_that_there_are() -> None:
    assert {item.row for item in DEFENCES} <= {*EXPECTED, "-"}
    assert [item.what for item in DEFENCES if not item.edits or not item.tests] == []
    files = {TESTS.parent / file for item in DEFENCES for file, _, _ in item.edits}
    assert [str(file) for file in files if not file.is_file()] == []
    named = {test.partition("[")[0].removeprefix("tests/") for item in DEFENCES for test in item.tests}
    whole_files = {test for test in named if "::" not in test}
    assert [test for test in whole_files if not (TESTS / test).is_file()] == []
    assert [test for test in named - whole_files if not _exists(*test.partition("::")[::2])] == []


def test_what_is_not_there_is_seen(page: str) -> None:
    assert missing(page.replace("test_names.py::test_refused", "test_names.py::test_renamed")) == [
        "unit/rules/test_names.py::test_renamed"
    ]
    assert "unit/rules/test_nothing.py::test_refused" in missing(page.replace("test_names.py", "test_nothing.py"))
    assert missing(page.replace("test_names.py::test_refused", "test_names.py::")) == ["unit/rules/test_names.py::"]
    assert rows(page.replace("| C14 |", "| X |")).keys() != set(EXPECTED)


def test_what_is_to_be_broken_stands_in_the_code_just_once() -> None:
    """Else tests/defences would break nothing, or something else."""
    found = [
        (item.row, item.what, (TESTS.parent / file).read_text().count(old))
        for item in DEFENCES
        for file, old, _ in item.edits
    ]
    assert [item for item in found if item[-1] != 1] == []
