# SPDX-License-Identifier: LGPL-2.1-or-later
"""os-release(5) and extension-release: what a system or an extension image says of itself.

The text is read as systemd reads it (its env-file parser, since 254), because systemd will decide on the same text:
quotes and backslashes as in a shell, no expansion, a later line of a key overrides the earlier one, an unterminated
quote goes on to the end of the file. Nothing is raised for any text; what a careful author would not have written is
a problem. (Before 254, a comment that ends in a backslash went on in the next line.)
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import NamedTuple

_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_NEWLINES = "\n\r"
_BLANKS = " \t\n\r"
_ESCAPABLE = '"\\`$'


class ReleaseProblem(NamedTuple):
    """A line (counted from 1) that is not as os-release(5) wants it."""

    line: int
    message: str

    def __str__(self) -> str:
        return f"line {self.line}: {self.message}"


@dataclass(frozen=True, slots=True)
class ReleaseData(Mapping[str, str]):
    """Keys and values of a release file in the order of the file, those that we do not know too.

    `refused` says why systemd would not use the file at all (None: it does): an extension with such a file is left out
    of the merge, and a system with one merges nothing.
    """

    assigned: Mapping[str, str] = field(default_factory=dict)
    problems: tuple[ReleaseProblem, ...] = ()
    refused: str | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "assigned", MappingProxyType(dict(self.assigned)))

    def __getitem__(self, key: str) -> str:
        return self.assigned[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self.assigned)

    def __len__(self) -> int:
        return len(self.assigned)

    def __hash__(self) -> int:
        return hash((tuple(self.assigned.items()), self.problems, self.refused))


def parse(text: str) -> ReleaseData:
    """Parse a release file. The caller limits its size, and decodes it with `errors="surrogateescape"`.

    Bytes that are no UTF-8 are found here.
    """
    values: dict[str, str] = {}
    problems: list[ReleaseProblem] = []
    refused = None
    if "\0" in text:
        refused = "holds a NUL character"
        problems.append(ReleaseProblem(line=text[: text.index("\0")].count("\n") + 1, message=refused))
    for assignment in _Reader(text).assignments():
        if not _is_unicode(assignment.key + assignment.value):
            refused = refused or f"is not UTF-8 in line {assignment.line}"
            problems.append(ReleaseProblem(line=assignment.line, message="not UTF-8"))
        if assignment.complaint:
            problems.append(ReleaseProblem(line=assignment.line, message=assignment.complaint))
        if _KEY.fullmatch(assignment.key):
            values[assignment.key] = assignment.value
    return ReleaseData(values, tuple(problems), refused)


def _is_unicode(text: str) -> bool:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


class _Assignment(NamedTuple):
    key: str
    value: str
    line: int
    complaint: str | None


class _Reader:
    """Walks the text once. `at` is the next character's index, `line` its line's number."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.line = 1

    def assignments(self) -> Iterator[_Assignment]:
        while True:
            self._pass(_BLANKS)
            if self.at >= len(self.text):
                return
            line = self.line
            if self.text[self.at] in "#;":
                self._until_newline()
                continue
            key = self._key()
            if key is None:
                yield _Assignment(key="", value="", line=line, complaint="no = in it, ignored")
                continue
            value, complaint = self._value()
            if not _KEY.fullmatch(key):
                complaint = f"{key[:40]!r} is no key, ignored"
            yield _Assignment(key=key, value=value, line=line, complaint=complaint)

    def _take(self) -> str:
        character = self.text[self.at]
        self.at += 1
        if character == "\n":
            self.line += 1
        return character

    def _pass(self, characters: str) -> None:
        while self.at < len(self.text) and self.text[self.at] in characters:
            self._take()

    def _until_newline(self) -> str:
        start = self.at
        while self.at < len(self.text) and self.text[self.at] not in _NEWLINES:
            self.at += 1
        return self.text[start : self.at]

    def _key(self) -> str | None:
        """The text up to `=`, which is passed too; None if the line ends without one."""
        start = self.at
        while self.at < len(self.text) and self.text[self.at] not in _NEWLINES:
            if self._take() == "=":
                return self.text[start : self.at - 1].rstrip(_BLANKS)
        return None

    def _value(self) -> tuple[str, str | None]:
        """The value behind `=` to the end of its line, and what is wrong with it."""
        value: list[str] = []
        complaint = None
        while True:
            self._pass(" \t")
            if self.at >= len(self.text) or self.text[self.at] in _NEWLINES:
                return "".join(value), complaint
            quote = self.text[self.at]
            if quote not in "\"'":
                piece, complete = self._bare(), True
                value.append(piece)
                return "".join(value), complaint
            self._take()
            piece, complete = self._double_quoted() if quote == '"' else self._single_quoted()
            value.append(piece)
            if not complete:
                complaint = f"the quotation mark {quote} is not closed"

    def _bare(self) -> str:
        """Up to the end of the line, less the blanks there; a backslash takes the next character as it is."""
        value: list[str] = []
        length = 0  # up to the last character that is no blank
        while self.at < len(self.text) and self.text[self.at] not in _NEWLINES:
            character = self._take()
            if character == "\\":
                length = len(value)
                if self.at < len(self.text):
                    escaped = self._take()
                    if escaped not in _NEWLINES:
                        value.append(escaped)
                        length = len(value)
                continue
            value.append(character)
            if character not in _BLANKS:
                length = len(value)
        return "".join(value[:length])

    def _single_quoted(self) -> tuple[str, bool]:
        value: list[str] = []
        while self.at < len(self.text):
            character = self._take()
            if character == "'":
                return "".join(value), True
            value.append(character)
        return "".join(value), False

    def _double_quoted(self) -> tuple[str, bool]:
        value: list[str] = []
        while self.at < len(self.text):
            character = self._take()
            if character == '"':
                return "".join(value), True
            if character == "\\":
                if self.at >= len(self.text):
                    break
                character = self._take()
                if character == "\n":
                    continue
                if character not in _ESCAPABLE:
                    value.append("\\")
            value.append(character)
        return "".join(value), False
