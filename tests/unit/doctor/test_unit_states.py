# SPDX-License-Identifier: LGPL-2.1-or-later
"""doctor and what systemd says of the units: links on the disk start nothing, and nothing that failed."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from tukit_sysext.doctor.check import CheckResult, Severity
from tukit_sysext.doctor.units import GUARD, MERGE, PARTS, TARGET, Unit, UnitsCheck
from tukit_sysext.system.systemd_units import UnitState

SERVICES = ("tukit-sysext-settle.service", "tukit-sysext-gc.service")
WELL = {
    MERGE: "active",
    GUARD: "active",
    TARGET: "active",
    **dict.fromkeys(PARTS, "active"),
    **dict.fromkeys(SERVICES, "inactive"),
}
"""All units as they are on a machine that runs as it should."""


def state(name: str, active: str, *, loaded: bool = True, stale: bool = False, tried: bool = True) -> UnitState:
    result = "exit-code" if active == "failed" else "success"
    return UnitState(name=name, loaded=loaded, active=active, result=result, stale=stale, tried=tried)


def judged(
    states: Mapping[str, UnitState] | None = None, *, silent: str = "", off: tuple[str, ...] = ()
) -> list[CheckResult]:
    """What is not good, of units that are all there and enabled but those that are ``off``."""
    check = UnitsCheck(
        units={
            name: Unit(name=name, there=True, masked_by=None, started=name not in off)
            for name in (MERGE, GUARD, TARGET, *PARTS)
        },
        unknown="",
        states=dict(states or {}),
        silent=silent,
        reinstall="",
        sysext="",
        privileged=True,
    )
    return [result for result in check.judge() if result.severity is not Severity.GOOD]


def well(**others: UnitState) -> dict[str, UnitState]:
    states = {name: state(name, active) for name, active in WELL.items()}
    return states | {changed.name: changed for changed in others.values()}


def test_nothing_is_wrong() -> None:
    assert judged(well()) == []
    assert judged() == [], "systemd does not run: the disk alone counts"


@pytest.mark.parametrize("name", [MERGE, GUARD, *SERVICES])
def test_a_service_that_failed(name: str) -> None:
    (result,) = judged(well(changed=state(name, "failed")))
    assert (result.severity, result.next_step) == (Severity.PROBLEM, f"journalctl -b -u {name}")
    assert f"{name} failed (exit-code)" in result.text


@pytest.mark.parametrize("name", [TARGET, *PARTS])
@pytest.mark.parametrize(("active", "command"), [("inactive", "start"), ("failed", "reset-failed")])
def test_what_has_to_run_and_does_not(name: str, active: str, command: str) -> None:
    (result,) = judged(well(changed=state(name, active)))
    assert (result.severity, result.check) == (Severity.PROBLEM, f"unit {name.rpartition('.')[0]}")
    assert result.next_step is not None and result.next_step.startswith(f"systemctl {command} {name}")


def test_the_guard_runs_at_the_boot_alone() -> None:
    """After an installation on a running machine it is inactive, and nothing is missed by that."""
    assert judged(well(changed=state(GUARD, "inactive", tried=False))) == []


def test_the_merge_was_not_started() -> None:
    (result,) = judged(well(changed=state(MERGE, "inactive", tried=False)))
    assert (result.severity, result.next_step) == (Severity.WARNING, f"systemctl start {MERGE}")
    assert judged(well(changed=state(MERGE, "inactive"))) == [], "there was nothing to merge at the boot"


@pytest.mark.parametrize("change", [{"loaded": False}, {"stale": True}])
def test_what_systemd_has_not_read(change: dict[str, bool]) -> None:
    (result,) = judged(well(changed=state("tukit-sysext-gc.timer", "inactive", **change)))
    assert (result.severity, result.next_step) == (Severity.PROBLEM, "systemctl daemon-reload")


def test_what_is_switched_off_is_told_once() -> None:
    states = well(changed=state("tukit-sysext-gc.timer", "inactive"))
    (result,) = judged(states, off=("tukit-sysext-gc.timer",))
    assert result.next_step == "systemctl enable --now tukit-sysext-gc.timer"


def test_nothing_is_switched_on() -> None:
    """As after an installation where no preset says anything: one result, and its command is all that is needed."""
    states = well() | {name: state(name, "inactive") for name in (TARGET, *PARTS)}
    (result,) = judged(states, off=(TARGET, *PARTS))
    assert result.next_step == "systemctl enable --now tukit-sysext.target"


def test_systemd_does_not_answer() -> None:
    (result,) = judged(silent="systemd does not say how its units are: no end after 10 s")
    assert (result.severity, result.check) == (Severity.UNKNOWN, "unit states")
