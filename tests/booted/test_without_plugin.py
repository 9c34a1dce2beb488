# SPDX-License-Identifier: LGPL-2.1-or-later
"""snapper without our plugin, as where SELinux keeps it from noting anything: what happens is seen all the same."""

from __future__ import annotations

import pytest

from tests.booted.machine import Machine
from tests.booted.units import EVENTS, wait_until_settled
from tests.on_lab.site import NEW, OLD, Site

PLUGIN = "/usr/lib/snapper/plugins/60-tukit-sysext"


@pytest.fixture
def deaf(booted: Site, machine: Machine) -> Site:
    """A machine with an image; neither its snapper nor that of any snapshot made from now on runs our plugin."""
    booted.publish("debug", "1.0", OLD)
    booted.command("install", "debug")
    wait_until_settled(machine)
    with machine.unlocked():
        machine.path(PLUGIN).unlink()
    return booted


def happened(site: Site, number: int) -> list[str]:
    """Kinds of the events that the ledger has of a snapshot."""
    return [event["kind"] for event in site.json("history", "--all")["events"] if event["snapshot"] == number]


def until(machine: Machine, number: int, kind: str) -> None:
    """Wait until the ledger has an event of a snapshot."""
    found = f'any(e["snapshot"] == {number} and e["kind"] == "{kind}" for e in json.load(sys.stdin)["events"])'
    machine.until(f"tukit-sysext history --all --json | python3 -c 'import json, sys; sys.exit(not {found})'")


def test_what_comes_and_goes_is_seen_at_once(deaf: Site, machine: Machine) -> None:
    made = int(machine.run(["snapper", "create", "--print-number"]).stdout)
    until(machine, made, "snapshot created")
    # the settling is about to end, and what it has not seen any more must not be lost
    machine.run(["snapper", "delete", str(made)])
    until(machine, made, "snapshot deleted")
    wait_until_settled(machine)
    assert {number: dict(images) for number, images in deaf.ledger_here().items()} == {
        number: deaf.links(number) for number in deaf.numbers()
    }
    assert machine.failed_units() == []


def test_several_in_a_row(deaf: Site, machine: Machine) -> None:
    """Also those that come while the settling of the first one runs."""
    made = [int(machine.run(["snapper", "create", "--print-number"]).stdout) for _ in range(8)]
    for number in made:
        until(machine, number, "snapshot created")
    machine.run(["snapper", "delete", *map(str, made)])
    for number in made:
        until(machine, number, "snapshot deleted")
    wait_until_settled(machine)
    assert set(deaf.ledger_here()) == deaf.numbers()


def test_a_rollback_is_seen_at_the_boot(deaf: Site, machine: Machine) -> None:
    """Its image is gone, which the plugin would have told at once."""
    before = int(machine.run(["snapper", "create", "--print-number"]).stdout)
    until(machine, before, "snapshot created")
    deaf.publish("debug", "2.0", NEW)
    assert deaf.update().returncode == 0
    machine.reboot()
    assert machine.merged() == {"debug": "2.0"}
    machine.path("/var/lib/sysext-store/debug-1.0.x86-64.raw").unlink()
    machine.run(["snapper", "rollback", str(before)])
    target = machine.default
    assert machine.run(["ls", EVENTS]).stdout == ""

    machine.reboot()

    assert machine.running == target
    until(machine, target, "default changed")
    assert [(need["name"], need["condition"]) for need in deaf.json("status")["repair"]] == [("debug", "missing")]
    machine.run(["systemctl", "start", "tukit-sysext-repair.service"])  # as its timer does a minute later
    assert deaf.json("status")["repair"] == []
    assert deaf.links() == {"debug.raw": "debug-1.0.x86-64.raw"}
