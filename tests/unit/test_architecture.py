# SPDX-License-Identifier: LGPL-2.1-or-later
"""The rooms of the package in the order of their imports: each uses those above it in the table, none below.

Every import counts: that of a type checker, that inside of a function, and that of a module whose name is a string.
Each check is a function from what modules import to what is wrong there, tried on this package and on made-up ones with
one fault each.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator, Mapping, Set
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

from tests.rpm import TOP

PACKAGE = "tukit_sysext"

ROOMS = {
    "": "the version",
    "errors": "errors with a message for a person",
    "exit_status": "how the command line and the hooks end",
    "waits": "every wait with its bound, and what its end means",
    "quantities": "sizes, time spans and times as text",
    "layout": "where things lie on a machine",
    "rules": "what systemd and the specifications say: versions, matching, names",
    "requirements": "what an image needs beyond systemd's rule, in RPM's words",
    "last_check": "what is wrong with links where the main job could not be done; imports rules alone",
    "formats": "files that others write: lists, descriptions, signatures, configuration syntax",
    "system": "files, processes, locks, subvolumes",
    "progress": "how far a job is, and the file that says so",
    "net": "bytes from servers",
    "config": "the configuration of a tree",
    "store": "images with their records",
    "machine": "the machine we run on, as one value",
    "sources": "who offers images: lists, signatures, descriptions, memory of what was seen",
    "snapshots": "snapshots with their links",
    "all_plugins": "what the jobs ask of all plugins at once",
    "ledger": "RECORD: which image belongs to which snapshot",
    "update": "FETCH: a transaction from facts over a plan to links, or a refusal",
    "collect": "COLLECT: what no snapshot needs any more",
    "integrity": "verify, repair, recover, quarantine",
    "change": "what people ask for: install, remove, hold, sources, adopt, purge",
    "publish": "a folder of images becomes a repository",
    "preflight": "would tonight's update be refused",
    "metrics": "the textfile of node_exporter",
    "plugin_api": "what a plugin imports",
    "plugins/spec": "the hooks that a plugin may have",
    "plugins/builtin": "our own plugins",
    "plugins": "the manager, which calls the hooks; loading of third-party plugins",
    "doctor": "what is wrong with this machine, and the next step",
    "grammar": "the command line: commands, options, help; imports nothing that does their work",
    "terminal": "tables, bars, colours",
    "commands/common": "what several commands use",
    "commands": "one module for each command",
    "entry": "the way in of the hooks",
    "commit_plugin": "the way in of libzypp's plugin",
    "boot": "the way in of the guard at boot",
    "cli": "the way in of the command line",
}
"""Folders and the modules beside them, the lowest first, each with what it is for."""

Imports = Mapping[str, Set[str]]
"""What each module imports; names are paths below the package without .py, a folder's own module is the folder."""


def package_imports(package: Path) -> Imports:
    """What each module of a package imports from that package, wherever in it the import stands."""
    files = {_module(file, package): file for file in sorted(package.rglob("*.py"))}
    return {module: set(_imported(file, package, files.keys())) - {module} for module, file in files.items()}


def _module(file: Path, package: Path) -> str:
    return str(file.relative_to(package).with_suffix("")).removesuffix("__init__").strip("/")


