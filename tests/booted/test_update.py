# SPDX-License-Identifier: LGPL-2.1-or-later
"""An update and the reboot into it; one that is refused shows until it is not."""

from __future__ import annotations

from tests.booted import journal
from tests.booted.conftest import Boot
from tests.booted.machine import Machine
from tests.booted.units import REFUSED, wait_until_settled
from tests.on_lab.site import NEW, OLD, Site


def test_update_and_reboot(booted: Site, machine: Machine) -> None:
    for name in ("debug", "strace"):
        booted.publish(name, "1.0", OLD)
        booted.publish(name, "2.0", NEW)
        booted.command("install", name)
    machine.reboot()
    assert machine.merged() == {"debug": "1.0", "strace": "1.0"}

    made = int(machine.run(["snapper", "create", "--print-number"]).stdout)
    wait_until_settled(machine)
    assert machine.running in booted.ledger_here() and made in booted.ledger_here()
    made = int(machine.run(["snapper", "create", "--print-number"]).stdout)

    assert booted.update().returncode == 0

    assert machine.merged() == {"debug": "1.0", "strace": "1.0"}, "what runs stays as it is until the reboot"
    machine.reboot()
    assert machine.merged() == {"debug": "2.0", "strace": "2.0"}
    assert machine.failed_units() == []
    wait_until_settled(machine)
    assert booted.ledger_here()[machine.running] == (
        ("debug.raw", "debug-2.0.x86-64.raw"),
        ("strace.raw", "strace-2.0.x86-64.raw"),
    )
    assert made in booted.ledger_here(), "though nobody had settled that before the reboot"


def test_a_refusal_shows_until_an_update_passes(boot: Boot) -> None:
    machine = boot()
    booted = Site(lab=machine).with_source()
    booted.publish("debug", "1.0", OLD)
    booted.command("install", "debug")
    machine.reboot()
    running = machine.running

    assert booted.update().returncode == 75

    machine.until(f"systemctl --quiet is-failed {REFUSED}")
    assert "debug" in journal.text(machine, f"--unit={REFUSED}")
    machine.reboot()
    assert (machine.running, machine.merged()) == (running, {"debug": "1.0"})
    assert machine.failed_units() == [REFUSED]
    booted.publish("debug", "2.0", NEW)
    assert booted.update().returncode == 0
    machine.until(f"! systemctl --quiet is-failed {REFUSED}")
    machine.reboot()
    assert machine.merged() == {"debug": "2.0"}
    assert machine.failed_units() == []
