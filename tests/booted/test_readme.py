# SPDX-License-Identifier: LGPL-2.1-or-later
"""README's first image, and its end, on a booted machine as they are written; the source is ours."""

from __future__ import annotations

from tests.booted.conftest import Boot
from tests.booted.test_package import RPM
from tests.lab import Flavour
from tests.lab.readme import commands
from tests.on_lab.site import IMAGES, OLD, Site


def test_the_first_image(boot: Boot) -> None:
    machine = boot()
    site = Site(lab=machine).with_source()
    site.publish("debug", "1.0", OLD)
    lines = commands("First image")
    assert len(lines) == 5
    said = {line: machine.run(["sh", "-c", line]).stdout for line in lines}
    assert "debug" in said[lines[0]]
    assert machine.merged() == {"debug": "1.0"}
    assert "1.0" in said["tukit-sysext status"]


def test_the_uninstallation(boot: Boot) -> None:
    """By rpm in place of zypper, after a snapshot as zypper makes one; nothing of ours is left, nothing is merged."""
    machine = boot(Flavour.TUMBLEWEED)
    site = Site(lab=machine).with_source()
    site.publish("debug", "1.0", OLD)
    site.command("install", "debug", "--now")
    assert machine.merged() == {"debug": "1.0"}
    lines = commands("Uninstall")
    assert "zypper remove tukit-sysext" in lines

    for line in lines:
        if line.startswith("zypper "):
            machine.run(["snapper", "create"])
        machine.run(["sh", "-c", line.replace("zypper remove", "rpm --erase")])

    assert machine.merged() == {}
    left = machine.run(
        ["find", "/etc", "/var", "/usr", "-xdev", "(", "-name", "*tukit-sysext*", "-o", "-name", "*.raw*", ")"]
    )
    assert set(left.stdout.split()) == {RPM, f"{IMAGES}/debug-1.0.x86-64.raw"}, "what it was installed from"
    assert machine.failed_units() == []
    machine.reboot()
    assert machine.merged() == {}
    assert machine.failed_units() == []