def _imported(file: Path, package: Path, modules: Set[str]) -> Iterator[str]:
    wholes = {f"{package.name}/{module}" for module in modules}  # for import_module()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            here = [package.name, *file.relative_to(package).parent.parts]
            origin = ".".join([*here[: len(here) - node.level + 1], *filter(None, [node.module])])
            names = [f"{origin if node.level else node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Constant) and str(node.value).replace(".", "/") in wholes:
            names = [str(node.value)]
        else:
            continue
        for name in names:
            top, *parts = name.split(".")
            if top == package.name:
                yield "/".join(parts) if "/".join(parts) in modules else "/".join(parts[:-1])


def room(module: str) -> str | None:
    """The room of a module: the longest name in the table that it is, or lies in."""
    names = [name for name in ROOMS if module == name or module.startswith(f"{name}/")]
    return max(names, key=len, default=None)


def rooms_without_a_line(imports: Imports) -> list[str]:
    """Each folder, and each module beside them, is in the table, and the table has no more."""
    folders = {module.rpartition("/")[0] or module for module in imports} - {""}
    return [f"{folder}: not in ROOMS" for folder in sorted(folders - ROOMS.keys())] + [
        f"ROOMS has {name}, which is not there" for name in ROOMS if name not in folders | imports.keys()
    ]


def imports_that_go_up(imports: Imports) -> list[str]:
    """A room imports from those above it in the table, and from itself."""
    order = {name: number for number, name in enumerate(ROOMS)}
    return [
        f"{module} imports {other}: {room(other)} comes after {room(module)}"
        for module, others in imports.items()
        for other in sorted(others)
        if order[room(other) or ""] > order[room(module) or ""]
    ]


def circles(imports: Imports) -> list[str]:
    """Modules do not import each other in a circle (the first that is found)."""
    try:
        TopologicalSorter(imports).prepare()
    except CycleError as error:
        return [" -> ".join(error.args[1])]
    return []


def commands_that_import_commands(imports: Imports) -> list[str]:
    """A command imports no other one: what several use is in commands/common."""
    return [
        f"{module} imports {other}"
        for module, others in imports.items()
        for other in sorted(others)
        if room(module) == room(other) == "commands" and other != "commands"
    ]


CHECKS: list[Callable[[Imports], list[str]]] = [
    rooms_without_a_line,
    imports_that_go_up,
    circles,
    commands_that_import_commands,
]


@pytest.mark.parametrize("check", CHECKS)
def test_the_package_keeps_to_it(check: Callable[[Imports], list[str]]) -> None:
    assert check(package_imports(TOP / PACKAGE)) == []


def test_readme_has_the_map() -> None:
    """Each folder at the top of the package is in the table of the section for who changes it, in the same order."""
    hacking = (TOP / "README.md").read_text().split("\n## Hacking\n")[1].split("\n## ")[0]
    named = [
        name
        for line in hacking.splitlines()
        if line.startswith("| `")
        for name in re.findall(r"`([a-z]+)/`", line.split("|")[1])
    ]
    order = list(dict.fromkeys(name.partition("/")[0] for name in ROOMS))
    assert set(named) == {path.parent.name for path in (TOP / PACKAGE).glob("*/__init__.py")}
    assert named == sorted(named, key=order.index)


def with_all_rooms(**modules: Set[str]) -> Imports:
    """A made-up package of which nothing is wrong but what is given; names with __ for /."""
    modules_beside = {
        "",
        "errors",
        "exit_status",
        "quantities",
        "layout",
        "machine",
        "all_plugins",
        "plugin_api",
        "entry",
        "commit_plugin",
        "boot",
        "cli",
    }
    plain: dict[str, Set[str]] = {name if name in modules_beside else f"{name}/x": set() for name in ROOMS}
    return plain | {name.replace("__", "/"): set(others) for name, others in modules.items()}


FAULTS = [
    (rooms_without_a_line, with_all_rooms(attic__boxes=set())),
    (rooms_without_a_line, with_all_rooms(store__attic__boxes=set())),
    (rooms_without_a_line, with_all_rooms(attic=set())),
    (rooms_without_a_line, {name: others for name, others in with_all_rooms().items() if not name.startswith("net")}),
    (imports_that_go_up, with_all_rooms(rules__x={"store/x"})),
    (imports_that_go_up, with_all_rooms(errors={"layout"})),
    (imports_that_go_up, with_all_rooms(commands__common__x={"commands/status"}, commands__status=set())),
    (imports_that_go_up, with_all_rooms(entry={"cli"})),
    (circles, with_all_rooms(store__a={"store/b"}, store__b={"store/c"}, store__c={"store/a"})),
    (circles, with_all_rooms(store__a={"rules/x"}, rules__x={"store/a"})),
    (commands_that_import_commands, with_all_rooms(commands__a={"commands/b"}, commands__b=set())),
]


@pytest.mark.parametrize(
    ("check", "fault"), FAULTS, ids=[f"{check.__name__}-{number}" for number, (check, _) in enumerate(FAULTS)]
)
def test_each_check_can_fail(check: Callable[[Imports], list[str]], fault: Imports) -> None:
    assert check(with_all_rooms(store__a={"rules/x", "store/x"}, commands__a={"commands/common/x"})) == []
    assert check(fault) != []


@pytest.mark.parametrize(
    "text",
    [
        "from tukit_sysext.store.other import Thing\n",
        "from tukit_sysext.store import other\n",
        "import tukit_sysext.store.other\n",
        "import tukit_sysext.store.other as short\n",
        "from ..store import other\n",
        "from ..store.other import Thing\n",
        "def late() -> None:\n    from tukit_sysext.store.other import Thing\n",
        "from importlib import import_module\nother = import_module('tukit_sysext.store.other')\n",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from tukit_sysext.store.other import Thing\n",
    ],
)
def test_every_way_to_import_is_seen(text: str, tmp_path: Path) -> None:
    package = tmp_path / PACKAGE
    for file, content in {
        "rules/one.py": text,
        "store/other.py": "",
        "store/__init__.py": "",
        "__init__.py": "",
    }.items():
        (package / file).parent.mkdir(parents=True, exist_ok=True)
        (package / file).write_text(content)
    assert package_imports(package)["rules/one"] == {"store/other"}


def test_a_neighbour_and_the_package_itself_are_seen(tmp_path: Path) -> None:
    package = tmp_path / PACKAGE
    files = {
        "__init__.py": "",
        "rules/__init__.py": "from .one import x\n",
        "rules/one.py": "from . import two\n",
        "rules/two.py": "from tukit_sysext import __version__\nimport json\n",
    }
    write(package, files)
    expected = {"": set(), "rules": {"rules/one"}, "rules/one": {"rules/two"}, "rules/two": {""}}
    assert package_imports(package) == expected


def write(package: Path, files: Mapping[str, str]) -> None:
    for file, content in files.items():
        (package / file).parent.mkdir(parents=True, exist_ok=True)
        (package / file).write_text(content)
