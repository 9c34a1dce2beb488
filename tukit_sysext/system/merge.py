# SPDX-License-Identifier: LGPL-2.1-or-later
"""What systemd-sysext has merged into the running /usr, and having it merged anew (systemd-sysext(8)).

systemd-sysext.service does it, as at boot, so that what an administrator has set for it counts: a drop-in with another
ExecStart= or environment. Where that unit cannot be had (no systemd, masked) systemd-sysext itself does it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence

from tukit_sysext.errors import TukitSysextError
from tukit_sysext.system.merge_mode import Mode, hidden, mode_to_keep, modes_now
from tukit_sysext.system.merge_unit import UNIT, merge_unit
from tukit_sysext.system.process import TimedOut, run
from tukit_sysext.system.systemd_units import SYSTEMCTL

TOOL = "/usr/bin/systemd-sysext"
WRITTEN = "/var/lib/extensions.mutable"
OWN_UNIT = "tukit-sysext-merge.service"
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


def refresh() -> list[str]:
    """Have the extensions merged as they are linked now; what is to be known of it. Raises TukitSysextError.

    What was merged writable, or with what was written before, is so again, also where somebody did that by hand and the
    unit knows nothing of it.
    """
    before, notes = modes_now(), list[str]()
    unit = merge_unit()
    if unit is not None and unit.usable:
        try:
            _have(unit.verb)
        except TukitSysextError as error:
            # a restart that fails has taken away what was merged
            notes.append(f"{error}; {TOOL} merged without it")
        else:
            # a start without its conditions is skipped: it merges nothing, and leaves what somebody merged by hand
            after = merge_unit()
            if after is not None and after.active and not hidden(before, modes_now()):
                return notes
    keep = mode_to_keep(before)
    _carry_out([TOOL, *([f"--mutable={keep}"] if keep is not Mode.NO else []), "refresh"])
    if hidden(before, modes_now()):
        notes.append(f"what was written into the merged system is kept in {WRITTEN}, and shows with the next merge")
    return notes


def merge() -> None:
    """Have the extensions merged where nothing is. Raises TukitSysextError, also where something is merged already.

    A unit does it: what a service of ours mounts itself nobody else sees. It is ours, but for what was changed for
    systemd's own.
    """
    if modes_now():
        raise TukitSysextError("something is merged already", next_step=_LATER)
    unit = merge_unit()
    if unit is not None and unit.usable and unit.changed:
        _have(unit.verb)
    else:
        _carry_out([SYSTEMCTL, "--no-ask-password", "start", OWN_UNIT])


_LATER = "what is linked is merged at the next boot; what is merged now:\nsystemd-sysext status"


def _have(verb: str) -> None:
    """Have systemd do it with its unit; several within seconds are no sign that it fails again and again."""
    _carry_out([SYSTEMCTL, "--no-ask-password", "reset-failed", UNIT])
    _carry_out([SYSTEMCTL, "--no-ask-password", verb, UNIT])


def _carry_out(argv: Sequence[str]) -> None:
    try:
        result = run(argv, timeout=_TIMEOUT)
    except (OSError, TimedOut) as error:
        raise TukitSysextError(f"{' '.join(argv)}: {error}", next_step=_LATER) from error
    if result.status != 0:
        complaint = result.messages.strip() or result.output.strip() or f"status {result.status}"
        raise TukitSysextError(f"{' '.join(argv)}: {complaint}", next_step=_LATER)
