# SPDX-License-Identifier: LGPL-2.1-or-later
"""Programs that we rely on."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from tukit_sysext.doctor.packages import installs
from tukit_sysext.doctor.result import Result, good, problem
from tukit_sysext.machine import Machine

NEEDED: Mapping[str, str] = {
    "/usr/bin/gpgv": "signatures cannot be checked",
    "/usr/bin/systemd-dissect": "images cannot be looked into",
    "/usr/bin/systemd-sysext": "images cannot be merged",
    "/usr/bin/prlimit": "no other program can be run within limits",
    "/usr/bin/snapper": "there are no snapshots",
}
"""Each program, and what is lost without it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Facts:
    """Programs that cannot be run, each with the command that installs it."""

    missing: Mapping[str, str]


def look(machine: Machine) -> Facts:
    """Look for them."""
    root = machine.layout.root
    return Facts(
        missing={path: installs(machine, path) for path in NEEDED if not os.access(root / path.lstrip("/"), os.X_OK)}
    )


def judge(facts: Facts) -> Iterator[Result]:
    """Judge them."""
    for path, mend in facts.missing.items():
        yield problem("programs", f"{path} is not installed: {NEEDED[path]}", mend)
    if not facts.missing:
        yield good("programs", "all programs that are needed are installed")
