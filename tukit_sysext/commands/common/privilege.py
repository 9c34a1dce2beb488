# SPDX-License-Identifier: LGPL-2.1-or-later
"""What only root may do."""

from __future__ import annotations

from tukit_sysext.errors import NeedsRoot
from tukit_sysext.machine import Machine


def require_root(machine: Machine, command: str) -> None:
    """Raise NeedsRoot for an ordinary user, before anything is touched (threat L8)."""
    if not machine.privileged:
        raise NeedsRoot(f"{command} needs root")
