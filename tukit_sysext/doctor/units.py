# SPDX-License-Identifier: LGPL-2.1-or-later
"""systemd's units: are they there, and does something start them? Read from the disk, without asking PID 1.

A unit is started where a link in some ``*.wants``, ``*.requires`` or ``*.upholds`` folder has its name, and neither the
link nor the unit is masked (systemd.unit(5)).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from tukit_sysext.doctor.check import CheckResult, good, installs, problem, unknown
from tukit_sysext.errors import UnknownState
from tukit_sysext.machine import Machine
from tukit_sysext.system.tree import Tree

MERGE = "systemd-sysext.service"
OURS: Mapping[str, tuple[str, str]] = {
    "tukit-sysext-boot.service": (MERGE, "bad images are not kept out of the merge at boot"),
    "tukit-sysext-settle.path": ("paths.target", "what happens to snapshots is not noticed"),
    "tukit-sysext-refused.path": ("paths.target", "a refused update does not show as a failed unit"),
    "tukit-sysext-repair.path": ("paths.target", "missing images are not repaired by themselves"),
    "tukit-sysext-repair.timer": ("timers.target", "missing images are not looked for again later"),
    "tukit-sysext-gc.timer": ("timers.target", "images that nothing needs are not collected"),
}
"""Our units that have to be started: what starts each, and what is lost without it."""

_FOLDERS = ("etc/systemd/system", "run/systemd/system", "usr/local/lib/systemd/system", "usr/lib/systemd/system")
_SUFFIXES = (".wants", ".requires", ".upholds")
_LIMIT = 1024 * 1024
_HIDDEN = "/dev/null"


@dataclass(frozen=True, kw_only=True, slots=True)
class Unit:
    """A unit on the disk: whether it is there, what masks it (None: nothing), and whether something starts it."""

    name: str
    there: bool
    masked_by: str | None
    started: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class UnitsCheck:
    """The units by name; ``unknown`` says why they could not be read."""

    units: Mapping[str, Unit]
    unknown: str
    reinstall: str
    sysext: str
    privileged: bool

    @classmethod
    def look(cls, machine: Machine) -> UnitsCheck:
        """Look at the unit folders of the running system."""
        units: dict[str, Unit] = {}
        unknown = ""
        try:
            with Tree(machine.layout.root) as tree:
                started = _started(tree)
                units = {name: _unit(tree, name, started) for name in (MERGE, *OURS)}
        except UnknownState as error:
            unknown = str(error)
        return cls(
            units=units,
            unknown=unknown,
            reinstall=installs(machine, "tukit-sysext", again=True),
            sysext=installs(machine, "/usr/bin/systemd-sysext"),
            privileged=machine.privileged,
        )

    def judge(self) -> Iterator[CheckResult]:
        if self.unknown:
            yield unknown("units", self.unknown, privileged=self.privileged)
            return
        merge = _judge(self.units[MERGE], "no image is merged at boot", "", self.sysext)
        yield merge if merge is not None else good("unit systemd-sysext", f"{MERGE} merges images at boot")
        bad = [
            result
            for name, (target, lost) in OURS.items()
            if (result := _judge(self.units[name], lost, target, self.reinstall)) is not None
        ]
        yield from bad
        if not bad:
            yield good("units", f"all {len(OURS)} units of tukit-sysext are started")


def _started(tree: Tree) -> set[str]:
    """Names of the links in all folders of dependencies; one of a stronger folder counts alone."""
    links: dict[tuple[str, str], bool] = {}
    for folder in _FOLDERS:
        for name in tree.names(folder) or ():
            if not name.endswith(_SUFFIXES):
                continue
            for unit in tree.names(f"{folder}/{name}") or ():
                links.setdefault((name, unit), tree.link_text(f"{folder}/{name}/{unit}") != _HIDDEN)
    return {unit for (_, unit), counts in links.items() if counts}


def _unit(tree: Tree, name: str, started: set[str]) -> Unit:
    for folder in _FOLDERS:
        if name not in (tree.names(folder) or ()):
            continue
        path = f"{folder}/{name}"
        empty = tree.link_text(path) == _HIDDEN or tree.read(path, limit=_LIMIT) == b""
        return Unit(name=name, there=True, masked_by=f"/{path}" if empty else None, started=name in started)
    return Unit(name=name, there=False, masked_by=None, started=name in started)


def _judge(unit: Unit, lost: str, target: str, install: str) -> CheckResult | None:
    name = unit.name
    check = f"unit {name.rpartition('.')[0]}"
    if not unit.there:
        return problem(check, f"{name} is missing: {lost}", install)
    if unit.masked_by is not None:
        return problem(check, f"{name} is masked by {unit.masked_by}: {lost}", f"systemctl unmask {name}")
    if not unit.started:
        # ours have no [Install]: what starts them is shipped beside them
        next_step = f"systemctl add-wants {target} {name}" if target else f"systemctl enable {name}"
        return problem(check, f"{name} is not enabled: {lost}", next_step)
    return None
