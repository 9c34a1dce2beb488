# SPDX-License-Identifier: LGPL-2.1-or-later
"""systemd-sysext.service, as systemd has it loaded: what merges at boot, with all that was set for it."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

from tukit_sysext.errors import ToolBroken
from tukit_sysext.system import systemd_units
from tukit_sysext.system.process import TimedOut, run

UNIT = "systemd-sysext.service"
_PROPERTIES = "LoadState,ActiveState,FragmentPath,DropInPaths,ExecStart,ExecReload"
_SHIPPED = "/usr/lib/systemd/system/"
_COMMAND = re.compile(r"argv\[\]=(.*?) ; ")


@dataclass(frozen=True, kw_only=True, slots=True)
class MergeUnit:
    """The unit: whether it can be started (``usable``), whether it is active, and whether somebody changed it.

    ``reloads_alike``: a reload does what a start does. A drop-in that has another ExecStart= leaves ExecReload= as it
    was, and former versions of systemd have none.
    """

    usable: bool
    active: bool
    changed: bool
    reloads_alike: bool

    @property
    def verb(self) -> str:
        """What systemctl(1) has to do with it to have images merged anew; a reload leaves no time without them."""
        return "reload" if self.active and self.reloads_alike else "restart"


def merge_unit() -> MergeUnit | None:
    """The unit; None where systemd does not run, or does not tell."""
    if not systemd_units.runs(Path("/")):
        return None
    argv = [systemd_units.SYSTEMCTL, "--no-ask-password", "show", f"--property={_PROPERTIES}", "--", UNIT]
    try:
        result = run(argv, timeout=systemd_units.PATIENCE)
    except (OSError, TimedOut, ToolBroken):
        return None
    return parse_unit(result.output) if result.status == 0 else None


def parse_unit(text: str) -> MergeUnit | None:
    """Read what ``systemctl show`` says of it; None where that is nothing."""
    values: defaultdict[str, list[str]] = defaultdict(list)
    for line in text.splitlines():
        key, _, value = line.partition("=")
        values[key].append(value)
    if not values["LoadState"]:
        return None
    start, reload_ = (_COMMAND.findall("\n".join(values[key])) for key in ("ExecStart", "ExecReload"))
    return MergeUnit(
        usable=values["LoadState"] == ["loaded"],
        active=values["ActiveState"] == ["active"],
        changed=any(values["DropInPaths"]) or not "".join(values["FragmentPath"]).startswith(_SHIPPED),
        reloads_alike=bool(start) and start == reload_,
    )
