# SPDX-License-Identifier: LGPL-2.1-or-later
"""A boot with a kernel of its own, an initrd and udev: images of every kind, with a partition table too.

In namespaces there is no udev, without which nothing waits for the partitions of an image.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator

import pytest

from tests.lab import Lab
from tests.on_lab.site import OLD, STORE, Site
from tests.virtual.base import Base, virtual_base
from tests.virtual.disk import prepared
from tests.virtual.machine import QEMU, VirtualMachine, drive

pytestmark = [pytest.mark.long, pytest.mark.root, pytest.mark.lab, pytest.mark.tool(QEMU), pytest.mark.timeout(3600)]

KINDS = ("squashfs", "erofs", "gpt")
GUARD = "tukit-sysext-boot.service"


@pytest.fixture(scope="module")
def base() -> Base:
    return virtual_base()


@pytest.fixture(scope="module")
def disk(base: Base, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """With an image of each kind that is called as its kind, linked."""

    def install(lab: Lab) -> None:
        site = Site(lab=lab).prepare()
        for kind in KINDS:
            site.publish(kind, "1.0", OLD, kind=kind)
            site.command("install", kind)

    descriptor = prepared(base, tmp_path_factory.mktemp("packages"), install)
    yield descriptor
    os.close(descriptor)


def boot(base: Base, disk: int) -> VirtualMachine:
    machine = VirtualMachine(base, drive(disk), files=[disk])
    machine.until("systemctl is-system-running | grep -E 'running|degraded'", seconds=900)
    return machine


def merged(machine: VirtualMachine) -> list[str]:
    done = machine.run(["systemd-sysext", "status", "--json=short"])
    (usr,) = (each for each in json.loads(done.stdout) if each["hierarchy"] == "/usr")
    return [] if usr["extensions"] == "none" else sorted(usr["extensions"])


def failed(machine: VirtualMachine) -> str:
    """Our units, and systemd's, that failed."""
    return machine.run(["systemctl", "list-units", "--failed", "--plain", "--no-legend", "*sysext*"]).stdout


def test_every_kind_is_merged_and_a_damaged_one_is_kept_out(base: Base, disk: int) -> None:
    with boot(base, disk) as machine:
        assert (merged(machine), failed(machine)) == (sorted(KINDS), "")
        machine.run(["truncate", "--size=8192", f"{STORE}/gpt-1.0.x86-64.raw"])
        machine.run(["sync"])

    with boot(base, disk) as machine:
        said = machine.run(["journalctl", "--boot", "--unit", GUARD, "--output=cat"]).stdout
        assert "gpt.raw: quarantined: " in said, said
        assert (merged(machine), failed(machine)) == (sorted({*KINDS} - {"gpt"}), "")
