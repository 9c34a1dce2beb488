# SPDX-License-Identifier: LGPL-2.1-or-later
"""What we add to a whole ``tukit execute true`` that changes nothing, in seconds and CPU seconds.

As the difference to the same transaction without our plugins of tukit and snapper, each after the other; with systemd,
which settles later, and without it, as in an image build. cpu_seconds are those of all processes of the transaction.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.benchmarks.machine import Measured, link_images, measure, site
from tests.on_lab.site import Site

_TUKIT = "/usr/sbin/tukit"
_PLUGINS = ("/usr/lib/tukit/plugins/50-tukit-sysext", "/usr/lib/snapper/plugins/60-tukit-sysext")


def options(parser: argparse.ArgumentParser) -> None:
    """The options."""
    parser.add_argument("--images", type=int, default=5, help="wanted images (5)")
    parser.add_argument("--runs", type=int, default=9, help="transactions of each kind (9); the median counts")


def run(arguments: argparse.Namespace) -> dict[str, Any]:
    """Measure."""
    with site() as (machine, _):
        link_images(machine, arguments.images)
        figures: dict[str, float] = {}
        for name in ("with_systemd", "without_systemd"):
            if name == "with_systemd":
                machine.lab.path("/run/systemd/system").mkdir(parents=True)
            ours, theirs = list[Measured](), list[Measured]()
            for _turn in range(arguments.runs):
                with _without_plugins(machine):
                    theirs.append(_transaction(machine))
                ours.append(_transaction(machine))
                if machine.events() and name == "without_systemd":
                    raise SystemExit("tests/bench: a transaction was not settled")
                machine.command("settle")
            if name == "with_systemd":
                machine.lab.path("/run/systemd/system").rmdir()
            added = [one.median - other.median for one, other in zip(ours, theirs, strict=True)]
            cpu = [one.median_cpu - other.median_cpu for one, other in zip(ours, theirs, strict=True)]
            figures[f"{name}_seconds"] = round(statistics.median(added), 3)
            figures[f"{name}_cpu_seconds"] = round(statistics.median(cpu), 3)
            figures[f"{name}_whole_seconds"] = round(statistics.median(one.median for one in ours), 3)
    return {"images": arguments.images, **figures}


def _transaction(machine: Site) -> Measured:
    done = measure(machine.lab, [_TUKIT, "execute", "true"])
    if done.statuses != {0}:
        raise SystemExit("tests/bench: a transaction failed")
    return done


@contextmanager
def _without_plugins(machine: Site) -> Iterator[None]:
    """Something that does nothing stands in the place of our plugins meanwhile."""
    for plugin in _PLUGINS:
        machine.lab.run(["mount", "--bind", "/usr/bin/true", plugin])
    try:
        yield
    finally:
        for plugin in _PLUGINS:
            machine.lab.run(["umount", plugin])
