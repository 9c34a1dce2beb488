# SPDX-License-Identifier: LGPL-2.1-or-later
"""Reads the recordings of a real tukit in tests/data/tukit.

Each command stands with its status, its output, and a row for every call of a plugin (TUKIT, SNAPPER), with its words
in angle brackets. Names of folders and snapshot numbers are those of the machine where it was recorded.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).parents[1] / "data/tukit"

ABSENT_STAGES = frozenset({"set-read-only-pre", "set-read-only-post"})
"""The recordings are of snapper 0.13.1; the 0.10.6 of the lab does not have these."""

_BIND_FOLDER = re.compile(r"/tmp/transactional-update-\w{6,8}")
_NUMBER_IN_TEXT = re.compile(
    r"(snapshot |#|\.snapshots/|^ID: |^Options: (?:--\S+ )*(?:call|callext|close|abort|rollback) |--continue="
    r"|10-trace [a-zA-Z-]+ (?:PATH )?)(\d+)"
)

Numbers = Mapping[str, str]
"""Snapshot numbers of the lab by those of the recording."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """One call of a plugin: of tukit ("TUKIT") or snapper ("SNAPPER"), and its words, PATH for the bind folder."""

    caller: str
    words: tuple[str, ...]

    @classmethod
    def of(cls, caller: str, words: Sequence[str]) -> Row:
        return cls(caller=caller, words=tuple(_BIND_FOLDER.sub("PATH", word) for word in words))

    def number_places(self) -> tuple[int, ...]:
        """Which words are snapshot numbers."""
        if self.caller == "SNAPPER":
            return tuple(range(3, len(self.words)))
        if len(self.words) == 1:
            return ()
        return (2,) if self.words[1] == "PATH" else (1,)

    def renumbered(self, numbers: Numbers) -> Row:
        places = self.number_places()
        words = (numbers.get(word, word) if i in places else word for i, word in enumerate(self.words))
        return Row(caller=self.caller, words=tuple(words))


@dataclass(frozen=True, kw_only=True, slots=True)
class SnapshotState:
    """What a recording says of a snapshot before and after a command."""

    number: str
    default: bool
    in_progress: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Recording:
    """One recorded command. `failing` is the stage at which the plugin fails, with its status."""

    id: str
    arguments: tuple[str, ...]
    status: int
    output: tuple[str, ...]
    rows: tuple[Row, ...]
    failing: tuple[str, int] | None = None
    before: tuple[SnapshotState, ...] | None = None
    after: tuple[SnapshotState, ...] | None = None

    def created(self) -> str | None:
        """The number of the snapshot that the command makes."""
        return created(self.rows)


def created(rows: Sequence[Row]) -> str | None:
    """The number of the snapshot that is made among these calls."""
    return next((row.words[3] for row in rows if row.words[0] == "create-snapshot-pre"), None)


def normal_output(text: str) -> tuple[str, ...]:
    """Lines of output as they are compared, without tukit's version.

    Which plugins were found is left out, as it was when recording.
    """
    text = re.sub(r"^tukit \S+ +started$", "tukit VERSION started", text, flags=re.MULTILINE)
    lines = (_BIND_FOLDER.sub("PATH", line) for line in text.splitlines())
    return tuple(line for line in lines if not line.startswith("Found plugin "))


def renumbered(text: str, numbers: Numbers) -> str:
    """A line of output, or a word of a command, with the lab's snapshot numbers."""
    return _NUMBER_IN_TEXT.sub(lambda found: found[1] + numbers.get(found[2], found[2]), text)


def _states(text: str) -> tuple[SnapshotState, ...]:
    """From "number,default,userdata 0,no, 1,yes, 38,no,transactional-update-in-progress=yes", less number 0."""
    found = []
    for entry in text.split()[1:]:
        number, default, userdata = entry.split(",")
        if number != "0":
            found.append(
                SnapshotState(
                    number=number,
                    default=default == "yes",
                    in_progress=userdata == "transactional-update-in-progress=yes",
                )
            )
    return tuple(found)


def _row(line: str) -> Row | None:
    matched = re.fullmatch(r"\S+ (TUKIT|SNAPPER) +argc=(\d+) <(.*)> ?", line)
    if matched is None:
        return None
    words = matched[3].split("> <")
    if len(words) != int(matched[2]):
        raise ValueError(f"cannot tell the words apart: {line}")
    return Row.of(matched[1], words)


def _arguments(command: str, rows: Sequence[Row]) -> tuple[str, ...]:
    """The words of a command line that was recorded without quoting; its plugins saw those of the command inside."""
    inside = next((row.words[3:] for row in rows if row.words[0] == "execute-pre"), ())
    text = " ".join(inside)
    if inside and command.endswith(f" {text}"):
        return (*command.removesuffix(text).split(), *inside)
    return tuple(command.split())


def _block(name: str, head: str, lines: Sequence[str]) -> Recording:
    rows = tuple(row for line in lines if (row := _row(line)) is not None)
    plain = re.fullmatch(r"### \$ tukit (.*)", head)
    if plain is not None:
        status = int(next(line for line in lines if line.startswith("# exit status ")).split()[3].rstrip(","))
        output = "\n".join(line[4:] for line in lines if line.startswith("#   "))
        return Recording(
            id=name,
            arguments=_arguments(plain[1], rows),
            status=status,
            output=normal_output(output),
            rows=rows,
        )
    failing = re.fullmatch(r"##### plugin exits (\d+) at stage (\S+); cmd: tukit (.*?) *-> rc=(\d+)", head)
    if failing is None:
        raise ValueError(f"not the head of a recording: {head}")
    states = {key: _states(line[8:]) for line in lines if (key := line[:8].strip()) in ("before:", "after:")}
    return Recording(
        id=f"{name}-{failing[2]}",
        arguments=_arguments(failing[3], rows),
        status=int(failing[4]),
        output=normal_output("\n".join(line[3:] for line in lines if line.startswith("#  "))),
        rows=rows,
        failing=(failing[2], int(failing[1])),
        before=states["before:"],
        after=states["after:"],
    )


def _blocks(path: Path) -> Iterator[Recording]:
    head, lines, count = "", list[str](), 0
    for line in [*path.read_text().splitlines(), "### end"]:
        if line.startswith("###"):
            if head:
                count += 1
                yield _block(f"{path.stem}-{count}", head, lines)
            head, lines = line, []
        else:
            lines.append(line)


def load() -> list[Recording]:
    """All recordings, in the order in which they were made: each starts from what those before left."""
    return [recording for path in sorted(FOLDER.glob("*.txt")) for recording in _blocks(path)]
