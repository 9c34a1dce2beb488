# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a collection costs, and what people look at, in seconds and CPU seconds, on a machine with many snapshots.

Warm: with everything kept by the kernel. cold_seconds, with its caches dropped, needs /proc/sys/vm/drop_caches, which
is the whole host's. growth has the warm seconds at a fifth, at once and at twice the number of snapshots: it should be
linear. reference_seconds is find(1), which prints where the links in the same folders lead, python_seconds a Python
that does nothing.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Sequence
from typing import Any

from tests.benchmarks.machine import Measured, link_images, measure, site
from tests.on_lab.site import Site

# Runs in the lab: snapshots as snapper and 50-etc make them, but without starting either for each.
_MAKE = """
import os, sys
import btrfsutil
first, last, links, versions = (int(word) for word in sys.argv[1:5])
names = sorted(os.listdir("/var/lib/sysext-store"))
for number in range(first, last + 1):
    folder = f"/.snapshots/{number}"
    os.mkdir(folder)
    btrfsutil.create_snapshot("/.snapshots/1/snapshot", f"{folder}/snapshot")
    os.rmdir(f"{folder}/snapshot/etc")
    btrfsutil.create_snapshot("/.snapshots/1/snapshot/etc", f"{folder}/snapshot/etc")
    for offset in range(links):
        name = names[(number + offset) % len(names)]
        other = number % versions  # of all but one there is only the link
        target = name.replace("-1.0.", f"-1.{other}.")
        os.symlink(f"/var/lib/sysext-store/{target}", f"{folder}/snapshot/etc/extensions/{name.partition('-')[0]}.raw")
    btrfsutil.set_subvolume_read_only(f"{folder}/snapshot")
    with open(f"{folder}/info.xml", "w") as file:
        file.write(open("/.snapshots/1/info.xml").read().replace("<num>1<", f"<num>{number}<"))
btrfsutil.sync("/.snapshots")
"""

_COLLECT = ("gc",)
_COMMANDS = (("status",), ("check",), ("settle",), ("snapshots",))


def options(parser: argparse.ArgumentParser) -> None:
    """The options."""
    parser.add_argument("--snapshots", type=int, default=500, help="snapshots (500)")
    parser.add_argument("--images", type=int, default=50, help="images in the store (50)")
    parser.add_argument("--links", type=int, default=10, help="links of each snapshot (10)")
    parser.add_argument("--versions", type=int, default=1, help="versions of each that snapshots link in turn (1)")
    parser.add_argument("--runs", type=int, default=9, help="runs of each (9); the median counts")


def run(arguments: argparse.Namespace) -> dict[str, Any]:
    """Measure."""
    with site() as (machine, _):
        link_images(machine, arguments.images)
        growth: dict[str, float] = {}
        there = max(machine.numbers())
        for count in (arguments.snapshots // 5, arguments.snapshots):
            there = _grow(machine, there, count, arguments)
            warm = _warm(machine, _COLLECT, arguments.runs)
            growth[str(count)] = round(warm.median, 3)
        commands: dict[str, float] = {}
        for words in _COMMANDS:
            measured = _warm(machine, words, arguments.runs)
            commands[f"{words[0]}_seconds"] = round(measured.median, 3)
            commands[f"{words[0]}_cpu_seconds"] = round(measured.median_cpu, 3)
        reference = _reference(machine, arguments)
        least = measure(machine.lab, ["/usr/bin/python3", "-Ic", "pass"], runs=arguments.runs)
        cold = [_cold(machine) for _ in range(min(5, arguments.runs))]
        count = arguments.snapshots * 2
        _grow(machine, there, count, arguments)
        growth[str(count)] = round(_warm(machine, _COLLECT, arguments.runs).median, 3)
    return {
        "snapshots": arguments.snapshots,
        "images": arguments.images,
        "links": arguments.links,
        "versions": arguments.versions,
        "warm_seconds": round(warm.median, 3),
        "warm_cpu_seconds": round(warm.median_cpu, 3),
        "reference_seconds": round(reference.median, 3),
        "python_seconds": round(least.median, 4),
        "references": round((warm.median - least.median) / reference.median, 2),
        "cold_seconds": round(statistics.median(cold), 3),
        **commands,
        "growth": growth,
    }


def _grow(machine: Site, there: int, count: int, arguments: argparse.Namespace) -> int:
    numbers = (there + 1, count, arguments.links, arguments.versions)
    machine.lab.run(["python3", "-c", _MAKE, *map(str, numbers)], timeout=600)
    return count


def _warm(machine: Site, words: Sequence[str], runs: int) -> Measured:
    argv = ["/usr/bin/tukit-sysext", *words]
    measure(machine.lab, argv)  # what changed since the last one is remembered then
    measured = measure(machine.lab, argv, runs=runs)
    if measured.statuses != {0}:
        raise SystemExit(f"tests/bench: tukit-sysext {' '.join(words)} did not do what it is measured for")
    return measured


def _reference(machine: Site, arguments: argparse.Namespace) -> Measured:
    folders = [f"/.snapshots/{number}/snapshot/etc/extensions" for number in sorted(machine.numbers())]
    argv = ["/usr/bin/find", *folders, "-type", "l", "-printf", "%l\n"]
    found = machine.lab.run(argv).stdout.count("\n")
    if found < arguments.snapshots * arguments.links // 2:
        raise SystemExit(f"tests/bench: find found {found} links")
    return measure(machine.lab, argv, runs=arguments.runs)


def _cold(machine: Site) -> float:
    machine.lab.run(["sync"])
    with open("/proc/sys/vm/drop_caches", "w") as file:
        file.write("3\n")
    return measure(machine.lab, ["/usr/bin/tukit-sysext", *_COLLECT]).median
