# SPDX-License-Identifier: LGPL-2.1-or-later
"""The package is replaced and goes while the machine runs; how it comes: test_readme.py."""

from __future__ import annotations

import shutil
from collections.abc import Sequence

import pytest

from tests.booted.conftest import Boot
from tests.booted.disk import Disks
from tests.booted.machine import Machine
from tests.booted.units import COLLECTION, WAITING
from tests.lab import Flavour
from tests.on_lab.site import OLD, Site

RPM = "/var/cache/tukit-sysext.rpm"


def states(machine: Machine, verb: str, units: Sequence[str] = WAITING) -> set[str]:
    """What systemctl says of all these units."""
    return set(machine.run(["systemctl", verb, *units], check=False).stdout.split())


def change_package(machine: Machine, *arguments: str) -> None:
    """Run rpm, for which /usr must not have anything merged."""
    machine.run(["systemd-sysext", "unmerge"])
    machine.run(["rpm", *arguments])
    machine.run(["systemd-sysext", "merge"])


def started(machine: Machine) -> dict[str, str]:
    """When each unit that waits was started."""
    command = ["systemctl", "show", "--property=ActiveEnterTimestampMonotonic", "--value", *WAITING]
    return dict(zip(WAITING, machine.run(command).stdout.split(), strict=True))


@pytest.fixture
def running(boot: Boot) -> Site:
    """A machine with an image that is merged, on which an administrator switched the collection off."""
    machine = boot(Flavour.TUMBLEWEED)
    site = Site(lab=machine).with_source()
    site.publish("debug", "1.0", OLD)
    site.command("install", "debug", "--now")
    machine.run(["systemctl", "disable", "--now", COLLECTION])
    return site


def test_an_update(running: Site, disks: Disks) -> None:
    """What waits is started anew, what was switched off stays off, and nothing is lost."""
    machine = running.lab
    assert isinstance(machine, Machine)
    before = started(machine)
    shutil.copy(disks.newer_rpm(), machine.path(RPM))

    change_package(machine, "--upgrade", "--nodeps", RPM)

    assert machine.run(["tukit-sysext", "--version"]).stdout.split()[-1].startswith("99.")
    after = started(machine)
    assert {name for name in after if after[name] != before[name]} == {*WAITING} - {COLLECTION}
    assert states(machine, "is-active", [name for name in WAITING if name != COLLECTION]) == {"active"}
    assert states(machine, "is-enabled", [COLLECTION]) == {"disabled"}
    assert states(machine, "is-active", [COLLECTION]) == {"inactive"}
    assert machine.merged() == {"debug": "1.0"}
    assert running.records() == ["debug-1.0.x86-64.raw.json"]
    assert machine.failed_units() == []
    running.publish("debug", "1.1", OLD)
    running.command("update", "debug")
    machine.reboot()
    assert machine.merged() == {"debug": "1.1"}
    assert machine.failed_units() == []


def test_a_removal(running: Site) -> None:
    """Nothing of ours runs on, images and links stay, and are merged as by hand."""
    machine = running.lab
    assert isinstance(machine, Machine)
    change_package(machine, "--erase", "tukit-sysext")

    assert machine.run(["systemctl", "list-units", "--all", "--no-legend", "tukit-sysext*"]).stdout == ""
    assert machine.run(["find", "/etc/systemd", "-name", "*tukit*"]).stdout == ""
    assert running.records() == ["debug-1.0.x86-64.raw.json"]
    assert machine.failed_units() == []
    machine.run(["snapper", "create"])
    machine.reboot()
    assert machine.merged() == {"debug": "1.0"}
    assert machine.failed_units() == []
