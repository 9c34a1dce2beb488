# SPDX-License-Identifier: LGPL-2.1-or-later
"""How long a transaction takes while everything that can be waited for is slow, silent, endless or a FIFO, all at once.

With short times set, so that it takes less than a minute: finding out may take --deadline, all images --image-deadline.
Ends with a failure where both together, and what a run without any of it takes, are exceeded.
"""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path
from typing import Any

from tests.benchmarks.machine import site
from tests.lab.faults import Delay, Trickle
from tests.on_lab.site import NEW, OLD, Site, Web

_SOMETHING = 12.0
"""Seconds for what is no waiting: the transaction itself, judging a thousand versions, a loaded machine."""
_SILENT = "import socket, time; s = socket.socket(2, 2); s.bind(('127.0.0.1', 53)); time.sleep(600)"


def options(parser: argparse.ArgumentParser) -> None:
    """The options."""
    parser.add_argument("--versions", type=int, default=1000, help="versions of an image of which none fits (1000)")
    parser.add_argument("--deadline", type=int, default=10, help="[Update] Deadline= in seconds (10)")
    parser.add_argument("--image-deadline", type=int, default=6, help="[Network] ImageDeadline= in seconds (6)")


def run(arguments: argparse.Namespace) -> dict[str, Any]:
    """Measure."""
    with site(sources=5) as (machine, webs):
        begun = time.monotonic()
        machine.lab.tukit("execute", "true", check=True)
        without = time.monotonic() - begun
        _make_worse(machine, webs, arguments)
        begun = time.monotonic()
        machine.lab.tukit("execute", "true")
        seconds = time.monotonic() - begun
        requests = [len(web.server.requests) for web in webs]
        hooks = len(machine.hook_processes())
    bound = without + arguments.deadline + arguments.image_deadline + _SOMETHING
    figures = {
        "seconds": round(seconds, 1),
        "without_seconds": round(without, 1),
        "bound_seconds": round(bound, 1),
        "requests": requests,
    }
    if seconds > bound or hooks:
        raise SystemExit(f"tests/bench: the bound is exceeded: {figures}, {hooks} processes left")
    return figures


def _make_worse(machine: Site, webs: list[Web], arguments: argparse.Namespace) -> None:
    """All of it at once."""
    many, trickling, silent, slow, images = webs
    for version in range(arguments.versions):
        many.repository.publish("many", f"1.{version}", {**NEW, **machine.identity})
    for number in range(6):
        for web in (trickling, silent, slow, images):
            web.repository.publish(f"image{number}", "1", {**OLD, **machine.identity})
    for number, web in enumerate(webs):
        web.repository.write_list()
        web.repository.sign(web.key)
        machine.add_source("main" if number == 0 else f"source{number}", web)
    trickling.server.fail("SHA256SUMS", Trickle(bytes_per_second=20))
    silent.server.fail("SHA256SUMS", Delay(seconds=600))
    for number in range(6):
        slow.server.fail(f"image{number}-1.x86-64.manifest.gz", Delay(seconds=2))
        images.server.fail(f"image{number}-1.x86-64.raw", Trickle(bytes_per_second=5000))
        machine.want(f"image{number}", policy="optional")
    machine.want("many", policy="optional")
    machine.write("/etc/tukit-sysext/sources.d/nowhere.conf", "[Source]\nURL=http://images.example.org/\nVerify=no\n")
    machine.write("/etc/resolv.conf", "nameserver 127.0.0.1\noptions timeout:30 attempts:4\n")
    machine.lab.run(["sh", "-c", f'setsid python3 -c "{_SILENT}" </dev/null >/dev/null 2>&1 &'])
    machine.write(
        "/etc/tukit-sysext/tukit-sysext.conf",
        f"[Update]\nDeadline={arguments.deadline}\n[Network]\nDeadline=3\nConnectTimeout=1\nLeastRate=1000\n"
        f"ImageDeadline={arguments.image_deadline}\n",
    )
    for path in (
        "/etc/tukit-sysext/images.d/fifo.conf",
        "/var/lib/tukit-sysext/seen/nowhere",
        "/var/lib/tukit-sysext/images/image0-1.x86-64.raw.json",
        "/var/cache/tukit-sysext/lists/nowhere",
        "/run/tukit-sysext/refused.json",
    ):
        _fifo(machine.lab.path(path))


def _fifo(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    os.mkfifo(path)
