# SPDX-License-Identifier: LGPL-2.1-or-later
"""What is left of snapshots, or half of one: what stops a collection names the command that settles it (threat C5)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.conftest import StartLab
from tests.lab import Flavour
from tests.on_lab.site import Site

BOOT_ID = "/proc/sys/kernel/random/boot_id"
NUMBER = 2


@pytest.fixture(scope="module")
def machine(start_shared_lab: StartLab, our_tree: Path) -> Site:
    """MicroOS, whose /etc is a subvolume of its own: a deletion can be cut off between two."""
    site = Site(lab=start_shared_lab(Flavour.MICROOS, install={our_tree: "/"})).prepare()
    site.write("/etc/tukit-sysext/tukit-sysext.conf", "[Store]\nGrace=0s\n")
    return site


@pytest.fixture
def site(machine: Site) -> Iterator[Site]:
    """With a snapshot 2 that nothing uses, and what was left of an image in the store."""
    made = machine.lab.run(["snapper", "--no-dbus", "create", "-p", "--read-write"]).stdout.strip()
    assert made == str(NUMBER)
    machine.write("/var/lib/sysext-store/.debug-1.0.x86-64.raw.Xy12Zz", "")
    machine.command("gc")
    yield machine
    machine.lab.run(["rm", "-rf", f"/.snapshots/{NUMBER}", "/.snapshots/77"], check=False)


def info_alone(site: Site) -> None:
    """What snapper leaves behind now and then."""
    site.write("/.snapshots/77/info.xml", "<snapshot/>")


def a_folder(site: Site) -> None:
    site.write("/.snapshots/77/snapshot/etc/hosts", "")
    info_alone(site)


def no_etc(site: Site) -> None:
    """A deletion that was cut off after the first subvolume."""
    site.lab.run(["rm", "-r", f"/.snapshots/{NUMBER}/snapshot/etc"])


def no_info(site: Site) -> None:
    site.lab.path(f"/.snapshots/{NUMBER}/info.xml").unlink()


def read_only_without_info(site: Site) -> None:
    site.lab.run(["btrfs", "property", "set", "-ts", f"/.snapshots/{NUMBER}/snapshot", "ro", "true"])
    no_info(site)


@pytest.mark.parametrize("fault", [info_alone, a_folder, no_etc, no_info, read_only_without_info])
def test_what_stops_a_collection_names_what_settles_it(site: Site, fault: Callable[[Site], None]) -> None:
    """The command is typed as it stands there."""
    fault(site)
    before = site.store()
    for _ in range(2):
        done = site.command("gc", check=False)
        assert (done.returncode, site.store()) == (1, before), done
    command = done.stderr.partition("what settles it: ")[2].strip()
    doctor = site.command("doctor", check=False).stdout
    assert command in " ".join(doctor.split()), doctor
    # there is no D-Bus in a lab
    site.lab.run(["sh", "-c", command.replace("snapper ", "snapper --no-dbus ")])
    assert site.command("gc").stderr == ""
    assert before != site.store() == []


@pytest.mark.parametrize("fault", [info_alone, a_folder, no_etc])
def test_what_is_left_over_stops_nothing_after_a_boot(site: Site, fault: Callable[[Site], None]) -> None:
    fault(site)
    assert site.command("gc", check=False).returncode == 1
    site.write("/run/boot_id", "another")
    site.lab.run(["mount", "--bind", "/run/boot_id", BOOT_ID])
    try:
        assert site.command("gc").stderr == ""
        assert site.store() == []
        assert "settles it" not in site.command("doctor", check=False).stdout
    finally:
        site.lab.run(["umount", BOOT_ID])


def test_a_killed_transaction_shows_what_removes_it(machine: Site) -> None:
    """As snapper has it: in progress for ever; the command that is printed is run."""
    lab = machine.lab
    before = machine.numbers()
    lab.tukit("execute", "sh", "-c", "kill -9 $PPID")
    (number,) = machine.numbers() - before
    assert "transactional-update-in-progress=yes" in lab.run(["snapper", "--no-dbus", "list"]).stdout
    assert f"snapshot {number} (open transaction)" in machine.command("status").stdout
    assert f"tukit abort {number}" in machine.command("status").stdout, "nobody is at work at it"
    info = lab.path(f"/.snapshots/{number}/info.xml")
    info.write_text(re.sub(r"<date>\d{4}", "<date>2001", info.read_text()))  # long before the machine was booted
    told = machine.command("status").stdout
    assert f"snapshot {number} (left by a transaction that was killed)" in told
    (step,) = [line for line in told.splitlines() if "tukit abort" in line]
    assert f"{number}x" in machine.command("snapshots").stdout
    lab.run(step.split())
    assert number not in machine.numbers()
    assert "killed" not in machine.command("status").stdout
