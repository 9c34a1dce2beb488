# SPDX-License-Identifier: LGPL-2.1-or-later
"""snapper deletes old snapshots by itself, and the images that only they had go with them."""

from __future__ import annotations

from tests.booted import journal
from tests.booted.conftest import Boot
from tests.booted.machine import Machine
from tests.booted.units import GC, wait_until_settled
from tests.on_lab.site import OLD, STATE, Site


def collect(machine: Machine) -> None:
    """Twice, as the first one only notes what nothing needs."""
    for _ in range(2):
        machine.run(["systemctl", "start", GC])


def test_after_a_cleanup_by_snapper(boot: Boot) -> None:
    """Several snapshots go in a row; what is merged stays until the reboot, though nothing links it any more."""
    machine = boot()
    site = Site(lab=machine).with_source()
    site.write("/etc/tukit-sysext/tukit-sysext.conf", "[Store]\nGrace=0s\n")
    for version in ("1.0", "1.1"):
        site.publish("debug", version, OLD)
        site.command("install" if version == "1.0" else "update", "debug")
        for _ in range(3):
            machine.run(["snapper", "create", "--cleanup-algorithm=number"])
        if version == "1.0":
            machine.reboot()
    wait_until_settled(machine)
    assert machine.merged() == {"debug": "1.0"}
    assert len(site.ledger_here()) == 7

    limits = ("NUMBER_CLEANUP=yes", "NUMBER_MIN_AGE=0", "NUMBER_LIMIT=1", "NUMBER_LIMIT_IMPORTANT=1")
    machine.run(["snapper", "set-config", *limits])
    machine.run(["systemctl", "start", "--wait", "snapper-cleanup.service"])
    machine.until('[ "$(snapper list | grep -c number)" = 1 ]')
    wait_until_settled(machine)

    assert len(site.ledger_here()) == 2
    collect(machine)
    assert site.store() == ["debug-1.0.x86-64.raw", "debug-1.1.x86-64.raw"]
    machine.reboot()
    collect(machine)
    assert site.store() == ["debug-1.1.x86-64.raw"]
    assert machine.merged() == {"debug": "1.1"}
    assert machine.failed_units() == []


def test_what_is_of_unknown_origin_is_looked_into(boot: Boot) -> None:
    """With systemd-dissect, from within the sandbox of the unit."""
    machine = boot()
    site = Site(lab=machine).with_source()
    site.write("/etc/tukit-sysext/tukit-sysext.conf", "[Store]\nGrace=0s\n")
    site.publish("debug", "1.0", OLD)
    site.command("install", "debug")
    machine.path(f"{STATE}/images/debug-1.0.x86-64.raw.json").unlink()
    machine.path("/etc/extensions/debug.raw").unlink()
    collect(machine)
    assert "of unknown origin, and a good image" in journal.text(machine, f"--unit={GC}")
    assert site.store() == ["debug-1.0.x86-64.raw"]
