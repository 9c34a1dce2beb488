# SPDX-License-Identifier: LGPL-2.1-or-later
"""What systemd says of its units, where it runs as the first process (systemctl(1), org.freedesktop.systemd1(5))."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tukit_sysext.errors import ToolBroken, UnknownState
from tukit_sysext.system.process import TimedOut, run

SYSTEMCTL = "/usr/bin/systemctl"
BOOTED = Path("/run/systemd/system")
"""Is there where systemd is the first process, sd_booted(3)."""
PATIENCE = 10.0

_PROPERTIES = "Id,LoadState,ActiveState,Result,NeedDaemonReload,ConditionTimestampMonotonic"


@dataclass(frozen=True, kw_only=True, slots=True)
class UnitState:
    """A unit as systemd has it now.

    ``result`` says how it ended where it failed. ``stale``: its files changed since systemd read them. ``tried``: it
    was started since the boot, or would have been if its conditions had been met.
    """

    name: str
    loaded: bool
    active: str
    result: str
    stale: bool
    tried: bool

    @property
    def failed(self) -> bool:
        """It could not do what it is for."""
        return self.active == "failed"


def runs(root: Path) -> bool:
    """Whether systemd is the first process of the machine at ``root``, so that it can be asked."""
    return root == Path("/") and BOOTED.exists()


def unit_states(names: Sequence[str]) -> Mapping[str, UnitState]:
    """The states of these units by name. Raises UnknownState where systemd cannot be asked, or does not answer."""
    argv = [SYSTEMCTL, "--no-ask-password", "show", f"--property={_PROPERTIES}", "--", *names]
    try:
        result = run(argv, timeout=PATIENCE)
    except (OSError, TimedOut, ToolBroken) as error:
        raise UnknownState(f"systemd does not say how its units are: {error}") from error
    if result.status != 0:
        raise UnknownState(f"systemd does not say how its units are: {result.died or result.said or result.status}")
    states = {state.name: state for state in map(_state, result.output.strip().split("\n\n"))}
    missing = [name for name in names if name not in states]
    if missing:
        raise UnknownState(f"systemd does not say how {', '.join(missing)} is")
    return states


def _state(text: str) -> UnitState:
    properties = dict(line.split("=", 1) for line in text.splitlines() if "=" in line)
    return UnitState(
        name=properties.get("Id", ""),
        loaded=properties.get("LoadState") != "not-found",
        active=properties.get("ActiveState", ""),
        result=properties.get("Result", ""),
        stale=properties.get("NeedDaemonReload") == "yes",
        tried=properties.get("ConditionTimestampMonotonic", "0") != "0",
    )
