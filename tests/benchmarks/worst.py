# SPDX-License-Identifier: LGPL-2.1-or-later
"""How long an update takes while all that it waits for is slow, silent, endless, locked, or beyond SIGKILL, at once.

The limits are set to a second or a few, and what they add up to is computed by the code that computes it from the
defaults (tukit_sysext.waits). Ends with a failure where that, and what a run without any of it takes, are exceeded.
With --without LIMIT that one is an hour, which is none: it fails where the same bound is not exceeded then.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Mapping
from typing import Any

from tests.benchmarks.hostile import DIRECTORIES, IMAGES, NAMELESS, PLUGINS, SERVERS, HostileSite
from tests.benchmarks.machine import site
from tukit_sysext.waits import WAITS, worst

LIMITS: Mapping[str, float] = {
    "finding_out": 5,
    "image_deadline": 4,
    "last_check.py:PATIENCE": 1,
    "ledger/schema.py:_BUSY_SECONDS": 0.5,
    "net/libcurl.py:_SERVER_TIMEOUT": 1,
    "plugins/manager.py:LIMIT": 2,
    "sources/seen.py:_PATIENCE": 0.5,
    "system/gpgv.py:_TIMEOUT": 1,
    "system/inspect_image.py:_TIMEOUT": 1,
    "system/look_through.py:_TIMEOUT": 1,
    "system/compare_images.py:_TIMEOUT": 1,
    "system/journal.py:_PATIENCE": 1,
    "system/rpm_database.py:_TIMEOUT": 1,
    "system/lock.py:_PATIENCE": 1,
    "system/process.py:LEFT_AFTER": 0.5,
    "system/unpack.py:_TIMEOUT": 1,
}
"""Seconds of each limit here, as the table of waits names it."""
_NONE = 3600.0
_SOMETHING = 12.0
"""Seconds for what is no waiting: judging a thousand versions, twenty thousand files, a loaded machine."""


def options(parser: argparse.ArgumentParser) -> None:
    """The options."""
    parser.add_argument("--versions", type=int, default=1000, help="versions of an image of which none fits (1000)")
    parser.add_argument(
        "--without", choices=[*LIMITS, "all"], metavar="LIMIT", help=f"one of {', '.join(LIMITS)}; all: one by one"
    )


def run(arguments: argparse.Namespace) -> dict[str, Any]:
    """Measure."""
    if {wait.where for wait in WAITS} != set(LIMITS):
        raise SystemExit("tests/bench: the table of waits has other limits")
    if arguments.without is None:
        figures = _measure(arguments.versions, LIMITS)
        if not figures["ended"] or figures["processes_left"]:
            raise SystemExit(f"tests/bench: the bound is exceeded: {figures}")
        return figures
    without = list(LIMITS) if arguments.without == "all" else [arguments.without]
    found = {limit: _measure(arguments.versions, {**LIMITS, limit: _NONE}) for limit in without}
    needless = [limit for limit, figures in found.items() if figures["ended"]]
    if needless:
        raise SystemExit(f"tests/bench: without {', '.join(needless)} the bound is held too: {found}")
    return {"exceeded_without": without, "bound_seconds": found[without[0]]["bound_seconds"]}


def _measure(versions: int, limits: Mapping[str, float]) -> dict[str, Any]:
    bound = worst(
        sources=SERVERS + DIRECTORIES + NAMELESS,
        directories=DIRECTORIES,
        images=IMAGES,
        plugins=PLUGINS,
        limits=LIMITS,
    )
    with site(sources=SERVERS) as (machine, webs):
        begun = time.monotonic()
        machine.lab.tukit("execute", "true", check=True)
        bound += time.monotonic() - begun + _SOMETHING
        hostile = HostileSite(machine, webs, limits)
        hostile.make(versions=versions)
        begun = time.monotonic()
        ended = hostile.finalize(longest=bound)
        seconds = time.monotonic() - begun
        return {
            "seconds": round(seconds, 1),
            "bound_seconds": round(bound, 1),
            "ended": ended,
            "requests": [len(web.server.requests) for web in webs],
            "processes_left": len(machine.hook_processes()),
        }
