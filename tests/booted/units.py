# SPDX-License-Identifier: LGPL-2.1-or-later
"""Our units, and waiting for what they do by themselves."""

from __future__ import annotations

import re

from tests.booted.machine import Machine

TARGET = "tukit-sysext.target"
COLLECTION = "tukit-sysext-gc.timer"
WAITING = (
    TARGET,
    COLLECTION,
    "tukit-sysext-adapt.path",
    "tukit-sysext-refused.path",
    "tukit-sysext-repair.path",
    "tukit-sysext-repair.timer",
    "tukit-sysext-settle.path",
)
"""What waits for something to do."""
BOOT = "tukit-sysext-boot.service"
ADAPT = "tukit-sysext-adapt.service"
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


def exposure(machine: Machine) -> dict[str, float]:
    """The figure of `systemd-analyze security` for each service of ours, as systemd has it loaded: from 0 to 10."""
    files = machine.path("/usr/lib/systemd/system").glob("tukit-sysext-*.service")
    found: dict[str, float] = {}
    for name in sorted(file.name for file in files):
        told = machine.run(["systemd-analyze", "security", "--no-pager", "--json=off", name]).stdout
        match = re.search(rf"Overall exposure level for {re.escape(name)}: ([0-9.]+) ", told)
        assert match is not None, told
        found[name.removeprefix("tukit-sysext-").removesuffix(".service")] = float(match[1])
    return found
