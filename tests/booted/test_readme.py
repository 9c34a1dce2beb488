# SPDX-License-Identifier: LGPL-2.1-or-later
"""README's commands on a booted machine as they are written, with real zypper: installation, first image, its end.

What zypper finds is what README has people build, and stand-ins for openSUSE's packages; the source of images is ours.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from tests.booted.conftest import Boot
from tests.booted.disk import Disks
from tests.booted.machine import Machine
from tests.booted.stand_ins import OURS, lay_out_packages
from tests.booted.test_package import states
from tests.booted.units import TARGET, wait_until_settled
from tests.lab import Flavour
from tests.lab.readme import TOP, commands
from tests.on_lab.site import IMAGES, OLD, Site
from tests.terminal import answered


def answer(shown: str) -> str:
    """What somebody says to zypper who follows README: go on, and sysextmgr may go."""
    question = shown.rpartition("\n")[2]
    solutions = re.findall(r"Solution (\d+): deinstallation of sysextmgr", shown)
    return "y" if question.startswith("Continue? [y/n/") else solutions[-1] if solutions else ""


def run_lines(machine: Machine, lines: list[str]) -> str:
    """Run lines of README in their order; what they show."""
    shown = ""
    for line in lines:
        if line == "reboot":
            machine.reboot()
        else:
            shown += answered(machine, line, answer)
    return shown


def test_on_tumbleweed(boot: Boot, disks: Disks, tmp_path: Path) -> None:
    """What the build needs, the repository, the package; everything works without a reboot. Then all of it goes."""
    machine = boot(Flavour.TUMBLEWEED, installed=False)
    lay_out_packages(machine, disks, tmp_path)
    shutil.copytree(TOP / "spec", machine.path("/root/spec"))
    needed, required, _, _, repository = commands("Install")
    run_lines(machine, [needed, f"cd /root && {required}", repository])
    add, install, enable = commands("Install", after="On Tumbleweed")
    shown = run_lines(machine, [add, install])
    assert "deinstallation of sysextmgr" in shown and "not signed" in shown
    assert states(machine, "is-enabled") == {"disabled"}, "no preset says otherwise"
    assert f"systemctl enable --now {TARGET}" in machine.run(["tukit-sysext", "doctor"], check=False).stdout
    run_lines(machine, [enable])
    assert_installed(machine)

    site = Site(lab=machine).with_source()
    site.publish("debug", "1.0", OLD)
    site.command("install", "debug", "--now")
    assert machine.merged() == {"debug": "1.0"}
    made = int(machine.run(["snapper", "create", "--print-number"]).stdout)
    wait_until_settled(machine)
    assert site.ledger_here()[made] == (("debug.raw", "debug-1.0.x86-64.raw"),)
    machine.reboot()
    assert machine.merged() == {"debug": "1.0"}
    assert machine.failed_units() == []
    uninstall(machine)


def uninstall(machine: Machine) -> None:
    """After a snapshot as zypper makes one; nothing of ours is left, nothing is merged."""
    stop, *rest = commands("Uninstall")
    run_lines(machine, [stop])
    machine.run(["snapper", "create"])
    run_lines(machine, rest)
    assert machine.run(["rpm", "--query", "tukit-sysext", "tukit-sysext-config-openSUSE"], check=False).returncode == 2
    assert machine.merged() == {}
    left = machine.run(
        ["find", "/etc", "/var", "/usr", "-xdev", "(", "-name", "*tukit-sysext*", "-o", "-name", "*.raw*", ")"]
    )
    assert left.stdout.split() == [f"{IMAGES}/debug-1.0.x86-64.raw"]
    assert machine.failed_units() == []
    machine.reboot()
    assert machine.merged() == {}
    assert machine.failed_units() == []


def test_the_installation_on_microos(boot: Boot, disks: Disks, tmp_path: Path) -> None:
    """In a transaction, which zypper asks in as well."""
    machine = boot(installed=False)
    lay_out_packages(machine, disks, tmp_path)
    machine.run(["createrepo_c", "--quiet", OURS])
    machine.run(["mount", "-t", "tmpfs", "tmpfs", "/usr/local/sbin"])
    shutil.copy(TOP / "tests/lab/transactional-update", machine.path("/usr/local/sbin"))

    shown = run_lines(machine, commands("Install", after="On MicroOS"))

    assert "deinstallation of sysextmgr" in shown
    assert machine.running == machine.default == 2
    assert_installed(machine)


def assert_installed(machine: Machine) -> None:
    """Both packages are there in the place of sysextmgr, and run."""
    machine.run(["rpm", "--query", "tukit-sysext", "tukit-sysext-config-openSUSE"])
    assert machine.run(["rpm", "--query", "sysextmgr"], check=False).returncode == 1
    assert states(machine, "is-active") == {"active"}
    doctor = machine.run(["tukit-sysext", "doctor"])
    assert "no problems, no warnings" in doctor.stdout and "source opensuse was not asked yet" in doctor.stdout
    assert machine.failed_units() == []


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
