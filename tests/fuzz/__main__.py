# SPDX-License-Identifier: LGPL-2.1-or-later
"""``python -m tests.fuzz``: the long run. Prints executions, time and result of each target, and the seed."""

from __future__ import annotations

import argparse
import logging
import sys
import time
import traceback
from collections.abc import Sequence
from random import SystemRandom

from tests.fuzz.engine import Failure, grows_too_fast, run
from tests.fuzz.targets import TARGETS


def main(arguments: Sequence[str] | None = None) -> int:
    """Run all targets; 1 where one failed."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--executions", type=int, default=1_000_000, metavar="N", help="in all (default: 1000000)")
    parser.add_argument("--seed", type=int, default=None, metavar="N", help="of a run that is to be repeated")
    parser.add_argument("--target", action="append", metavar="NAME", help="only this one (may be given several times)")
    chosen = parser.parse_args(arguments)
    seed = SystemRandom().randrange(2**32) if chosen.seed is None else chosen.seed
    targets = [target for target in TARGETS if not chosen.target or target.name in chosen.target]
    if not targets:
        parser.error(f"there is no such target; there are: {', '.join(target.name for target in TARGETS)}")
    logging.disable(logging.CRITICAL)  # millions of warnings, of which each would be formatted
    print(f"seed {seed}", flush=True)
    print(f"{'executions':>10} {'a second':>9} {'slowest':>9}  target", flush=True)
    failures: list[Failure] = []
    executions, started = 0, time.monotonic()
    shares = sum(target.share for target in targets)
    for target in targets:
        done = run(target, -int(-chosen.executions * target.share // shares), seed)
        executions += done.executions
        failure = done.failure or grows_too_fast(target)
        speed = done.executions / max(done.seconds, 1e-9)
        result = "" if failure is None else "  FAILED"
        print(f"{done.executions:>10} {speed:>9.0f} {done.slowest * 1000:>6.1f} ms  {target.name}{result}", flush=True)
        if failure is not None:
            failures.append(failure)
            _tell(failure)
    took = time.monotonic() - started
    print(f"{executions} executions of {len(targets)} targets in {took:.0f} s, seed {seed}: {len(failures)} failed")
    return 1 if failures else 0


def _tell(failure: Failure) -> None:
    print(f"{failure.target}: {failure.data!r}", file=sys.stderr)
    traceback.print_exception(failure.error, file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
