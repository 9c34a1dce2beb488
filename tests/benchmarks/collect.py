# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a collection costs, in seconds, on a machine with many snapshots: with everything kept by the kernel, and with
its caches dropped.

cold_seconds needs /proc/sys/vm/drop_caches, which is the whole host's. growth has the warm seconds at a fifth, at once
and at twice the number of snapshots: it should be linear.
"""

from __future__ import annotations

import argparse
import statistics
from typing import Any

from tests.benchmarks.machine import measure, site
from tests.on_lab.site import OLD, Site

# Runs in the lab: snapshots as snapper and 50-etc make them, but without starting either for each.
_MAKE = """
import os, sys
import btrfsutil
first, last, images = (int(word) for word in sys.argv[1:4])
names = sorted(os.listdir("/var/lib/sysext-store"))
for number in range(first, last + 1):
    folder = f"/.snapshots/{number}"
    os.mkdir(folder)
    btrfsutil.create_snapshot("/.snapshots/1/snapshot", f"{folder}/snapshot")
    os.rmdir(f"{folder}/snapshot/etc")
    btrfsutil.create_snapshot("/.snapshots/1/snapshot/etc", f"{folder}/snapshot/etc")
    for offset in range(10):
        name = names[(number + offset) % len(names)]
        os.symlink(f"/var/lib/sysext-store/{name}", f"{folder}/snapshot/etc/extensions/{name.partition('-')[0]}.raw")
    btrfsutil.set_subvolume_read_only(f"{folder}/snapshot")
    with open(f"{folder}/info.xml", "w") as file:
        file.write(open("/.snapshots/1/info.xml").read().replace("<num>1<", f"<num>{number}<"))
btrfsutil.sync("/.snapshots")
"""

_COLLECT = ["/usr/bin/tukit-sysext", "gc", "--json"]


def options(parser: argparse.ArgumentParser) -> None:
    """The options."""
    parser.add_argument("--snapshots", type=int, default=500, help="snapshots with ten images each (500)")
    parser.add_argument("--images", type=int, default=50, help="images in the store (50)")
    parser.add_argument("--runs", type=int, default=9, help="runs of each (9); the median counts")


def run(arguments: argparse.Namespace) -> dict[str, Any]:
    """Measure."""
    with site() as (machine, _):
        for image in range(arguments.images):
            machine.publish(f"image{image:02}", "1.0", OLD)
            machine.want(f"image{image:02}")
        machine.lab.tukit("execute", "true", check=True)
        machine.lab.reboot()
        growth: dict[str, float] = {}
        there = max(machine.numbers())
        for count in (arguments.snapshots // 5, arguments.snapshots):
            there = _grow(machine, there, count, arguments.images)
            growth[str(count)] = _warm(machine, arguments.runs)
        cold = [_cold(machine) for _ in range(min(5, arguments.runs))]
        count = arguments.snapshots * 2
        _grow(machine, there, count, arguments.images)
        growth[str(count)] = _warm(machine, arguments.runs)
    return {
        "snapshots": arguments.snapshots,
        "images": arguments.images,
        "warm_seconds": growth[str(arguments.snapshots)],
        "cold_seconds": round(statistics.median(cold), 3),
        "growth": growth,
    }


def _grow(machine: Site, there: int, count: int, images: int) -> int:
    machine.lab.run(["python3", "-c", _MAKE, str(there + 1), str(count), str(images)], timeout=600)
    return count


def _warm(machine: Site, runs: int) -> float:
    found = measure(machine.lab, _COLLECT, runs=runs)
    if found.statuses != {0}:
        raise SystemExit("tests/bench: a collection did not do what it is measured for")
    return round(found.median, 3)


def _cold(machine: Site) -> float:
    machine.lab.run(["sync"])
    with open("/proc/sys/vm/drop_caches", "w") as file:
        file.write("3\n")
    return measure(machine.lab, _COLLECT).median
