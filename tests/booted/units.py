# SPDX-License-Identifier: LGPL-2.1-or-later
"""Our units, and waiting for what they do by themselves."""

from __future__ import annotations

from tests.booted.machine import Machine

TARGET = "tukit-sysext.target"
COLLECTION = "tukit-sysext-gc.timer"
WAITING = (
    TARGET,
    COLLECTION,
    "tukit-sysext-refused.path",
    "tukit-sysext-repair.path",
    "tukit-sysext-repair.timer",
    "tukit-sysext-settle.path",
)
"""What waits for something to do."""
BOOT = "tukit-sysext-boot.service"
GC = "tukit-sysext-gc.service"
PROVISION = "tukit-sysext-provision.service"
REFUSED = "tukit-sysext-refused.service"
REPAIR = "tukit-sysext-repair.service"
SETTLE = "tukit-sysext-settle.service"
UPDATE = "tukit-sysext-update.service"

EVENTS = "/run/tukit-sysext/events"


def wait_until_settled(machine: Machine) -> None:
    """Until every event that tukit and snapper wrote down was settled, which the path unit starts."""
    machine.until(f'[ -z "$(ls {EVENTS})" ] && [ "$(systemctl is-active {SETTLE})" = inactive ]')
