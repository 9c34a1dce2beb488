# SPDX-License-Identifier: LGPL-2.1-or-later
"""A soft-reboot: everything starts anew but the kernel, and what is below /run stays."""

from __future__ import annotations

import pytest

from tests.booted import journal
from tests.booted.conftest import Boot
from tests.booted.machine import Machine
from tests.booted.units import BOOT, REFUSED, REPAIR, SETTLE, wait_until_settled
from tests.on_lab.site import NEW, OLD, STATE, STORE, Site

NEXT_ROOT = """\
set -e
mount -t btrfs /run/host/disk /run/nextroot
mount --bind /run/nextroot/etc /run/nextroot/etc
for name in .snapshots var home root opt; do
    mount -t btrfs -o "subvol=/@/$name" /run/host/disk "/run/nextroot/$name"
done
mount -o remount,bind,ro /run/nextroot
"""
"""What transactional-update prepares for a soft-reboot: what boots next, as systemd will have it (sh)."""


def soft_reboot_into_next(machine: Machine) -> None:
    """A soft-reboot into what boots next."""
    machine.path("/run/nextroot").mkdir(exist_ok=True)
    machine.run(["sh", "-c", NEXT_ROOT])
    machine.soft_reboot()


def test_into_the_same_system(boot: Boot) -> None:
    """The guard runs again, and what is asked for in /run is not lost."""
    machine = boot()
    site = Site(lab=machine).with_source()
    for name in ("good", "torn"):
        site.publish(name, "1.0", OLD)
        site.command("install", name)
    machine.reboot()
    assert site.update().returncode == 75
    (site.images / "torn-1.0.x86-64.raw").unlink()
    torn = machine.path(f"{STORE}/torn-1.0.x86-64.raw")
    torn.write_bytes(torn.read_bytes()[:900])

    machine.soft_reboot()

    assert machine.merged() == {"good": "1.0"}, journal.text(machine, f"--unit={BOOT}")
    assert "torn.raw" in machine.path("/run/tukit-sysext/repair").read_text()
    machine.until(f"systemctl --quiet is-failed {REFUSED}")
    assert set(machine.failed_units()) <= {REFUSED, REPAIR}, "who was stopped has not failed"


def test_into_an_updated_one(boot: Boot) -> None:
    """Its own images are merged, and nothing of the old system's is believed of it."""
    machine = boot()
    site = Site(lab=machine).with_source()
    site.publish("debug", "1.0", OLD)
    site.publish("debug", "2.0", NEW)
    site.command("install", "debug")
    machine.reboot()
    damaged = machine.path(f"{STORE}/debug-1.0.x86-64.raw")
    content = damaged.read_bytes()
    assert site.update().returncode == 0
    updated = machine.default
    damaged.write_bytes(content[:900])
    (site.images / "debug-1.0.x86-64.raw").unlink()
    site.command("verify", check=False)
    wait_until_settled(machine)

    soft_reboot_into_next(machine)

    assert machine.running == updated
    assert machine.merged() == {"debug": "2.0"}, journal.text(machine, f"--unit={BOOT}")
    assert machine.failed_units() == []
    wait_until_settled(machine)
    trees = {tree["role"]: tree["tree"]["snapshot"] for tree in site.json("status")["trees"]}
    assert trees == {"running, boots next": updated}
    assert site.json("status")["repair"] == []


def test_marks_of_the_system_before(boot: Boot) -> None:
    """They are in /run still, and no unit of ours has looked yet: what they say is not said of this system."""
    machine = boot()
    site = Site(lab=machine).with_source()
    site.publish("debug", "1.0", OLD)
    site.command("install", "debug")
    machine.run(["systemctl", "mask", BOOT, REPAIR, SETTLE])
    site.publish("debug", "2.0", NEW)
    assert site.update().returncode == 0
    machine.path(f"{STORE}/debug-1.0.x86-64.raw").unlink()
    (site.images / "debug-1.0.x86-64.raw").unlink()
    site.command("verify", "--repair", check=False)
    assert [need["name"] for need in site.json("status")["repair"]] == ["debug"]

    updated = machine.default
    soft_reboot_into_next(machine)

    assert machine.running == updated
    assert "debug-1.0" in machine.path("/run/tukit-sysext/repair").read_text()
    assert site.json("status")["repair"] == []
    site.command("verify", "--repair")
    assert not machine.path("/run/tukit-sysext/repair").exists()


@pytest.mark.parametrize("process", ["sleep", "tukit-sysext"])
def test_while_something_is_settled(boot: Boot, process: str) -> None:
    """Who is stopped has not failed, whether it waits or is at work, and all of it is settled afterwards."""
    machine = boot()
    site = Site(lab=machine)
    # it waits for the ledger while it is at work
    machine.run(["systemd-run", "--quiet", "flock", f"{STATE}/ledger.lock", "sleep", "infinity"])
    made = int(machine.run(["snapper", "create", "--print-number"]).stdout)
    state = "start-pre" if process == "sleep" else "start"
    machine.until(f'[ "$(systemctl show --property=SubState --value {SETTLE})" = {state} ]')

    machine.soft_reboot()

    assert "Failed with result" not in journal.text(machine, "--unit=tukit-sysext-*")
    assert machine.failed_units() == []
    wait_until_settled(machine)
    assert made in site.ledger_here()
