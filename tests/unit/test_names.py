# SPDX-License-Identifier: LGPL-2.1-or-later
"""One name, one thing: a class and a module are found by their names alone, whichever room they are in."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.rpm import TOP

PACKAGE = TOP / "tukit_sysext"


def classes(package: Path) -> Iterator[tuple[str, str]]:
    """Each public class of a package, with the file that defines it."""
    for file in sorted(package.rglob("*.py")):
        for node in ast.parse(file.read_text()).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                yield node.name, str(file.relative_to(package))


def modules(package: Path) -> Iterator[tuple[str, str]]:
    """Each module of a package by its own name, but those of commands, which are called as the command is."""
    for file in sorted(package.rglob("*.py")):
        if file.stem != "__init__" and file.parent != package / "commands":
            yield file.stem, str(file.relative_to(package))


CHECKS: list[Callable[[Path], Iterator[tuple[str, str]]]] = [classes, modules]


def twice(names: Iterator[tuple[str, str]]) -> dict[str, list[str]]:
    """What stands in more than one place."""
    places = defaultdict(list)
    for name, place in names:
        places[name].append(place)
    return {name: found for name, found in places.items() if len(found) > 1}


@pytest.mark.parametrize("names", CHECKS)
def test_each_name_stands_once(names: Callable[[Path], Iterator[tuple[str, str]]]) -> None:
    found = twice(names(PACKAGE))
    assert found == {}


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A package with one name of each kind, where the same name means nothing wrong."""
    files = {
        "__init__.py": "",
        "store/__init__.py": "",
        "store/store.py": "class Store: ...\nclass _Part: ...\n",
        "rules/__init__.py": "",
        "rules/one.py": "class Rule:\n    class Store: ...\nclass _Part: ...\n",
        "commands/store.py": "",
    }
    for file, content in files.items():
        (tmp_path / file).parent.mkdir(exist_ok=True)
        (tmp_path / file).write_text(content)
    return tmp_path


@pytest.mark.parametrize(
    ("names", "file", "content", "found"),
    [
        (classes, "rules/two.py", "class Store: ...\n", {"Store": ["rules/two.py", "store/store.py"]}),
        (classes, "commands/show.py", "class Rule: ...\n", {"Rule": ["commands/show.py", "rules/one.py"]}),
        (modules, "rules/store.py", "", {"store": ["rules/store.py", "store/store.py"]}),
        (modules, "one.py", "", {"one": ["one.py", "rules/one.py"]}),
        (modules, "commands/common/one.py", "", {"one": ["commands/common/one.py", "rules/one.py"]}),
    ],
)
def test_each_check_can_fail(
    names: Callable[[Path], Iterator[tuple[str, str]]],
    file: str,
    content: str,
    found: dict[str, list[str]],
    package: Path,
) -> None:
    assert twice(names(package)) == {}
    (package / file).parent.mkdir(exist_ok=True)
    (package / file).write_text(content)
    assert twice(names(package)) == found
