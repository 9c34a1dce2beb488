# SPDX-License-Identifier: LGPL-2.1-or-later
"""Which configuration files count, after the UAPI configuration files specification.

``/etc`` is stronger than ``/run``, which is stronger than ``/usr/lib``. A file of a stronger directory replaces the one
of the same name; an empty file, or a link to /dev/null, masks it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import NamedTuple, TypeVar

from tukit_sysext.errors import UnknownState
from tukit_sysext.formats.ini import Assignment, parse
from tukit_sysext.layout import CONFIGURATION
from tukit_sysext.rules.printable import excerpt, printable
from tukit_sysext.system.tree import Tree

Value = TypeVar("Value")
Default = TypeVar("Default")

LIMIT = 256 * 1024
"""The most bytes that one configuration file may have."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Problem:
    """Something wrong in a configuration file, for a person: file, line (0: the whole file) and what it is.

    ``fault`` tells a mistake (a line that means nothing, a wrong value) from what a newer version may know.
    """

    file: str
    line: int
    message: str
    fault: bool = True

    def __str__(self) -> str:
        # a name on a disk need not be text, which no log would take
        file = printable(self.file)
        return f"{file}:{self.line}: {self.message}" if self.line else f"{file}: {self.message}"


class EffectiveValue(NamedTuple):
    """A value that counts, as it is written (several words are one each), with the file and line that says so."""

    section: str
    key: str
    text: str
    file: str
    line: int


