# SPDX-License-Identifier: LGPL-2.1-or-later
"""Merges into which somebody writes, and what images bring that a merge alone does not put to use."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from tests.booted.conftest import Boot
from tests.booted.machine import Machine
from tests.booted.units import PROVISION
from tests.lab import Flavour
from tests.lab.images import MARKS
from tests.on_lab.site import OLD, Site

_UNIT = "systemd-sysext.service"
_WRITTEN = "/usr/written"
_TOOL = {
    "lib/sysusers.d/tool.conf": "u tool - tool\n",
    "lib/tmpfiles.d/tool.conf": "d /var/lib/tool 0700 tool tool\n",
    "lib/systemd/system/tool.service": "[Service]\nExecStart=/usr/bin/tool infinity\n",
}


def set_mode(machine: Machine, text: str) -> None:
    """Have the unit merge in another mode, as an administrator does."""
    drop_in = machine.path(f"/etc/systemd/system/{_UNIT}.d/mode.conf")
    drop_in.parent.mkdir(parents=True, exist_ok=True)
    drop_in.write_text(f"[Service]\n{text}\n")
    machine.run(["systemctl", "daemon-reload"])
    machine.run(["systemctl", "reset-failed", _UNIT])  # systemd counts the starts within seconds
    machine.run(["systemctl", "restart", _UNIT])


def published(site: Site, version: str, more: Mapping[str, str | bytes]) -> None:
    sleep = site.lab.path("/usr/bin/sleep").read_bytes()
    files = {f"{MARKS}/tool": version, "bin/tool": sleep + version.encode(), **more}
    site.publish("tool", version, OLD, files=files)


def written(machine: Machine) -> str:
    return machine.run(["sh", "-c", f"cat {_WRITTEN} || echo hidden"]).stdout.strip()


@pytest.fixture
def machine(boot: Boot) -> Machine:
    return boot(Flavour.MICROOS)


def test_a_merge_keeps_its_mode_and_says_what_it_does_not_do(machine: Machine) -> None:
    """By another start, by an environment, by hand and by itself; in one machine, as each boot takes its time."""
    site = Site(lab=machine).with_source()
    published(site, "1.0", {})
    site.command("install", "tool", "--now")
    set_mode(machine, "ExecStart=\nExecStart=systemd-sysext --mutable=yes refresh")
    machine.run(["sh", "-c", f"echo here >{_WRITTEN}"])

    published(site, "1.1", _TOOL)
    said = site.command("update", "tool", "--now").stdout

    assert (machine.merged(), written(machine)) == ({"tool": "1.1"}, "here")
    # each command does what it is told for
    commands = [line.strip() for line in said.splitlines() if line.startswith("    ")]
    assert commands == ["systemd-sysusers tool.conf", "systemd-tmpfiles --create tool.conf", "systemctl daemon-reload"]
    for command in commands:
        machine.run(["sh", "-c", command])
    assert machine.run(["stat", "--format=%U", "/var/lib/tool"]).stdout == "tool\n"
    machine.run(["systemctl", "start", "tool.service"])

    set_mode(machine, "Environment=SYSTEMD_SYSEXT_MUTABLE_MODE=auto")
    published(site, "1.2", {})
    said = site.command("update", "tool", "--now").stdout

    assert (machine.merged(), written(machine)) == ({"tool": "1.2"}, "here")
    assert "tool.service runs files that were replaced:\n  systemctl restart tool.service" in said

    set_mode(machine, "")
    machine.run(["systemd-sysext", "--mutable=auto", "refresh"])
    published(site, "1.3", {})
    site.command("update", "tool", "--now")

    assert (machine.merged(), written(machine)) == ({"tool": "1.3"}, "here")

    # what our own units merge where nothing is merged
    set_mode(machine, "Environment=SYSTEMD_SYSEXT_MUTABLE_MODE=auto")
    machine.run(["systemctl", "stop", _UNIT])
    assert written(machine) == "hidden"
    site.publish("debug", "1.0", OLD)
    site.want("debug")
    machine.run(["systemctl", "start", PROVISION])

    assert (machine.merged(), written(machine)) == ({"debug": "1.0", "tool": "1.3"}, "here")
    assert machine.failed_units() == []
