# SPDX-License-Identifier: LGPL-2.1-or-later
"""systemd's units: are they there, does something start them, and how are they now?

What is there and what starts it is read from the disk: a unit is started where a link in some ``*.wants``,
``*.requires`` or ``*.upholds`` folder has its name, and neither the link nor the unit is masked (systemd.unit(5)). How
the units are is asked of systemd, where it runs: a link starts nothing before the next boot, and nothing that failed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from tukit_sysext.doctor.check import CheckResult, good, hint, installs, problem, unknown, warning
from tukit_sysext.errors import UnknownState
from tukit_sysext.machine import Machine
from tukit_sysext.system import systemd_units
from tukit_sysext.system.systemd_units import UnitState
from tukit_sysext.system.tree import Tree

MERGE = "systemd-sysext.service"
EARLY = "systemd-sysext-sysroot.service"
"""Merges before the initrd is left (since systemd 261), where it was enabled for the initrd."""
TARGET = "tukit-sysext.target"
GUARD = "tukit-sysext-boot.service"
PARTS: Mapping[str, str] = {
    "tukit-sysext-adapt.path": "images are not brought in line after zypper changed a writable system",
    "tukit-sysext-settle.path": "what happens to snapshots is not noticed",
    "tukit-sysext-snapshots.path": "snapshots of which no plugin tells are not noticed",
    "tukit-sysext-refused.path": "a refused update does not show as a failed unit",
    "tukit-sysext-repair.path": "missing images are not repaired by themselves",
    "tukit-sysext-repair.timer": "missing images are not looked for again later",
    "tukit-sysext-provision.timer": "wanted images that this machine never had wait for an update of the system",
    "tukit-sysext-gc.timer": "images that nothing needs are not collected",
}
"""What the target wants, and what is lost without each."""
_LOST: Mapping[str, str] = {
    GUARD: "bad images are not kept out of the merge at boot",
    TARGET: "nothing is settled, repaired or collected by itself",
    **PARTS,
}
_FAILED: Mapping[str, str] = {
    MERGE: "images are not merged",
    GUARD: "bad images may be merged, or may have kept all others out of the merge",
    "tukit-sysext-settle.service": "what happened to snapshots is not known",
    "tukit-sysext-gc.service": "images that nothing needs are not collected",
}
"""Services whose failure means something that no other check tells."""
ENABLE = f"systemctl enable --now {TARGET}"
"""What switches all of it on."""

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
    """The units by name.

    ``unknown`` says why they could not be read. ``states`` has what systemd says of them; it is empty where it does not
    run, or does not answer, which ``silent`` tells.
    """

    units: Mapping[str, Unit]
    unknown: str
    states: Mapping[str, UnitState]
    silent: str
    reinstall: str
    sysext: str
    privileged: bool

    @classmethod
    def look(cls, machine: Machine) -> UnitsCheck:
        """Look at the unit folders of the running system, and ask systemd where it runs."""
        units: dict[str, Unit] = {}
        unknown = ""
        try:
            with Tree(machine.layout.root) as tree:
                started = _started(tree)
                units = {name: _unit(tree, name, started) for name in (MERGE, EARLY, *_LOST)}
        except UnknownState as error:
            unknown = str(error)
        states: Mapping[str, UnitState] = {}
        silent = ""
        if systemd_units.runs(machine.layout.root):
            try:
                states = systemd_units.unit_states([MERGE, *_LOST, *(name for name in _FAILED if name not in _LOST)])
            except UnknownState as error:
                silent = str(error)
        return cls(
            units=units,
            unknown=unknown,
            states=states,
            silent=silent,
            reinstall=installs(machine, "tukit-sysext", again=True),
            sysext=installs(machine, "/usr/bin/systemd-sysext"),
            privileged=machine.privileged,
        )

    def judge(self) -> Iterator[CheckResult]:
        if self.unknown:
            yield unknown("units", self.unknown, privileged=self.privileged)
            return
        if self.silent:
            yield unknown("unit states", self.silent, privileged=self.privileged)
        merge = self._merge()
        yield merge or good("unit systemd-sysext", f"{MERGE} merges images at boot")
        yield from self._early()
        bad = [*self._ours(), *self._failed()]
        yield from bad
        if not bad:
            how = "enabled and run" if self.states else "enabled (systemd does not run here, and was not asked)"
            yield good("units", f"all {len(_LOST)} units of tukit-sysext are {how}")

    def _merge(self) -> CheckResult | None:
        result = _on_disk(self.units[MERGE], "no image is merged at boot", f"systemctl enable {MERGE}", self.sysext)
        state = self.states.get(MERGE)
        if result is None and state is not None and state.active == "inactive" and not state.tried:
            text = f"{MERGE} was not started since the boot: what is linked is merged at the next one"
            return warning(_check(MERGE), text, f"systemctl start {MERGE}")
        return result

    def _early(self) -> Iterator[CheckResult]:
        unit = self.units.get(EARLY)
        if unit is not None and unit.there and unit.started and unit.masked_by is None:
            text = (
                f"{EARLY} is enabled: it merges before {GUARD} can look, and nothing where one image is bad; "
                f"{MERGE} merges the good ones later"
            )
            yield hint(_check(EARLY), text, f"build the initrd anew, after:\nsystemctl disable {EARLY}")

    def _ours(self) -> Iterator[CheckResult]:
        # the guard has no [Install]: what starts it is shipped beside it
        yield from self._unit(GUARD, f"systemctl add-wants {MERGE} {GUARD}")
        yield from self._unit(TARGET, ENABLE)
        on = self.units[TARGET].started
        for name in PARTS:
            # where nothing is switched on, no part has to be named for that
            if on or not self.units[name].there or self.units[name].masked_by is not None:
                yield from self._unit(name, f"systemctl enable --now {name}")

    def _unit(self, name: str, enable: str) -> Iterator[CheckResult]:
        lost = _LOST[name]
        result = _on_disk(self.units[name], lost, enable, self.reinstall)
        state = self.states.get(name)
        if result is not None:
            yield result
        elif state is not None and (not state.loaded or state.stale):
            text = f"{name} is not known to systemd as it is on the disk: {lost}"
            yield problem(_check(name), text, "systemctl daemon-reload")
        elif state is not None and name != GUARD and state.failed:
            text = f"{name} failed ({state.result}): {lost}"
            yield problem(_check(name), text, f"systemctl reset-failed {name} && systemctl start {name}")
        elif state is not None and name != GUARD and state.active == "inactive":
            text = f"{name} is enabled, but does not run (stopped, or not started since the installation): {lost}"
            yield problem(_check(name), text, f"systemctl start {name}")

    def _failed(self) -> Iterator[CheckResult]:
        for name, lost in _FAILED.items():
            state = self.states.get(name)
            if state is not None and state.failed:
                text = f"{name} failed ({state.result}): {lost}"
                yield problem(_check(name), text, f"journalctl -b -u {name}")


def _check(name: str) -> str:
    return f"unit {name.rpartition('.')[0]}"


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


def _on_disk(unit: Unit, lost: str, enable: str, install: str) -> CheckResult | None:
    name = unit.name
    if not unit.there:
        return problem(_check(name), f"{name} is missing: {lost}", install)
    if unit.masked_by is not None:
        return problem(_check(name), f"{name} is masked by {unit.masked_by}: {lost}", f"systemctl unmask {name}")
    if not unit.started:
        return problem(_check(name), f"{name} is not enabled: {lost}", enable)
    return None
