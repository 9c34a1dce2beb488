# SPDX-License-Identifier: LGPL-2.1-or-later
"""``python -m tests.crash``: see the package. Ends with 1 where a point broke something, and names it."""

from __future__ import annotations

import argparse
import hashlib
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from tests.crash import checks
from tests.crash.ground import Ground, memory
from tests.crash.leaving import SYNCS, Sync
from tests.crash.order import unwaited
from tests.crash.points import END, NOT_STRUCK, Bench, Fault, Point, Reference, is_step
from tests.crash.scenarios import NAMES, Publisher, Scenarios
from tests.lab.server import Server

_INSIDE = "--inside"
_WIDTH = 300
_TELL = 100
"""Points between two lines that tell how far it is."""


def main() -> int:
    """Run what is asked for in a mount namespace of its own."""
    arguments = _parser().parse_args()
    if arguments.inside is None:
        with tempfile.TemporaryDirectory(prefix="tukit-crash-") as folder:
            command = ["unshare", "--mount", "--propagation", "private", sys.executable, "-m", "tests.crash"]
            return subprocess.run([*command, *sys.argv[1:], _INSIDE, folder], check=False).returncode
    return _run(arguments)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.crash", description="Crashes at every step.")
    parser.add_argument("--scenario", action="append", choices=NAMES, help="only this one")
    parser.add_argument("--fault", action="append", choices=[*Fault], help="only this one")
    parser.add_argument("--point", action="append", metavar="POINT", help="only this one, as it is printed")
    parser.add_argument("--part", metavar="N/M", default="1/1", help="every M-th point, from the N-th on")
    parser.add_argument("--subset", action="store_true", help="a fixed choice with every kind of step")
    parser.add_argument(
        "--leave-out",
        nargs="?",
        const="",
        metavar="WHAT",
        help="leave out each wait for the disk, or this one",
    )
    parser.add_argument("--list", action="store_true", help="only print the points")
    parser.add_argument(_INSIDE, help=argparse.SUPPRESS)
    return parser


def _run(arguments: argparse.Namespace) -> int:
    folder = Path(arguments.inside)
    memory(folder)
    publisher = Publisher(folder / "published")
    ground = Ground(folder)
    counted: Counter[str] = Counter()
    failed: list[str] = []
    turns: dict[str, int] = {}
    began = time.monotonic()
    with Server(publisher.folders) as server:
        scenarios = Scenarios(ground, publisher, server.url)
        published = _hashes(publisher)
        if arguments.leave_out is not None:
            chosen = [sync for sync in SYNCS if sync.scenario in _names(arguments)]
            chosen = [sync for sync in chosen if arguments.leave_out in ("", sync.what)]
            benches = {sync.scenario: Bench(ground, scenarios[sync.scenario], published) for sync in chosen}
            return _leave_out(ground, benches, chosen)
        for name in _names(arguments):
            bench = Bench(ground, scenarios[name], published)
            reference = bench.count()
            points = _subset(bench, reference, turns) if arguments.subset else bench.points(reference)
            for point in _chosen(arguments, points):
                counted[f"{name} {point.fault}"] += 1
                if arguments.list:
                    print(f"{point.name:32} {point.call.about}")
                    continue
                wrong = bench.wrong(point, reference)
                if wrong:
                    failed.append(point.name)
                    print(f"BROKEN {point.name}  {point.call.about}", *wrong, sep="\n    ", flush=True)
                if counted.total() % _TELL == 0:
                    print(f"{counted.total()} points, at {point.name}", file=sys.stderr, flush=True)
    for kind, number in counted.items():
        print(f"{number:5} {kind}")
    print(f"{counted.total()} points in {time.monotonic() - began:.0f} s, {len(failed)} broken")
    if failed:
        print("run again with:", *(f"--point {name}" for name in failed))
    return 1 if failed or not counted else 0


def _leave_out(ground: Ground, benches: Mapping[str, Bench], chosen: Sequence[Sync]) -> int:
    """Leave out each wait for the disk; a power cut must miss it, or the order of calls where no power cut can."""
    references = {name: bench.count() for name, bench in benches.items()}
    unnoticed = 0
    for sync in chosen:
        bench, reference = benches[sync.scenario], references[sync.scenario]
        ground.change(sync.edit, *sync.besides)
        counted = bench.twice()
        if [*checks.differences(reference.after, counted.after)]:
            raise SystemExit(f"{sync.what}: left out wrongly, the package does something else: {sync.edit}")
        left_out = replace(reference, calls=counted.calls)
        noticed = next(
            ((point, wrong) for point in bench.cuts(left_out) if (wrong := bench.wrong(point, left_out))), None
        )
        if noticed is not None and noticed[1][0].startswith(NOT_STRUCK):
            raise SystemExit(f"{noticed[0].name}: {noticed[1][0]}")
        by_order = next(unwaited(counted.calls), None)
        if noticed is not None:
            told = f"noticed at {noticed[0].name}: {noticed[1][0]}"
        elif sync.spare and by_order is not None:
            told = f"noticed by the order of calls alone ({by_order}), as {sync.spare}"
        else:
            unnoticed += 1
            told = "UNNOTICED"
        print(f"{sync.scenario:8} {sync.what}: {told}"[:_WIDTH], flush=True)
    print(f"{len(chosen)} left out, {unnoticed} unnoticed")
    return 1 if unnoticed or not chosen else 0


def _hashes(publisher: Publisher) -> dict[str, str]:
    return {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for folder in publisher.folders.values()
        for path in folder.glob("*.raw")
    }


def _names(arguments: argparse.Namespace) -> Sequence[str]:
    named = {point.partition(":")[0] for point in arguments.point or ()} or arguments.scenario or NAMES
    return [name for name in NAMES if name in named]


def _subset(bench: Bench, reference: Reference, turns: dict[str, int]) -> Iterator[Point]:
    """Of each kind of call one with a fault, which takes turns; where it is a step, the power goes there too."""
    others = (Fault.KILL, Fault.ENOSPC, Fault.EIO)
    chosen = {call.kind: call for call in reference.calls if call.kind not in turns}
    for kind in chosen:
        turns[kind] = len(turns)
    for point in bench.points(reference):
        if point.call is END:
            yield point
        elif chosen.get(point.call.kind) == point.call:
            power = point.fault is Fault.POWER and is_step(point.call)
            if power or point.fault is others[turns[point.call.kind] % len(others)]:
                yield point


def _chosen(arguments: argparse.Namespace, points: Iterable[Point]) -> Iterator[Point]:
    first, _, step = arguments.part.partition("/")
    for number, point in enumerate(points):
        if arguments.fault and point.fault not in arguments.fault:
            continue
        if arguments.point is not None and point.name not in arguments.point:
            continue
        if number % int(step) == int(first) - 1:
            yield point


if __name__ == "__main__":
    if os.geteuid() != 0:
        raise SystemExit("python -m tests.crash: needs root, as it mounts file systems")
    sys.exit(main())
