# SPDX-License-Identifier: LGPL-2.1-or-later
"""The booted machine is what it says it is, and goes when its test does."""

from __future__ import annotations

import contextlib
import json
import os
import select
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.booted import journal, waiting
from tests.booted.machine import Machine
from tests.lab import Flavour
from tests.rpm import TOP

WAITED_FOR = 60.0
_UEVENTS = 15
"""Netlink's protocol by which the kernel says what changed of devices (NETLINK_KOBJECT_UEVENT)."""


def backing_files() -> list[str]:
    """What is behind the loop devices of this host."""
    return [path.read_text().strip() for path in Path("/sys/block").glob("loop*/loop/backing_file")]


def no_device_has(names: Sequence[str]) -> bool:
    """Whether no loop device of this host has such a file behind it any more, in time."""
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _UEVENTS) as events:
        events.bind((0, 1))
        events.settimeout(WAITED_FOR)
        with contextlib.suppress(TimeoutError):
            while any(name in file for file in backing_files() for name in names):
                events.recv(65536)
            return True
    return False


def is_read_only(machine: Machine) -> bool:
    return machine.run(["touch", "/usr/probe"], check=False).returncode != 0


@pytest.mark.parametrize("flavour", list(Flavour), ids=lambda flavour: str(flavour.value))
def test_a_machine(machine: Machine, flavour: Flavour) -> None:
    assert machine.run(["cat", "/proc/1/comm"]).stdout == "systemd\n"
    assert machine.run(["systemctl", "is-system-running"]).stdout == "running\n"
    assert machine.failed_units() == []
    assert is_read_only(machine) == (flavour is Flavour.MICROOS)
    assert machine.run(["rpm", "--query", "--queryformat=%{NAME}", "tukit-sysext"]).stdout == "tukit-sysext"
    assert "1*" in machine.run(["snapper", "list"]).stdout, "by D-Bus"
    assert machine.run(["systemctl", "is-active", "snapperd.service"]).stdout == "active\n"


def test_boots(machine: Machine) -> None:
    boot_id = machine.path("/proc/sys/kernel/random/boot_id")
    first = boot_id.read_text()
    machine.path("/run/kept").touch()
    machine.soft_reboot()
    assert machine.path("/run/kept").exists() and boot_id.read_text() == first
    assert machine.run(["systemctl", "show", "--property=SoftRebootsCount", "--value"]).stdout == "1\n"
    machine.reboot()
    second = machine.path("/proc/sys/kernel/random/boot_id").read_text()
    assert second != first and not machine.path("/run/kept").exists()
    assert "Reached target reboot.target" in journal.text(machine, boot=-1)
    made = int(machine.run(["snapper", "create", "--print-number"]).stdout)
    machine.reboot(f"@/.snapshots/{made}/snapshot")
    assert machine.running == made and machine.default == 1
    machine.reboot()
    assert machine.running == 1
    machine.shut_down()
    with pytest.raises(Exception, match="stopped"):
        machine.run(["true"])


def test_a_killed_test_leaves_nothing_behind(tmp_path: Path) -> None:
    """The host is as before: no process, no loop device, no control group."""
    log = tmp_path / "log"
    options = [f"--basetemp={tmp_path}/tests", "-o", f"cache_dir={tmp_path}/cache"]
    command = [sys.executable, "-m", "pytest", *options, waiting.__file__]
    reading, writing = os.pipe()
    environment = {**os.environ, waiting.FACTS: str(writing)}
    with (
        open(reading) as facts,
        log.open("w") as output,
        subprocess.Popen(command, cwd=TOP, stdout=output, stderr=output, pass_fds=[writing], env=environment) as test,
    ):
        try:
            os.close(writing)
            said = facts.read()  # comes to its end with the test, at the latest
            assert said, log.read_text()
            there = json.loads(said)
            names = there["image"], there["disk"]
            assert all(any(name in file for file in backing_files()) for name in names)
            (group,) = Path("/sys/fs/cgroup").glob(f"**/{there['group']}")
            holder = os.pidfd_open(int(there["holder"]))
        finally:
            test.kill()
    assert select.select([holder], [], [], WAITED_FOR)[0]
    os.close(holder)
    assert not Path("/proc", there["pid"]).exists()
    assert not group.exists()
    assert no_device_has(names)
