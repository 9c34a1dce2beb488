# SPDX-License-Identifier: LGPL-2.1-or-later
"""What is linked is merged by the next boot, and what that boot does with what images bring."""

from __future__ import annotations

from tests.booted.machine import Machine
from tests.on_lab.site import OLD, Site

_MORE = {
    "lib/sysusers.d/more.conf": "u more - more\n",
    "lib/tmpfiles.d/more.conf": "d /var/lib/more 0700 root root\n",
    "lib/systemd/system/more.service": "[Service]\nExecStart=/usr/bin/sleep infinity\n",
    "lib/systemd/system/multi-user.target.wants/more.service": "",
}


def test_at_boot(booted: Site, machine: Machine) -> None:
    """A boot does what is not told; what is told it does not do, also where systemd reads its units anew."""
    booted.publish("good", "1.0", OLD)
    booted.publish("more", "1.0", {**OLD, "EXTENSION_RELOAD_MANAGER": "1"}, files=_MORE)
    said = booted.command("install", "good", "more").stdout
    commands = [line.strip() for line in said.splitlines() if line.startswith("    ")]
    assert commands == ["systemd-sysusers more.conf", "systemctl start more.service"]

    machine.reboot()

    assert machine.merged() == {"good": "1.0"}
    assert machine.failed_units() == []
    assert machine.path("/var/lib/more").is_dir()
    done = "id more && systemctl is-active more.service"
    assert machine.run(["sh", "-c", done], check=False).returncode != 0
    machine.run(["sh", "-c", " && ".join((*commands, done))])
