# SPDX-License-Identifier: LGPL-2.1-or-later
"""Does in a lab what was recorded of a real tukit and snapper, one operation after the other.

What snapper 0.10.6 cannot tell (stages that it has not) is told to our plugins with the argv that was recorded.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.lab import Lab
from tests.on_lab import recordings
from tests.on_lab.recordings import ABSENT_STAGES, Recording, Row
from tests.on_lab.test_recordings import Player, read_trace

DATA = Path(__file__).parents[1] / "data"
TUKIT = "/usr/lib/tukit/plugins/50-tukit-sysext"
SNAPPER = "/usr/lib/snapper/plugins/60-tukit-sysext"


@dataclass(frozen=True, kw_only=True, slots=True)
class Operation:
    """One recorded command of snapper, with the calls of plugins that it brought."""

    id: str
    words: tuple[str, ...]
    rows: tuple[Row, ...]


def of_snapper() -> list[Operation]:
    """All recorded commands of snapper."""
    found: list[Operation] = []
    for path in sorted((DATA / "snapper").glob("*.txt")):
        for count, (head, lines) in enumerate(_blocks(path), 1):
            words = tuple(word for word in head.split()[1:] if word != "--no-dbus")
            found.append(Operation(id=f"{path.stem}-{count}", words=words, rows=_rows(lines)))
    return found


def all_rows() -> list[Row]:
    """Every call of a plugin in every recording, those of transactional-update too."""
    found = [row for recording in recordings.load() for row in recording.rows]
    for path in sorted(DATA.glob("*/*.txt")):
        if path.parent.name != "tukit":
            found += _rows(path.read_text().splitlines())
    return found


def _blocks(path: Path) -> Iterator[tuple[str, list[str]]]:
    for block in path.read_text().split("### $ ")[1:]:
        head, *lines = block.splitlines()
        yield head, lines


def _rows(lines: Sequence[str]) -> tuple[Row, ...]:
    return tuple(row for line in lines if (row := recordings._row(line)) is not None)


def tell(lab: Lab, rows: Sequence[Row]) -> None:
    """Call our plugins with these words, as tukit and snapper would. Finalizing is the one that would do something."""
    script = []
    for row in rows:
        plugin = TUKIT if row.caller == "TUKIT" else SNAPPER
        words = ["/tmp/transactional-update-abcdef" if word == "PATH" else word for word in row.words]
        if words[0] != "finalize-pre":
            script.append(f"{shlex.join([plugin, *words])} || exit 9")
    lab.run(["sh"], input="\n".join(script) + "\n")


class SnapperPlayer:
    """Does what was recorded of snapper; ``numbers`` are the lab's by those of the recording."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.numbers = {"1": "1"}

    def play(self, operation: Operation) -> None:
        if operation.id == "48-snapper-0.10.6-1":  # another machine, which had one snapshot
            self.numbers = {"1": str(self.lab.running)}
        if operation.words[0] == "cleanup":
            self._fill()
        list(read_trace(self.lab))
        words = [self.numbers.get(word, word) for word in operation.words]
        self.lab.run(["snapper", "--no-dbus", *words], check=False)
        made = [rows.words[3] for rows in read_trace(self.lab) if rows.words[0] == "create-snapshot-pre"]
        recorded = [row.words[3] for row in operation.rows if row.words[0] == "create-snapshot-pre"]
        self.numbers.update(zip(recorded, made, strict=False))
        tell_absent(self.lab, operation.rows, self.numbers)

    def _fill(self) -> None:
        """More snapshots than are kept."""
        self.lab.run(["snapper", "--no-dbus", "set-config", "NUMBER_LIMIT=2", "NUMBER_MIN_AGE=0"])
        for _ in range(4):
            self.lab.run(["snapper", "--no-dbus", "create", "--cleanup-algorithm", "number"])


def tell_absent(lab: Lab, rows: Sequence[Row], numbers: recordings.Numbers) -> None:
    """Tell our plugins the stages that this snapper has not, and what the versions before called one of them."""
    absent = [row.renumbered(numbers) for row in rows if row.words[0] in ABSENT_STAGES]
    legacy = [Row(caller=row.caller, words=("set-read-only", *row.words[1:])) for row in absent[:1]]
    if absent:
        tell(lab, [*legacy, *absent])


Step = tuple[str, Callable[[], object]]


def second_snapshot(lab: Lab) -> str:
    """The first recording was made with two snapshots there."""
    return lab.run(["snapper", "--no-dbus", "create", "-p"]).stdout.strip()


def steps(lab: Lab, second: str) -> Iterator[Step]:
    """Everything that was recorded, by its name, and what was not: tukit killed, a snapshot deleted beside snapper."""
    player = Player(lab)
    player.numbers = {"1": "1", "2": second}

    def played(recording: Recording) -> None:
        player.play(recording)
        tell_absent(lab, recording.rows, player.numbers)

    for recording in recordings.load():
        yield recording.id, lambda recording=recording: played(recording)  # type: ignore[misc]  # no name is free
    lab.path("/run/trace-fail").unlink(missing_ok=True)
    yield "killed", lambda: lab.tukit("execute", "sh", "-c", "kill -9 $PPID")
    yield "killed-and-deleted", lambda: _delete_open(lab)
    yield "deleted-beside-snapper", lambda: _delete_beside(lab)
    snapper = SnapperPlayer(lab)
    for operation in of_snapper():
        yield operation.id, lambda operation=operation: snapper.play(operation)  # type: ignore[misc]  # no name is free


def _delete_open(lab: Lab) -> None:
    left = [row.number for row in lab.snapshots() if "transactional-update-in-progress" in row.userdata]
    assert left, "tukit was not killed"
    lab.run(["sh", "-c", "umount -R /tmp/transactional-update-* || true"])
    lab.run(["snapper", "--no-dbus", "delete", str(left[-1])])


def _delete_beside(lab: Lab) -> None:
    """With btrfs, so that nobody is told."""
    number = lab.run(["snapper", "--no-dbus", "create", "-p"]).stdout.strip()
    tree = f"/.snapshots/{number}/snapshot"
    lab.run(["btrfs", "property", "set", "-ts", tree, "ro", "false"])
    for nested in ("/etc/etc.syncpoint", "/etc", ""):
        lab.run(["btrfs", "subvolume", "delete", f"{tree}{nested}"], check=not nested)
    lab.run(["rm", "-r", f"/.snapshots/{number}"])


def slug(name: str) -> str:
    """A step's name for the list of tests."""
    return re.sub(r"[^a-zA-Z0-9.]+", "-", name)
