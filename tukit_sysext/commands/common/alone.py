# SPDX-License-Identifier: LGPL-2.1-or-later
"""One command after the other changes what is wanted: each decides by the files that it read, and writes them then."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from functools import wraps

from tukit_sysext.exit_status import ExitStatus
from tukit_sysext.machine import Machine
from tukit_sysext.system.lock import queued

Run = Callable[[Machine, argparse.Namespace], ExitStatus]


def alone(run: Run) -> Run:
    """The ``run`` of a command, which waits for another one that it could come across, but for a dry run."""

    @wraps(run)
    def guarded(machine: Machine, arguments: argparse.Namespace) -> ExitStatus:
        if getattr(arguments, "dry_run", True) or not machine.privileged:
            return run(machine, arguments)
        with queued(machine.layout.changes_lock, _tell):
            return run(machine, arguments)

    return guarded


def _tell() -> None:
    print("tukit-sysext: another tukit-sysext changes images, waiting for it", file=sys.stderr, flush=True)
