# SPDX-License-Identifier: LGPL-2.1-or-later
"""``python -m tests.model --steps 200000 --seed N``: a long run, its figure as one JSON object in the last line."""

from __future__ import annotations

import argparse
import json
import logging
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from hypothesis import HealthCheck, Phase, Verbosity, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.model.machine import Snapshots

STEPS = 50
"""In the life of one machine, at most."""

BATCH = 100
"""Machines between two lines of progress."""


def run(machine: type[Snapshots], *, examples: int, number: int) -> None:
    """Let machines live, with this seed. Raises what they raise, with the fewest steps that lead to it."""
    with _without_log():
        run_state_machine_as_test(
            seed(number)(type(machine.__name__, (machine,), {})),
            settings=settings(
                max_examples=examples,
                stateful_step_count=STEPS,
                deadline=None,
                database=None,
                phases=(Phase.generate, Phase.shrink),
                verbosity=Verbosity.normal,
                suppress_health_check=list(HealthCheck),
                print_blob=False,
                report_multiple_bugs=False,
            ),
        )


@contextmanager
def _without_log() -> Iterator[None]:
    """Nobody reads what thousands of steps log; the level is back afterwards, also where a machine cannot be made."""
    logger = logging.getLogger("tukit_sysext")
    level = logger.level
    logger.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        logger.setLevel(level)


def figures(machine: type[Snapshots]) -> dict[str, Any]:
    """How many steps there were, of which kinds, and what came of them."""
    return {
        "steps": machine.taken.total(),
        "rules": dict(sorted(machine.taken.items())),
        "seen": dict(sorted(machine.seen.items())),
    }


def main() -> int:
    """Run until there were enough steps."""
    parser = argparse.ArgumentParser(prog="python -m tests.model", description=__doc__)
    parser.add_argument("--steps", type=int, default=200_000, help="effective steps (200000)")
    parser.add_argument("--seed", type=int, default=1, help="seed of the first batch; it grows by one with each (1)")
    arguments = parser.parse_args()
    started, number = time.monotonic(), arguments.seed
    while Snapshots.taken.total() < arguments.steps:
        try:
            run(Snapshots, examples=BATCH, number=number)
        except BaseException:
            print(f"seed {number}, after {Snapshots.taken.total()} steps", file=sys.stderr)
            raise
        number += 1
        print(f"{Snapshots.taken.total()} steps, {time.monotonic() - started:.0f} s, seed {number}", flush=True)
    seconds = round(time.monotonic() - started)
    print(json.dumps({"seed": arguments.seed, "batches": number - arguments.seed, "seconds": seconds,
                      **figures(Snapshots)}))  # fmt: skip
    return 0


if __name__ == "__main__":
    sys.exit(main())
