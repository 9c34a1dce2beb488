# SPDX-License-Identifier: LGPL-2.1-or-later
"""What is linked is merged by the next boot."""

from __future__ import annotations

from tests.booted.machine import Machine
from tests.on_lab.site import OLD, Site


def test_at_boot(booted: Site, machine: Machine) -> None:
    booted.publish("good", "1.0", OLD)
    booted.command("install", "good")
    machine.reboot()
    assert machine.merged() == {"good": "1.0"}
    assert machine.failed_units() == []
