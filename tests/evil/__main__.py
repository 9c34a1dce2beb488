# SPDX-License-Identifier: LGPL-2.1-or-later
"""``python -m tests.evil``: the long form. Prints the seed first, and each run in which something does not hold."""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from collections.abc import Sequence
from random import SystemRandom

from tests.evil.attack import attack
from tests.evil.world import World


def main(arguments: Sequence[str] | None = None) -> int:
    """Carry out runs; 1 where something did not hold in one."""
    parser = argparse.ArgumentParser(prog="python -m tests.evil", description=__doc__)
    parser.add_argument("--runs", type=int, default=500, metavar="N", help="default: 500")
    parser.add_argument("--seed", type=int, default=None, metavar="N", help="of runs that are to be repeated")
    parser.add_argument("--only", type=int, default=None, metavar="N", help="the run of this number alone")
    parser.add_argument("-v", "--verbose", action="store_true", help="print every run")
    chosen = parser.parse_args(arguments)
    seed = SystemRandom().randrange(2**32) if chosen.seed is None else chosen.seed
    print(f"seed {seed}", flush=True)
    world = World()
    failed, requests, slowest, started = 0, 0, 0.0, time.monotonic()
    outcomes: Counter[str] = Counter()
    numbers = range(chosen.runs) if chosen.only is None else [chosen.only]
    for number in numbers:
        run = attack(world, seed, number)
        failed += bool(run.wrong)
        requests += run.requests
        slowest = max(slowest, run.seconds)
        outcomes[run.outcome] += 1
        if run.wrong or chosen.verbose:
            print(run, flush=True)
    for outcome, count in outcomes.most_common():
        print(f"{count:>6}  {outcome}")
    took = time.monotonic() - started
    figures = f"{len(numbers)} runs, {requests} requests in {took:.0f} s, the slowest {slowest:.1f} s"
    print(f"{figures}, seed {seed}: {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
