# SPDX-License-Identifier: LGPL-2.1-or-later
"""Seconds for settling ten spooled events, the start of the process included.

The events are those of one transaction and one snapshot, on a machine whose snapshots all have images.
"""

from __future__ import annotations

import argparse
import statistics
from typing import Any

from tests.benchmarks.machine import link_images, measure, site

_SNAPPER = "/usr/lib/snapper/plugins/60-tukit-sysext"
_TUKIT = "/usr/lib/tukit/plugins/50-tukit-sysext"
_TEN = (
    f"{_SNAPPER} create-snapshot / btrfs {{0}}",
    f"{_SNAPPER} create-snapshot-post / btrfs {{0}}",
    f"{_SNAPPER} modify-snapshot / btrfs {{0}}",
    f"{_SNAPPER} modify-snapshot-post / btrfs {{0}}",
    f"{_SNAPPER} set-read-only-post / btrfs {{0}}",
    f"{_SNAPPER} set-default-snapshot / btrfs {{0}}",
    f"{_SNAPPER} set-default-snapshot-post / btrfs {{0}}",
    f"{_TUKIT} finalize-post {{0}}",
    f"{_SNAPPER} create-snapshot-post / btrfs {{1}}",
    f"{_SNAPPER} modify-snapshot-post / btrfs {{1}}",
)


def options(parser: argparse.ArgumentParser) -> None:
    """The options."""
    parser.add_argument("--snapshots", type=int, default=20, help="snapshots of the machine (20)")
    parser.add_argument("--images", type=int, default=5, help="wanted images (5)")
    parser.add_argument("--runs", type=int, default=10, help="runs (10); the median counts")


def run(arguments: argparse.Namespace) -> dict[str, Any]:
    """Measure."""
    with site() as (machine, _):
        lab = machine.lab
        lab.path("/run/systemd/system").mkdir(parents=True)
        link_images(machine, arguments.images)
        lab.path("/run/systemd/system").mkdir(parents=True)
        lab.run(["systemd-tmpfiles", "--create", "tukit-sysext.conf"])
        numbers = sorted(machine.numbers())
        while len(numbers) < arguments.snapshots:
            numbers.append(int(lab.run(["snapper", "--no-dbus", "create", "-p"]).stdout))
        machine.command("settle")
        idle = measure(lab, ["/usr/bin/tukit-sysext", "settle"], runs=arguments.runs)
        seconds: list[float] = []
        for turn in range(arguments.runs):
            # other snapshots each time, so that there is something to remember
            chosen = (numbers[turn % len(numbers)], numbers[(turn + 1) % len(numbers)])
            lab.run(["sh", "-c", "; ".join(_TEN).format(*chosen)])
            if len(machine.events()) != len(_TEN):
                raise SystemExit("tests/bench: the events were not written down")
            done = measure(lab, ["/usr/bin/tukit-sysext", "settle"])
            if done.statuses != {0} or machine.events():
                raise SystemExit("tests/bench: the events were not settled")
            seconds.append(done.median)
    return {
        "settle_seconds": round(statistics.median(seconds), 3),
        "idle_seconds": round(idle.median, 3),
        "snapshots": len(numbers),
    }
