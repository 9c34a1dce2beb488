# SPDX-License-Identifier: LGPL-2.1-or-later
"""The driver tukit.py against recordings of a real tukit: the same calls of plugins, output, status and snapshots.

All recordings are played once, in their order, in one lab, since each starts from the state that those before left.
The tests then compare one command each. With --real-tukit the same is done with a real tukit.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.conftest import StartLab
from tests.lab import Flavour, Lab, SnapshotRow
from tests.on_lab import recordings
from tests.on_lab.recordings import Numbers, Recording, Row, SnapshotState

RECORDINGS = recordings.load()
PLUGINS = Path(__file__).parent / "plugins"
SECOND = "/usr/lib/tukit/plugins/20-second"
IN_PROGRESS = "transactional-update-in-progress"


@dataclass(frozen=True, kw_only=True, slots=True)
class Played:
    """What the lab did, and the lab's snapshot numbers by the recording's at that time."""

    status: int
    output: tuple[str, ...]
    rows: tuple[Row, ...]
    snapshots: tuple[SnapshotRow, ...]
    numbers: Numbers


def read_trace(lab: Lab) -> Iterator[Row]:
    """The calls of plugins since the last time."""
    log = lab.path("/run/trace.log")
    words = iter(log.read_bytes().decode().split("\0")[:-1]) if log.exists() else iter(())
    for caller in words:
        yield Row.of(caller, [next(words) for _ in range(int(next(words)))])
    log.unlink(missing_ok=True)


def without_second_plugin(output: tuple[str, ...]) -> Iterator[str]:
    """Leaves out what the recorder left out."""
    lines = iter(output)
    for line in lines:
        if line == f'Output of plugin "{SECOND}":':
            next(lines)
        else:
            yield line


class Player:
    """Plays recordings in a lab, one after the other."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.numbers: dict[str, str] = {}

    def prepare(self, wanted: tuple[SnapshotState, ...]) -> None:
        """Bring the lab into a state that the recorder made by commands that were not recorded."""
        self.lab.path("/run/trace-fail").unlink(missing_ok=True)
        present = {str(row.number) for row in self.lab.snapshots()}
        for state in wanted:
            if self.numbers.get(state.number) not in present:
                assert state.in_progress, f"{state} should have come from a recording"
                opened = self.lab.tukit("--quiet", "open", check=True).stdout
                self.numbers[state.number] = opened.split()[-1]
        default = next(self.numbers[state.number] for state in wanted if state.default)
        if str(self.lab.default) != default:
            self.lab.tukit("rollback", default, check=True)
        kept = {self.numbers[state.number] for state in wanted}
        surplus = [str(row.number) for row in self.lab.snapshots() if str(row.number) not in kept]
        if surplus:
            self.lab.run(["snapper", "--no-dbus", "delete", *surplus])

    def play(self, recording: Recording) -> Played:
        if recording.before is not None:
            self.prepare(recording.before)
        list(read_trace(self.lab))
        if recording.failing is not None:
            stage, status = recording.failing
            self.lab.path("/run/trace-fail").write_text(f"{stage} {status}\n")
        done = self.lab.run(
            ["sh", "-c", 'exec "$@" 2>&1', "sh", "tukit", *self.arguments(recording)], check=False, timeout=120
        )
        rows = tuple(read_trace(self.lab))
        before, after = recording.created(), recordings.created(rows)
        if before is not None and after is not None:
            self.numbers[before] = after
        return Played(
            status=done.returncode,
            output=tuple(without_second_plugin(recordings.normal_output(done.stdout))),
            rows=rows,
            snapshots=tuple(self.lab.snapshots()),
            numbers=dict(self.numbers),
        )

    def arguments(self, recording: Recording) -> tuple[str, ...]:
        """The words of the command with the lab's snapshot numbers."""
        words = list(recording.arguments)
        for i, word in enumerate(words):
            if word in ("call", "callext", "close", "abort", "rollback"):
                words[i + 1] = self.numbers[words[i + 1]]
            if word in ("call", "callext", "execute"):
                break
        return tuple(words)


@pytest.fixture(scope="module")
def played(start_shared_lab: StartLab) -> Mapping[str, Played]:
    """Every recording by its id, played."""
    lab = start_shared_lab(
        Flavour.MICROOS,
        install={
            PLUGINS / "tukit-trace": "/usr/lib/tukit/plugins/10-trace",
            PLUGINS / "tukit-second": SECOND,
            PLUGINS / "snapper-trace": "/usr/lib/snapper/plugins/10-trace",
        },
    )
    player = Player(lab)
    # The first recording was made with two snapshots there.
    player.numbers = {"1": "1", "2": lab.run(["snapper", "--no-dbus", "create", "-p"]).stdout.strip()}
    return {recording.id: player.play(recording) for recording in RECORDINGS}


def test_every_recording_is_there() -> None:
    names = {path.stem[:2] for path in recordings.FOLDER.glob("*.txt")}
    assert names == {*(f"{number:02}" for number in range(1, 16)), "20"}
    assert len(RECORDINGS) == 36


@pytest.mark.parametrize("recording", RECORDINGS, ids=lambda recording: str(recording.id))
class TestAsRecorded:
    def test_status(self, recording: Recording, played: Mapping[str, Played]) -> None:
        assert played[recording.id].status == recording.status

    def test_output(self, recording: Recording, played: Mapping[str, Played]) -> None:
        seen = played[recording.id]
        assert list(seen.output) == [recordings.renumbered(line, seen.numbers) for line in recording.output]

    @pytest.mark.parametrize("caller", ["TUKIT", "SNAPPER"])
    def test_plugin_calls(self, recording: Recording, played: Mapping[str, Played], caller: str) -> None:
        seen = played[recording.id]
        wanted = [row.renumbered(seen.numbers) for row in recording.rows if row.caller == caller]
        assert self.comparable(seen.rows, caller) == [row for row in wanted if self.present(row)]

    def test_order_of_all_calls(self, recording: Recording, played: Mapping[str, Played]) -> None:
        seen = played[recording.id]
        wanted = [row.renumbered(seen.numbers) for row in recording.rows]
        assert self.comparable(seen.rows) == [row for row in wanted if self.present(row)]

    @staticmethod
    def present(row: Row) -> bool:
        return row.words[0] not in recordings.ABSENT_STAGES

    @classmethod
    def comparable(cls, rows: tuple[Row, ...], caller: str | None = None) -> list[Row]:
        return [row for row in rows if cls.present(row) and caller in (None, row.caller)]


@pytest.mark.parametrize(
    "recording", [each for each in RECORDINGS if each.after is not None], ids=lambda recording: str(recording.id)
)
def test_snapshots_afterwards(recording: Recording, played: Mapping[str, Played]) -> None:
    assert recording.after is not None
    seen = played[recording.id]
    assert {(str(row.number), row.default, row.userdata.get(IN_PROGRESS) == "yes") for row in seen.snapshots} == {
        (seen.numbers[state.number], state.default, state.in_progress) for state in recording.after
    }
