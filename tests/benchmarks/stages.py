# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the hook costs at the stages of a transaction, in milliseconds, beside sh -c : as the least that a plugin costs.

noop: a stage that is not ours; event: one that is written down where systemd runs; finalize_idle: finalize-pre with
nothing to do and everything kept (a source on a server without delay, signed).
"""

from __future__ import annotations

import argparse
from typing import Any

from tests.benchmarks.machine import link_images, measure, site

_HOOK = "/usr/lib/tukit/plugins/50-tukit-sysext"


def options(parser: argparse.ArgumentParser) -> None:
    """The options."""
    parser.add_argument("--images", type=int, default=5, help="wanted images (5)")
    parser.add_argument("--runs", type=int, default=50, help="runs of each (50); the median counts")


def run(arguments: argparse.Namespace) -> dict[str, Any]:
    """Measure."""
    with site() as (machine, _):
        lab = machine.lab
        link_images(machine, arguments.images)
        lab.tukit("open", check=True)
        number = max(machine.numbers())
        finalize = [_HOOK, "finalize-pre", f"/.snapshots/{number}/snapshot", str(number)]
        shell = measure(lab, ["/bin/sh", "-c", ":"], runs=arguments.runs)
        noop = measure(lab, [_HOOK, "execute-pre", "/tmp/x", str(number), "true"], runs=arguments.runs)
        idle = measure(lab, finalize, runs=max(5, arguments.runs // 5))
        lab.path("/run/systemd/system").mkdir(parents=True)
        event = measure(lab, [_HOOK, "finalize-post", str(number)], runs=arguments.runs)
        written = len(machine.events())
    if idle.statuses != {0} or written != arguments.runs:
        raise SystemExit("tests/bench: a stage did not do what it is measured for")
    return {
        "noop_ms": round(noop.median * 1000, 2),
        "sh_ms": round(shell.median * 1000, 2),
        "event_ms": round(event.median * 1000, 2),
        "finalize_idle_ms": round(idle.median * 1000, 1),
        "noop_ratio": round(noop.median / shell.median, 2),
    }
