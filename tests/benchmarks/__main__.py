# SPDX-License-Identifier: LGPL-2.1-or-later
"""``python -m tests.benchmarks NAME``: one benchmark, its figures as one JSON object in the last line."""

from __future__ import annotations

import argparse
import json
import sys

from tests.benchmarks import (
    boot,
    cli,
    collect,
    delta,
    fetch,
    publish,
    requirements,
    resolve,
    settle,
    stages,
    transaction,
    worst,
)

BENCHMARKS = {
    "resolve": resolve,
    "stages": stages,
    "fetch": fetch,
    "delta": delta,
    "collect": collect,
    "settle": settle,
    "transaction": transaction,
    "cli": cli,
    "worst": worst,
    "boot": boot,
    "publish": publish,
    "requirements": requirements,
}


def main() -> int:
    """Run the benchmark that is named."""
    parser = argparse.ArgumentParser(prog="tests/bench", description="Measures on a machine in a folder.")
    names = parser.add_subparsers(dest="name", required=True, metavar="NAME")
    for name, module in BENCHMARKS.items():
        module.options(names.add_parser(name, help=(module.__doc__ or "").splitlines()[0], description=module.__doc__))
    arguments = parser.parse_args()
    print(json.dumps(BENCHMARKS[arguments.name].run(arguments)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
