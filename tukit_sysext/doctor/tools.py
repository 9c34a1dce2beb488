# SPDX-License-Identifier: LGPL-2.1-or-later
"""Programs that we rely on."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from tukit_sysext.doctor.check import CheckResult, good, problem
from tukit_sysext.doctor.packages import installs
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
class ProgramsCheck:
    """Programs that cannot be run, each with the command that installs it."""

    missing: Mapping[str, str]

    @classmethod
    def look(cls, machine: Machine) -> ProgramsCheck:
        """Look for them."""
        root = machine.layout.root
        return cls(
            missing={
                path: installs(machine, path) for path in NEEDED if not os.access(root / path.lstrip("/"), os.X_OK)
            }
        )

    def judge(self) -> Iterator[CheckResult]:
        for path, next_step in self.missing.items():
            yield problem("programs", f"{path} is not installed: {NEEDED[path]}", next_step)
        if not self.missing:
            yield good("programs", "all programs that are needed are installed")
