# SPDX-License-Identifier: LGPL-2.1-or-later
"""A kernel that enforces a policy: Debian's, with a stand-in for snapperd's domain (tests/selinux).

One boot, as it takes minutes: first without our module, then with it.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator

import pytest

from tests.virtual.base import virtual_base
from tests.virtual.disk import POLICY, WITH_MODULE, labelled
from tests.virtual.machine import QEMU, VirtualMachine, drive

pytestmark = [pytest.mark.long, pytest.mark.root, pytest.mark.lab, pytest.mark.tool(QEMU), pytest.mark.timeout(5400)]

KERNEL = "security=selinux selinux=1 enforcing=0 sysctl.kernel.printk_ratelimit=0 log_buf_len=8M"
"""It starts with a policy that denies nothing but tells everything: Debian's is not made for all that starts here."""

EVENTS = "/run/tukit-sysext/events"
PLUGIN = "/usr/lib/snapper/plugins/60-tukit-sysext"
OURS = re.compile(r"tukit|sysext-store")
"""What the name of a program, a file or a domain of ours has in it."""


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VirtualMachine]:
    base = virtual_base()
    disk = labelled(base, tmp_path_factory.mktemp("packages"))
    try:
        with VirtualMachine(base, drive(disk), files=[disk], command_line=KERNEL) as machine:
            machine.until("systemctl is-system-running | grep -E 'running|degraded'", seconds=900)
            yield machine
    finally:
        os.close(disk)


class Watch:
    """What the policy denied since this was made, or would have, as the kernel tells it."""

    def __init__(self, machine: VirtualMachine, *, whole: bool = False) -> None:
        """With ``whole`` since the boot."""
        self._machine = machine
        self._before = 0 if whole else len(self._lines())

    def _lines(self) -> list[str]:
        lines = self._machine.run(["dmesg"]).stdout  # (the policy keeps the journal from who is started by init)
        return [line for line in lines.splitlines() if "avc:  denied" in line]

    def denied(self) -> list[str]:
        return self._lines()[self._before :]

    def ours(self) -> list[str]:
        return [line for line in self.denied() if OURS.search(line)]


def settled(machine: VirtualMachine, number: int, kind: str) -> None:
    """Wait until something that happened to a snapshot was settled, by what systemd starts."""
    found = f'any(e["snapshot"] == {number} and e["kind"] == "{kind}" for e in json.load(sys.stdin)["events"])'
    machine.until(f"tukit-sysext history --json | python3 -c 'import json, sys; sys.exit(not {found})'", seconds=120)


def create(machine: VirtualMachine) -> int:
    return int(machine.run(["snapper", "create", "--print-number"]).stdout)


def diagnosis(machine: VirtualMachine) -> tuple[str, str | None]:
    """What doctor says of SELinux, and the next step."""
    results = json.loads(machine.run(["tukit-sysext", "doctor", "--json"], check=False).stdout)["results"]
    ((severity, step),) = [(each["severity"], each["next_step"]) for each in results if each["check"] == "selinux"]
    return severity, step


def types(machine: VirtualMachine, *paths: str) -> set[str]:
    labels = machine.run(["stat", "--format=%C", *paths]).stdout.split()
    return {label.split(":")[2] for label in labels}


def test_the_plugin_of_snapper(machine: VirtualMachine) -> None:
    boot = Watch(machine, whole=True)
    assert boot.ours() == [], "neither the guard nor what starts at the boot"
    assert diagnosis(machine)[0] == "good", "nothing is denied yet"
    machine.run(["setenforce", "1"])

    watch = Watch(machine)
    without = create(machine)
    settled(machine, without, "snapshot created")
    denied = watch.ours()
    assert denied and all("snapperd_t" in line and "var_run_t" in line for line in denied), watch.denied()
    assert diagnosis(machine) == ("problem", "zypper install tukit-sysext-selinux")

    machine.run(["sh", "-c", f"rm -r {POLICY} && cp -a {WITH_MODULE} {POLICY} && load_policy"])
    assert diagnosis(machine) == ("problem", f"restorecon -F {PLUGIN}")
    machine.run(["restorecon", "-F", PLUGIN])
    assert diagnosis(machine) == ("problem", "restorecon -RF /run/tukit-sysext")
    machine.run(["restorecon", "-RF", "/run/tukit-sysext"])
    assert diagnosis(machine) == ("good", None)

    watch = Watch(machine)
    waiting = ["tukit-sysext-settle.path", "tukit-sysext-snapshots.path"]
    machine.run(["systemctl", "stop", *waiting])
    noted = create(machine)
    names = machine.run(["ls", EVENTS]).stdout.split()
    assert any(name.startswith("snapper-create-snapshot-post-") for name in names), names
    events = [f"{EVENTS}/{name}" for name in names]
    assert types(machine, "/run/tukit-sysext", EVENTS, *events) == {"tukit_sysext_var_run_t"}, names
    machine.run(["systemctl", "start", *waiting])
    settled(machine, noted, "snapshot created")

    machine.run(["snapper", "modify", "--default", str(noted)])
    settled(machine, noted, "default changed")

    machine.run(["systemctl", "stop", *waiting])
    machine.run(["rm", "-r", "/run/tukit-sysext"])
    machine.run(["snapper", "modify", "--description", "without the folder", str(noted)])
    assert types(machine, "/run/tukit-sysext", EVENTS) == {"tukit_sysext_var_run_t"}
    assert "\nsnapper-modify-snapshot-post-" in "\n" + machine.run(["ls", EVENTS]).stdout
    machine.run(["systemctl", "start", *waiting])
    settled(machine, noted, "snapshot modified")
    machine.run(["snapper", "delete", str(without)])
    settled(machine, without, "snapshot deleted")
    assert watch.ours() == [], "\n".join(watch.ours())
