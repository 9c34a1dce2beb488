# SPDX-License-Identifier: LGPL-2.1-or-later
"""Back to an older system, by the boot menu and by snapper: its own images are merged."""

from __future__ import annotations

import pytest

from tests.booted.machine import Machine
from tests.booted.units import wait_until_settled
from tests.lab import Flavour
from tests.on_lab.site import NEW, OLD, Site


@pytest.mark.parametrize("flavour", list(Flavour), ids=lambda flavour: str(flavour.value))
def test_every_way_back(booted: Site, machine: Machine) -> None:
    """The rollback is a transactional one where the root is read-only, else a classic one."""
    booted.publish("debug", "1.0", OLD)
    booted.publish("debug", "2.0", NEW)
    booted.command("install", "debug")
    before = int(machine.run(["snapper", "create", "--print-number"]).stdout)
    wait_until_settled(machine)
    assert booted.update().returncode == 0
    updated = machine.default
    machine.reboot()
    assert (machine.running, machine.merged()) == (updated, {"debug": "2.0"})

    machine.reboot(f"@/.snapshots/{before}/snapshot")
    assert (machine.running, machine.merged()) == (before, {"debug": "1.0"})
    # that snapshot is read-only, which others do not expect (ldconfig.service of systemd 262)
    assert [unit for unit in machine.failed_units() if "sysext" in unit] == []
    trees = {tree["role"]: tree["tree"]["snapshot"] for tree in booted.json("status")["trees"]}
    assert trees == {"running": before, "boots next": updated}

    machine.reboot()
    assert (machine.running, machine.merged()) == (updated, {"debug": "2.0"})

    machine.run(["snapper", "rollback", str(before)])
    assert machine.merged() == {"debug": "2.0"}
    target = machine.default
    wait_until_settled(machine)
    machine.reboot()
    assert (machine.running, machine.merged()) == (target, {"debug": "1.0"})
    assert machine.failed_units() == []
    assert booted.ledger_here()[target] == (("debug.raw", "debug-1.0.x86-64.raw"),)
