# SPDX-License-Identifier: LGPL-2.1-or-later
"""What systemd-sysext has merged into the running /usr, and having it merged anew (systemd-sysext(8))."""

from __future__ import annotations

import json
import os

from tukit_sysext.errors import TukitSysextError
from tukit_sysext.system.process import TimedOut, run

TOOL = "/usr/bin/systemd-sysext"
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
    step = "what is linked is merged at the next boot; systemd-sysext status tells what is merged now"
    try:
        result = run([TOOL, "refresh"], timeout=_TIMEOUT)
    except (OSError, TimedOut) as error:
        raise TukitSysextError(f"{TOOL} refresh: {error}", next_step=step) from error
    if result.status != 0:
        complaint = result.messages.strip() or result.output.strip() or f"status {result.status}"
        raise TukitSysextError(f"{TOOL} refresh: {complaint}", next_step=step)
