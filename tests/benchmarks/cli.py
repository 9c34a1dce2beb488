# SPDX-License-Identifier: LGPL-2.1-or-later
"""Milliseconds of the commands that people look at a machine with, into a pipe, the start of the process included.

All warm: everything is kept from an earlier run. list asks a source on a server (signed, without delay) again whether
its list is still the same. help is ``--help``; python is a Python that does nothing, the least that is possible.
"""

from __future__ import annotations

import argparse
import json
from typing import Any

from tests.benchmarks.machine import measure, site
from tests.on_lab.site import NEW, OLD

_COMMANDS = {"status": ("status",), "snapshots": ("snapshots",), "list": ("list",), "help": ("--help",)}


def options(parser: argparse.ArgumentParser) -> None:
    """The options."""
    parser.add_argument("--snapshots", type=int, default=50, help="snapshots of the machine (50)")
    parser.add_argument("--images", type=int, default=20, help="wanted images (20)")
    parser.add_argument("--versions", type=int, default=5, help="versions of each; the newest does not fit (5)")
    parser.add_argument("--runs", type=int, default=15, help="runs of each (15); the median counts")


def run(arguments: argparse.Namespace) -> dict[str, Any]:
    """Measure."""
    with site() as (machine, (web, *_)):
        lab = machine.lab
        for image in range(arguments.images):
            machine.want(f"image{image:02}")
            for version in range(arguments.versions):
                release = {**(NEW if version == arguments.versions - 1 else OLD), **machine.identity}
                web.repository.publish(f"image{image:02}", f"1.{version}", release)
        machine.list_images()
        lab.tukit("execute", "true", check=True)
        lab.reboot()
        while len(machine.numbers()) < arguments.snapshots:
            lab.run(["snapper", "--no-dbus", "create", "-p"])
        machine.command("settle")
        if len(machine.links()) != arguments.images:
            raise SystemExit("tests/bench: the images are not linked")
        found: dict[str, Any] = {}
        for name, words in _COMMANDS.items():
            argv = ["/usr/bin/tukit-sysext", *words]
            measure(lab, argv)
            measured = measure(lab, argv, runs=arguments.runs)
            if measured.statuses != {0}:
                raise SystemExit(f"tests/bench: tukit-sysext {' '.join(words)} failed")
            found[f"{name}_ms"] = round(measured.median * 1000, 1)
        least = measure(lab, ["/usr/bin/python3", "-I", "-c", ""], runs=arguments.runs)
        listed = json.loads(machine.command("list", "--json").stdout)["images"]
        told = json.loads(machine.command("snapshots", "--json").stdout)["snapshots"]
    newest = f"1.{arguments.versions - 2}"
    if [image["newest"] for image in listed] != [newest] * arguments.images or len(told) < arguments.snapshots:
        raise SystemExit("tests/bench: what is told is not the expected")
    return {**found, "python_ms": round(least.median * 1000, 1), "snapshots": len(told), "images": len(listed)}
