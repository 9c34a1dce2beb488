# SPDX-License-Identifier: LGPL-2.1-or-later
"""``python -m tests.powercuts``: see the package. Ends with 1 where a point lost something, and names it."""

from __future__ import annotations

import argparse
import itertools
import os
import subprocess
import sys
import tempfile
import time
from bisect import bisect_left
from collections.abc import Iterator
from pathlib import Path
from random import Random

from tests.lab import Flavour, LabError
from tests.powercuts import judging
from tests.powercuts.blocklog import Entry, read_entries
from tests.powercuts.cuts import Cut, choose, flushed, survivors
from tests.powercuts.recording import Recording, record
from tests.powercuts.survivor import Replay, Survivor
from tests.rpm import TOP

_UNITS = ("tukit-sysext-boot.service", "tukit-sysext-merge.service", "systemd-sysext.service")


def main() -> int:
    """Record a run, or take one, and cut the power."""
    arguments = _parser().parse_args()
    if arguments.recording is not None:
        folder = Path(arguments.recording)
        if not folder.exists():
            folder.mkdir(parents=True)
            record(folder, flavour=Flavour(arguments.layout), top=arguments.project)
        return _judge(Recording.load(folder), arguments)
    with tempfile.TemporaryDirectory(prefix="tukit-powercuts-", dir="/dev/shm") as name:
        return _judge(record(Path(name), flavour=Flavour(arguments.layout), top=arguments.project), arguments)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.powercuts", description="Power cuts of a virtual machine.")
    layouts = [flavour.value for flavour in Flavour]
    parser.add_argument("--layout", choices=layouts, default="tumbleweed", help="of the disk (default: %(default)s)")
    parser.add_argument("--points", type=int, default=100, help="so many (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="another choice of points and writes")
    parser.add_argument("--point", type=int, action="append", help="only this one of them, by its number")
    parser.add_argument("--recording", metavar="FOLDER", help="keep the run there, or take the one that is there")
    parser.add_argument("--project", type=Path, default=TOP, metavar="FOLDER", help="record this one's package")
    parser.add_argument("--look", action="store_true", help="only look at each disk, boot none")
    return parser


def _judge(recording: Recording, arguments: argparse.Namespace) -> int:
    with open(recording.log, "rb") as log:
        entries = list(read_entries(log))
    starts = [entry.at for entry in entries]
    ends = [bisect_left(starts, step.size) for step in recording.steps]
    # a point in a step: after its first entry, at most after all of them
    ranges = [range(before + 1, end + 1) for before, end in itertools.pairwise(ends)]
    cuts = choose(entries, ranges, arguments.points, Random(arguments.seed))
    began, failed, judged = time.monotonic(), [], 0
    replay = Replay(recording.disk, recording.log)
    try:
        for number, cut in enumerate(cuts, 1):
            if arguments.point and number not in arguments.point:
                continue
            step = next(index for index, end in enumerate(ends) if cut.entries <= end)
            random = Random(f"{arguments.seed} {cut.entries}")
            since = flushed(entries, cut.entries)
            wrong = _wrong(recording, step, entries, replay, cut, since, random, look_only=arguments.look)
            judged += 1
            about = f"{number}: after entry {cut}, {cut.entries - since} unflushed, in {recording.steps[step].what}"
            print(f"{'LOST' if wrong else 'ok'} {about}", *wrong, sep="\n    ", flush=True)
            if wrong:
                failed.append(number)
    finally:
        replay.close()
    print(f"{judged} points of {len(entries)} entries, {len(failed)} lost, {time.monotonic() - began:.0f} s")
    return 1 if failed or not judged else 0


def _wrong(
    recording: Recording, step: int, entries: list[Entry], replay: Replay, cut: Cut, since: int, random: Random, *,
    look_only: bool,
) -> list[str]:  # fmt: skip
    replay.advance(entries, since)
    disk = replay.with_more(survivors(entries, since, cut, random))
    try:
        machine = Survivor.of(disk, flavour=recording.flavour)
    except BaseException:
        os.close(disk)
        raise
    before, after = (recording.steps[index].holding for index in (step - 1, step))
    last_sync = max(index for index in range(step) if recording.steps[index].synced)
    defaults = {each.holding.default for each in recording.steps[last_sync : step + 1]}
    with machine:
        try:
            found = machine.look()
            wrong = [*judging.lost(found, before, after, recording.published, defaults)]
            if not wrong and not look_only:
                wrong = [*_booted(machine, found, recording)]
        except (LabError, subprocess.SubprocessError) as error:
            wrong = [f"{error}", *getattr(error, "__notes__", ())]
    return wrong


def _booted(machine: Survivor, found: judging.Holding, recording: Recording) -> Iterator[str]:
    """What is wrong after the boot, an update and a collection."""
    try:
        machine.boot_again()
    except LabError as error:
        yield f"does not boot: {error} ({machine.ending()})"
        return
    yield from judging.runs(found, machine.merged())
    failed = [unit for unit in machine.failed_units() if unit in _UNITS or unit.startswith("tukit-sysext")]
    if failed:
        yield f"failed: {failed}"
    for words in (["update"], ["gc"], ["verify"]):
        done = machine.run(["tukit-sysext", *words], check=False, timeout=120)
        if done.returncode != 0:
            yield f"tukit-sysext {words[0]} ends with {done.returncode}: {done.stdout}{done.stderr}"
    machine.run(["sync"])
    machine.kill()
    then = machine.look()
    yield from judging.lost(then, then, then, recording.published, [found.default])


if __name__ == "__main__":
    if os.geteuid() != 0:
        raise SystemExit("python -m tests.powercuts: needs root, as it mounts file systems")
    sys.exit(main())
