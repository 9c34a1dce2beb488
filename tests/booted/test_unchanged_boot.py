# SPDX-License-Identifier: LGPL-2.1-or-later
"""Boots of a system that did not change: no Python comes before the merge, and whatever changes is seen."""

from __future__ import annotations

from tests.booted import journal
from tests.booted.machine import Machine
from tests.booted.units import BOOT, wait_until_settled
from tests.on_lab.site import OLD, STORE, Site

LINKS = "/etc/extensions"
QUARANTINE = "/etc/tukit-sysext/quarantine"
IMAGE = f"{STORE}/debug-1.0.x86-64.raw"


def looked(machine: Machine) -> bool:
    """Whether Python looked before the merge of this boot."""
    said = journal.text(machine, f"--unit={BOOT}")
    assert "Finished" in said
    return "nothing has changed" not in said


def boots(site: Site) -> int:
    return sum(event["kind"] == "booted" for event in site.json("history", "--all")["events"])


def until_unchanged(machine: Machine) -> None:
    """What was done is entered with the first boot, and so seen by the second one at the latest."""
    for _ in range(3):
        machine.reboot()
        if not looked(machine):
            return
    raise AssertionError("Python looks at each boot")


def test_what_changes_is_seen_at_the_next_boot(booted: Site, machine: Machine) -> None:
    booted.publish("debug", "1.0", OLD)
    booted.publish("other", "1.0", OLD)
    booted.command("install", "debug", "other")
    wait_until_settled(machine)
    machine.reboot()
    assert looked(machine)
    entered = boots(booted)
    machine.reboot()
    assert not looked(machine), "the boot before entered itself, and that is known"
    machine.reboot()
    assert not looked(machine)
    assert machine.merged() == {"debug": "1.0", "other": "1.0"} and machine.failed_units() == []
    assert boots(booted) == entered, "another boot of the same snapshot is none, whoever looks"

    # rot that the file's times tell
    content = machine.path(IMAGE).read_bytes()
    machine.path(IMAGE).write_bytes(content[:900])
    (booted.images / "debug-1.0.x86-64.raw").rename(booted.images / "away")
    machine.reboot()
    assert looked(machine)
    assert machine.merged() == {"other": "1.0"}
    assert machine.path(f"{QUARANTINE}/debug.raw").is_symlink()
    machine.reboot()
    assert looked(machine), "it may be whole again"
    (booted.images / "away").rename(booted.images / "debug-1.0.x86-64.raw")
    booted.command("verify", "--repair")
    until_unchanged(machine)
    assert machine.merged() == {"debug": "1.0", "other": "1.0"}

    # another level of the same system
    machine.run(["systemctl", "stop", "systemd-sysext.service"])
    with machine.unlocked():
        release = machine.path("/usr/lib/os-release")
        release.write_text(release.read_text().replace(OLD["SYSEXT_LEVEL"], "another"))
    machine.reboot()
    assert looked(machine)
    assert machine.merged() == {}
    assert sorted(path.name for path in machine.path(QUARANTINE).iterdir() if path.suffix == ".raw") == [
        "debug.raw",
        "other.raw",
    ]


def test_a_bad_image_of_others(booted: Site, machine: Machine) -> None:
    """One that is not ours would keep all others out of the merge."""
    booted.publish("debug", "1.0", OLD)
    booted.command("install", "debug")
    until_unchanged(machine)
    machine.path("/var/lib/extensions").mkdir(exist_ok=True)
    machine.path("/var/lib/extensions/page.raw").write_text("<html>404 Not Found</html>\n")

    machine.reboot()

    assert looked(machine)
    assert machine.merged() == {"debug": "1.0"} and machine.failed_units() == []


def test_started_again_while_it_runs(booted: Site, machine: Machine) -> None:
    """/usr is what was merged then, and no longer what it was at the boot."""
    booted.publish("debug", "1.0", OLD)
    booted.command("install", "debug")
    until_unchanged(machine)
    machine.path(IMAGE).write_bytes(b"")
    machine.run(["systemctl", "restart", BOOT])
    assert not machine.path(f"{LINKS}/debug.raw").is_symlink()
    assert machine.path(f"{QUARANTINE}/debug.raw").is_symlink()
