# SPDX-License-Identifier: LGPL-2.1-or-later
"""The units by themselves: doctor asks systemd how they are, and what starts them starts them."""

from __future__ import annotations

from typing import Any

from tests.booted.machine import Machine
from tests.booted.units import BOOT, REFUSED, REPAIR
from tests.on_lab.site import IMAGES, OLD, STORE, Site

SETTLING = "tukit-sysext-settle.path"
COLLECTION = "tukit-sysext-gc.timer"
NETWORK = "/run/NetworkManager/resolv.conf"
IMAGE = "debug-1.0.x86-64.raw"


def commands(site: Site) -> set[Any]:
    """What doctor says to do about units that are not well."""
    results = site.json("doctor")["results"]
    return {each["next_step"] for each in results if each["check"].startswith("unit") and each["severity"] != "good"}


def test_doctor_asks_systemd(booted: Site, machine: Machine) -> None:
    assert commands(booted) == set()
    machine.run(["systemctl", "stop", SETTLING])
    machine.run(["systemctl", "disable", "--now", COLLECTION])
    told = commands(booted)
    assert told == {f"systemctl start {SETTLING}", f"systemctl enable --now {COLLECTION}"}
    for command in told:
        machine.run(["sh", "-c", command])
    assert commands(booted) == set()

    failing = f"/run/systemd/system/{BOOT}.d/failing.conf"
    booted.write(failing, "[Service]\nExecStart=\nExecStart=/usr/bin/false\n")
    machine.run(["systemctl", "daemon-reload"])
    machine.run(["systemctl", "restart", BOOT], check=False)
    assert commands(booted) == {f"journalctl -b -u {BOOT}"}
    machine.path(failing).unlink()
    assert commands(booted) == {f"journalctl -b -u {BOOT}", "systemctl daemon-reload"}
    machine.run(["systemctl", "daemon-reload"])
    machine.run(["systemctl", "restart", BOOT])
    assert commands(booted) == set()


def test_without_a_refusal_no_python_is_started_at_the_boot(machine: Machine) -> None:
    shown = machine.run(["systemctl", "show", "--property=Result,ActiveState,ExecMainPID", REFUSED]).stdout
    assert set(shown.split()) == {"Result=exec-condition", "ActiveState=inactive", "ExecMainPID=0"}


def test_repair_is_tried_when_the_network_comes_up(booted: Site, machine: Machine) -> None:
    """The source is away when the image is found missing, and comes without a word; the name servers tell."""
    booted.publish("debug", "1.0", OLD)
    booted.command("install", "debug")
    stored, source = machine.path(f"{STORE}/{IMAGE}"), machine.path(IMAGES)
    away = source.with_name("away")
    stored.unlink()
    source.rename(away)
    assert booted.command("verify", "--repair", check=False).returncode == 1
    machine.until(f"systemctl --quiet is-failed {REPAIR}")
    away.rename(source)
    assert not stored.exists()

    booted.write(f"{NETWORK}.new", "nameserver 192.0.2.1\n")
    machine.run(["mv", f"{NETWORK}.new", NETWORK])

    machine.until(f"[ -e {STORE}/{IMAGE} ] && ! systemctl --quiet is-failed {REPAIR}")
    assert machine.failed_units() == []
