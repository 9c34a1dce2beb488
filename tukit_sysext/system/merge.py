# SPDX-License-Identifier: LGPL-2.1-or-later
"""What systemd-sysext has merged into the running /usr, and having it merged anew (systemd-sysext(8))."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence

from tukit_sysext.errors import TukitSysextError
from tukit_sysext.system.process import TimedOut, run
from tukit_sysext.system.systemd_units import SYSTEMCTL

TOOL = "/usr/bin/systemd-sysext"
UNIT = "tukit-sysext-merge.service"
"""Runs ``systemd-sysext merge``, which fails where something is merged already: it replaces and removes nothing."""
_TIMEOUT = 300.0


def merged() -> frozenset[str] | None:
    """Names of the extension images that are merged now; None where that cannot be told."""
    if not os.access(TOOL, os.X_OK):
        return None
    try:
        result = run([TOOL, "status", "--json=short"], timeout=_TIMEOUT)
        hierarchies = json.loads(result.output) if result.status == 0 else None
    except (OSError, TimedOut, ValueError):
        return None
    if not isinstance(hierarchies, list):
        return None
    merged_names: set[str] = set()
    for hierarchy in hierarchies:
        names = hierarchy.get("extensions") if isinstance(hierarchy, dict) else None
        merged_names |= {str(name) for name in names} if isinstance(names, list) else set()
    return frozenset(merged_names)


def refresh() -> None:
    """Have the extensions merged as they are linked now. Raises TukitSysextError."""
    _carry_out([TOOL, "refresh"])


def merge() -> None:
    """Have the extensions merged where none is. Raises TukitSysextError, also where one is merged already.

    A unit does it: what a service of ours mounts itself nobody else sees.
    """
    _carry_out([SYSTEMCTL, "--no-ask-password", "start", UNIT])


def _carry_out(argv: Sequence[str]) -> None:
    step = "what is linked is merged at the next boot; systemd-sysext status tells what is merged now"
    try:
        result = run(argv, timeout=_TIMEOUT)
    except (OSError, TimedOut) as error:
        raise TukitSysextError(f"{' '.join(argv)}: {error}", next_step=step) from error
    if result.status != 0:
        complaint = result.messages.strip() or result.output.strip() or f"status {result.status}"
        raise TukitSysextError(f"{' '.join(argv)}: {complaint}", next_step=step)
