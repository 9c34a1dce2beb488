# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the guard adds to the boot of a machine with real systemd, in milliseconds, and how exposed our services are.

guard has a figure for each number of images, all of them linked: cpu_ms is the CPU of the unit as systemd accounts it,
sandbox included, and wall_ms the time from the start of its process to its end, both at a boot at which it looks at
everything; unchanged_cpu_ms and unchanged_wall_ms the same at a boot at which nothing has changed since the last one;
command_ms is the CPU of the command alone, run again on the machine that is up. The medians of several boots and runs.
sandbox_ms is the CPU
of the same unit where it runs true(1): what systemd takes for its settings. python_ms is the CPU of a Python that
does nothing, for scale. exposure is the figure of `systemd-analyze security` for each service, from 0 to 10.
"""

from __future__ import annotations

import argparse
import json
import re
import statistics
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.booted import journal
from tests.booted.disk import Disks
from tests.booted.machine import Machine
from tests.booted.units import BOOT, exposure, wait_until_settled
from tests.lab import Flavour, base
from tests.on_lab.site import OLD, Site
from tukit_sysext.layout import Layout

# Runs on the machine: the CPU of a command in milliseconds, its start included, again and again.
_CPU = """
import json, os, sys
runs, argv = int(sys.argv[1]), sys.argv[2:]
found = []
for _ in range(runs):
    _, status, usage = os.wait4(os.posix_spawn(argv[0], argv, os.environ), 0)
    if status:
        sys.exit(f"{argv} failed")
    found.append((usage.ru_utime + usage.ru_stime) * 1000)
print(json.dumps(found))
"""

_GUARD = ["/usr/bin/python3", "-IB", "-c", "import gc; gc.disable(); from tukit_sysext.boot import run; run()"]
_QUIET = str(Layout().quiet)
_PYTHON = ["/usr/bin/python3", "-Ic", "pass"]
_BEGIN, _END = "ExecMainStartTimestampMonotonic", "ExecMainExitTimestampMonotonic"


def options(parser: argparse.ArgumentParser) -> None:
    """The options."""
    parser.add_argument("--images", type=int, nargs="+", default=[0, 10], help="numbers of images, ascending (0 10)")
    parser.add_argument("--boots", type=int, default=5, help="boots with each (5); the median counts")
    parser.add_argument("--runs", type=int, default=15, help="runs of each command (15); the median counts")
    parser.add_argument("--suite", default=base.SUITE, help=f"release of Debian that has the systemd ({base.SUITE})")


def run(arguments: argparse.Namespace) -> dict[str, Any]:
    """Measure."""
    with tempfile.TemporaryDirectory(dir="/var/tmp") as scratch:
        disks = Disks(Path(scratch), suite=arguments.suite)
        try:
            with Machine.boot(disks.installed(Flavour.MICROOS), flavour=Flavour.MICROOS) as machine:
                return _measure(machine, arguments)
        finally:
            disks.close()


def _measure(machine: Machine, arguments: argparse.Namespace) -> dict[str, Any]:
    site = Site(lab=machine).with_source()
    guard: dict[str, Any] = {}
    python: list[float] = []
    there = 0
    for count in arguments.images:
        for image in range(there, count):
            site.publish(f"image{image:02}", "1.0", OLD)
            site.command("install", f"image{image:02}")
        there = max(there, count)
        wait_until_settled(machine)
        looking = _boots(machine, arguments.boots, look=True)
        unchanged = _boots(machine, arguments.boots, look=False)
        if len(machine.merged()) != there:
            raise SystemExit("tests/bench: the images are not merged")
        python += _cpu(machine, _PYTHON, arguments.runs)
        guard[str(there)] = {
            "cpu_ms": _median([cpu for cpu, _ in looking]),
            "wall_ms": _median([wall for _, wall in looking]),
            "unchanged_cpu_ms": _median([cpu for cpu, _ in unchanged]),
            "unchanged_wall_ms": _median([wall for _, wall in unchanged]),
            "command_ms": _median(_cpu(machine, _GUARD, arguments.runs)),
        }
    return {
        "guard": guard,
        "sandbox_ms": _sandbox(machine, arguments.boots),
        "python_ms": _median(python),
        "exposure": exposure(machine),
    }


def _boots(machine: Machine, times: int, *, look: bool) -> list[tuple[float, float]]:
    """CPU and wall time of the guard at boots, in milliseconds; ``look``: at such as know nothing of the last one."""
    figures: list[tuple[float, float]] = []
    for _ in range(times):
        if look:
            machine.path(_QUIET).unlink(missing_ok=True)
        machine.reboot()
        figures.append(_of_unit(machine))
        if ("nothing has changed" in journal.text(machine, f"--unit={BOOT}")) is look:
            raise SystemExit(f"tests/bench: {BOOT} looked, or did not, against what it was to do")
    return figures


def _of_unit(machine: Machine) -> tuple[float, float]:
    """CPU and wall time of the guard as it ran last, in milliseconds."""
    shown = machine.run(["systemctl", "show", f"--property=CPUUsageNSec,Result,{_BEGIN},{_END}", BOOT]).stdout
    found = dict(line.split("=", 1) for line in shown.splitlines())
    if found["Result"] != "success" or not re.fullmatch(r"\d+", found["CPUUsageNSec"]):
        raise SystemExit(f"tests/bench: nothing is known of how {BOOT} ran:\n{shown}")
    return int(found["CPUUsageNSec"]) / 1e6, (int(found[_END]) - int(found[_BEGIN])) / 1e3


def _sandbox(machine: Machine, runs: int) -> float:
    """CPU of the guard's unit with a command that does nothing."""
    settings = machine.path(f"/run/systemd/system/{BOOT}.d/true.conf")
    settings.parent.mkdir(parents=True)
    settings.write_text("[Unit]\nStartLimitIntervalSec=0\n[Service]\nExecStart=\nExecStart=/usr/bin/true\n")
    machine.run(["systemctl", "daemon-reload"])
    found: list[float] = []
    for _ in range(runs):
        machine.run(["systemctl", "restart", BOOT])
        found.append(_of_unit(machine)[0])
    return _median(found)


def _cpu(machine: Machine, argv: Sequence[str], runs: int) -> list[float]:
    done = machine.run(["python3", "-I", "-c", _CPU, str(runs), *argv], timeout=600)
    figures: list[float] = json.loads(done.stdout.splitlines()[-1])
    return figures


def _median(figures: Sequence[float]) -> float:
    return round(statistics.median(figures), 1)
