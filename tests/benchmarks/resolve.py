# SPDX-License-Identifier: LGPL-2.1-or-later
"""How long finding fitting images takes: tukit-sysext check against a server that answers late.

cold: nothing kept from an earlier run; warm: again, with nothing changed. Requests are those of the whole process.
Signatures and checksums are on, and the process's start counts. With --source oci the same images are in a registry,
and the directory's figures stand beside them.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

from tests.benchmarks.machine import empty_cache, measure, site
from tests.lab.made_up_registry import MadeUpRegistry
from tests.on_lab.site import NEW, OLD, Site


def options(parser: argparse.ArgumentParser) -> None:
    """The options."""
    parser.add_argument("--images", type=int, default=20, help="wanted images (20)")
    parser.add_argument("--versions", type=int, default=20, help="published versions of each (20)")
    parser.add_argument("--latency-ms", type=float, default=20, help="added to each answer (20)")
    parser.add_argument(
        "--newest-fits", type=_newest, default=1, metavar="N", help="the N-th newest is the first that fits; or none"
    )
    parser.add_argument("--runs", type=int, default=5, help="runs of each kind (5); the median counts")
    parser.add_argument(
        "--source", choices=("directory", "oci"), default="directory", help="where images are published"
    )


def _newest(text: str) -> int | None:
    return None if text == "none" else int(text)


def run(arguments: argparse.Namespace) -> dict[str, Any]:
    """Measure."""
    with site(latency_ms=arguments.latency_ms) as (machine, (web, *_)):
        for image in range(arguments.images):
            machine.want(f"image{image:02}")
            for version in range(arguments.versions):
                fits = arguments.newest_fits is not None and arguments.versions - version >= arguments.newest_fits
                release = {**(OLD if fits else NEW), **machine.identity}
                web.repository.publish(f"image{image:02}", f"1.{version}", release)
        machine.list_images()
        figures = _measured(machine, arguments, lambda: len(web.server.requests), web.server.clear)
        if arguments.source == "oci":
            with MadeUpRegistry(latency_ms=arguments.latency_ms) as registry:
                registry.publish(web.repository.folder)
                machine.add_source("main", web, urls=(registry.url,))
                of_registry = _measured(machine, arguments, lambda: len(registry.asked), registry.asked.clear)
            figures = {**of_registry, **{f"directory_{name}": figure for name, figure in figures.items()}}
    return figures


def _measured(
    machine: Site, arguments: argparse.Namespace, requests: Callable[[], int], clear: Callable[[], None]
) -> dict[str, Any]:
    """Cold and warm, with the source as it is configured."""
    # an image that no system has yet holds nothing back where nothing of it fits
    status = {0}
    cold_seconds, cold_requests, peaks = [], 0, []
    for _ in range(arguments.runs):
        empty_cache(machine)
        clear()
        cold = measure(machine.lab, ["/usr/bin/tukit-sysext", "check"])
        cold_requests = max(cold_requests, requests())
        if cold.statuses != status:
            raise SystemExit("tests/bench: a cold run failed")
        cold_seconds.append(cold.seconds[0])
        peaks.append(cold.peak_rss_mib)
    clear()
    warm = measure(machine.lab, ["/usr/bin/tukit-sysext", "check"], runs=arguments.runs)
    warm_requests = requests() / arguments.runs
    plan = machine.json("check")
    expected = f"1.{arguments.versions - arguments.newest_fits}" if arguments.newest_fits is not None else None
    if warm.statuses != status or {image["version"] for image in plan["images"]} != {expected}:
        raise SystemExit("tests/bench: the plan is not the expected one")
    return {
        "cold_requests": cold_requests,
        "cold_seconds": round(sorted(cold_seconds)[len(cold_seconds) // 2], 3),
        "warm_requests": warm_requests,
        "warm_seconds": round(warm.median, 3),
        "peak_rss_mib": round(max(*peaks, warm.peak_rss_mib), 1),
    }