class ConfigurationFile(NamedTuple):
    """One file that counts: its path below the tree, and what could be read of it."""

    path: str
    assignments: tuple[Assignment, ...]
    problems: tuple[Problem, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Folder:
    """The files of one kind: those that count, by name without suffix, and the masked ones with what masks them."""

    files: Mapping[str, ConfigurationFile]
    masked: Mapping[str, str]


def load(tree: Tree, path: str) -> ConfigurationFile | None:
    """Read one file; None where it does not exist, is empty or is a link to /dev/null. Never raises for its content."""
    content, fault = None, ""
    try:
        content = tree.read(path, limit=LIMIT)
    except UnknownState as error:
        fault = str(error)
    if content:
        return read(f"/{path}", content)
    try:
        target = tree.link_text(path)
    except UnknownState as error:
        target, fault = None, fault or str(error)
    if target == "/dev/null" or (not fault and (target is None or content is not None)):
        return None
    problem = Problem(file=f"/{path}", line=0, message=fault or "a link to nothing")
    return ConfigurationFile(path=f"/{path}", assignments=(), problems=(problem,))


def read(path: str, content: bytes) -> ConfigurationFile:
    """Parse the content of a file; ``path`` is used in messages only."""
    assignments, faults = parse(content)
    return ConfigurationFile(
        path=path,
        assignments=assignments,
        problems=tuple(Problem(file=path, line=fault.line, message=fault.message) for fault in faults),
    )


def load_folder(
    tree: Tree, folder: str, directories: Sequence[str] = CONFIGURATION
) -> tuple[Folder, tuple[Problem, ...]]:
    """The ``*.conf`` files of one folder name in all configuration directories, by name, sorted."""
    files: dict[str, ConfigurationFile] = {}
    masked: dict[str, str] = {}
    problems: list[Problem] = []
    for directory in directories:
        try:
            names = tree.names(f"{directory}/{folder}") or []
        except UnknownState as error:
            problems.append(Problem(file=f"/{directory}/{folder}", line=0, message=str(error)))
            continue
        for file_name in names:
            name = file_name.removesuffix(".conf")
            if name == file_name or name in files or name in masked or file_name.startswith("."):
                continue
            path = f"{directory}/{folder}/{file_name}"
            file = load(tree, path)
            if file is None:
                masked[name] = f"/{path}"
            else:
                files[name] = file
    return Folder(files=dict(sorted(files.items())), masked=masked), tuple(problems)


def load_main(
    tree: Tree, name: str, directories: Sequence[str] = CONFIGURATION
) -> tuple[tuple[ConfigurationFile, ...], tuple[Problem, ...]]:
    """The main file ``name`` (the strongest one alone) and its drop-ins ``name.d/*.conf``, the weakest first.

    ``directories`` are those of a configuration, the strongest first.
    """
    files: list[ConfigurationFile] = []
    for directory in directories:
        path = f"{directory}/{name}"
        try:
            exists = name in (tree.names(directory) or ())
        except UnknownState:
            exists = True
        if exists:
            main = load(tree, path)
            files += [main] if main is not None else []
            break
    folder, problems = load_folder(tree, f"{name}.d", directories)
    return (*files, *folder.files.values()), problems


class Keys:
    """The assignments of one or several files (the weakest first), taken one by one.

    The last assignment of a key counts, an empty value resets it to the default, as in systemd's files. What nobody
    took is a key that this version does not know. ``effective`` are the values that count, of the keys that were taken;
    :mod:`tukit_sysext.config.key_table` describes each key.
    """

    def __init__(self, *files: ConfigurationFile) -> None:
        self._assignments: dict[tuple[str, str], list[tuple[str, Assignment]]] = {}
        self.problems: list[Problem] = []
        self.effective: list[EffectiveValue] = []
        for file in files:
            self.problems += file.problems
            for assignment in file.assignments:
                self._assignments.setdefault((assignment.section, assignment.key), []).append((file.path, assignment))

    def take(
        self, section: str, key: str, convert: Callable[[str], Value], default: Default, *, secret: bool = False
    ) -> Value | Default:
        """The value of a key; the default where it is not set, or ``convert`` raises ValueError.

        That is a problem, whose message repeats no ``secret``.
        """
        taken = self._taken(section, key)
        values = self._convert(taken[-1:], convert, secret=secret) if taken else None
        return values[0][0] if values else default

    def take_all(self, section: str, key: str, convert: Callable[[str], Value]) -> tuple[Value, ...]:
        """The values of a key that may be given several times, each time with several of them in one line."""
        return tuple(value for value, _ in self.take_where(section, key, convert))

    def take_lines(self, section: str, key: str, convert: Callable[[str], Value]) -> tuple[Value, ...]:
        """The values of a key that may be given several times, each with white space in it."""
        return tuple(value for value, _ in self._convert(self._taken(section, key), convert))

    def take_where(self, section: str, key: str, convert: Callable[[str], Value]) -> tuple[tuple[Value, str], ...]:
        """As :meth:`take_all`, each value with the path of the file that has it."""
        return tuple(self._convert(self._taken(section, key), convert, several=True))

    def _taken(self, section: str, key: str) -> list[tuple[str, Assignment]]:
        return self._assignments.pop((section, key), [])

    def _convert(
        self,
        assignments: Sequence[tuple[str, Assignment]],
        convert: Callable[[str], Value],
        *,
        several: bool = False,
        secret: bool = False,
    ) -> list[tuple[Value, str]]:
        values: list[tuple[Value, str]] = []
        effective: list[EffectiveValue] = []
        for path, assignment in assignments:
            if not assignment.value:
                values.clear()
                effective.clear()
            for text in assignment.value.split() if several else filter(None, [assignment.value]):
                try:
                    values.append((convert(text), path))
                    effective.append(
                        EffectiveValue(
                            section=assignment.section,
                            key=assignment.key,
                            text=text,
                            file=path,
                            line=assignment.line,
                        )
                    )
                except ValueError as error:
                    text = "..." if secret else redacted_value(text)
                    message = f"{excerpt(assignment.key)}={excerpt(text)}: {error}"
                    self.problems.append(Problem(file=path, line=assignment.line, message=message))
        self.effective += effective
        return values

    def finish(self) -> tuple[Problem, ...]:
        """All problems, those of the keys that nobody took among them, in the order of the lines."""
        for path, assignment in chain.from_iterable(self._assignments.values()):
            message = f"unknown key {excerpt(assignment.key)}= in [{excerpt(assignment.section)}], ignored"
            self.problems.append(Problem(file=path, line=assignment.line, message=message, fault=False))
        self._assignments.clear()
        return tuple(sorted(self.problems, key=lambda problem: (problem.file, problem.line)))


def redacted_value(text: str) -> str:
    """Cut what may be a user name and a password in a URL from a value, for messages (threat N16)."""
    _, at, rest = text.rpartition("@")
    return f"...@{rest}" if at else text
