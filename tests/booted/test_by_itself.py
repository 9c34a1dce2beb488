# SPDX-License-Identifier: LGPL-2.1-or-later
"""What our units bring by themselves, and what of it they merge: only where nothing is merged."""

from __future__ import annotations

import pytest

from tests.booted import journal
from tests.booted.machine import Machine
from tests.booted.units import PROVISION, REPAIR, UPDATE, wait_until_settled
from tests.lab import Flavour
from tests.on_lab.site import OLD, STORE, Site

DEBUG = f"{STORE}/debug-1.0.x86-64.raw"
WAITING = "Linked, but not merged into the running /usr: debug"


def configure(site: Site, refresh: str) -> None:
    """What a repair of the running system does about the merge."""
    site.write("/etc/tukit-sysext/tukit-sysext.conf", f"[Repair]\nRefresh={refresh}\n")


def lose(site: Site, machine: Machine, *others: str) -> None:
    """A machine that boots with `others` merged, and without the image of debug, whose source is there."""
    for name in ("debug", *others):
        site.publish(name, "1.0", OLD)
        site.command("install", name)
    machine.path(DEBUG).unlink()
    machine.reboot()
    assert machine.merged() == dict.fromkeys(others, "1.0")


def repair(machine: Machine) -> str:
    """Have the unit repair, as its timer does; what the journal has of it."""
    machine.run(["systemctl", "start", REPAIR])
    assert machine.path(DEBUG).exists()
    assert machine.failed_units() == []
    return journal.text(machine, f"--unit={REPAIR}")


def not_merged(site: Site) -> list[str]:
    """What status has as linked in the running system, and not merged."""
    (running,) = (tree for tree in site.json("status")["trees"] if "running" in tree["role"])
    return sorted(image["name"] for image in running["images"] if image["merged"] is False)


@pytest.mark.parametrize(
    ("refresh", "others", "merged"),
    [
        pytest.param("add", (), {"debug": "1.0"}, id="nothing is merged"),
        pytest.param("add", ("strace",), {"strace": "1.0"}, id="another one is merged"),
        pytest.param("no", (), {}, id="not wanted"),
    ],
)
def test_a_repair(
    booted: Site, machine: Machine, refresh: str, others: tuple[str, ...], merged: dict[str, str]
) -> None:
    """The unit, in its sandbox, has another one merge; what is linked and not merged is said."""
    configure(booted, refresh)
    lose(booted, machine, *others)

    said = repair(machine)

    assert machine.merged() == merged, said
    waits = "debug" not in merged
    assert (WAITING in said) == waits
    assert not_merged(booted) == (["debug"] if waits else [])
    assert any(row["check"] == "not-merged" for row in booted.json("doctor")["results"]) == waits
    machine.reboot()
    assert machine.merged() == {"debug": "1.0", **dict.fromkeys(others, "1.0")}


@pytest.mark.parametrize("others", [(), ("strace",)], ids=["nothing is merged", "another one is merged"])
def test_provisioning(booted: Site, machine: Machine, others: tuple[str, ...]) -> None:
    """Wanted by what a first boot wrote, and never linked."""
    for name in others:
        booted.publish(name, "1.0", OLD)
        booted.command("install", name)
        machine.reboot()
    booted.publish("debug", "1.0", OLD)
    booted.want("debug", policy=None)

    machine.run(["systemctl", "start", PROVISION])

    said = journal.text(machine, f"--unit={PROVISION}")
    assert booted.links()["debug.raw"] == "debug-1.0.x86-64.raw", said
    assert machine.merged() == (dict.fromkeys(others, "1.0") if others else {"debug": "1.0"}), said
    assert (WAITING in said) == bool(others)
    assert machine.failed_units() == []


def test_an_update_of_images_alone(booted: Site, machine: Machine) -> None:
    """A snapshot to go back to where something changes, none where nothing does; what is merged stays until the reboot.

    It is the new system where root is read-only, and the system as it was where it is not.
    """
    booted.publish("debug", "1.0", OLD)
    booted.command("install", "debug")
    machine.reboot()
    wait_until_settled(machine)
    running, before = machine.running, booted.numbers()
    machine.run(["systemctl", "start", UPDATE])
    assert (booted.numbers(), booted.default()) == (before, running)

    booted.publish("debug", "1.1", OLD)
    machine.run(["systemctl", "start", UPDATE])

    said = journal.text(machine, f"--unit={UPDATE}")
    (made,) = booted.numbers() - before
    old, new = {"debug.raw": "debug-1.0.x86-64.raw"}, {"debug.raw": "debug-1.1.x86-64.raw"}
    in_place = machine.flavour is Flavour.TUMBLEWEED
    assert booted.default() == (running if in_place else made), said
    assert (booted.links(), booted.links(made)) == ((new, old) if in_place else (old, new))
    assert machine.merged() == {"debug": "1.0"}
    assert machine.failed_units() == []
    machine.reboot()
    assert machine.running == booted.default() and machine.merged() == {"debug": "1.1"}
