# SPDX-License-Identifier: LGPL-2.1-or-later
"""The first boot after the package came in a transaction: of ours nothing is there but the package itself."""

from __future__ import annotations

import shutil

from tests.booted import journal
from tests.booted.conftest import Boot
from tests.booted.disk import Disks
from tests.booted.test_bad_images import EXTENSIONS, QUARANTINE, link_by_hand, names
from tests.booted.units import BOOT, wait_until_settled
from tests.lab import Flavour
from tests.on_lab.site import STATE, STORE, Site

CACHE = "/var/cache/tukit-sysext"


def test_after_a_transaction(boot: Boot, disks: Disks, flavour: Flavour) -> None:
    """The guard does its job, though tmpfiles.d comes after it."""
    machine = boot(flavour, installed=False)
    site = Site(lab=machine)
    link_by_hand(site)
    shutil.copy(disks.rpm(), machine.path("/var/cache/tukit-sysext.rpm"))
    script = "rpm -U --nodeps /var/cache/tukit-sysext.rpm && systemctl enable tukit-sysext.target"
    machine.tukit("execute", "sh", "-c", script, check=True)
    # a transaction sees little of /var, and a script that makes folders may not have run
    machine.run(["rm", "-rf", STATE, STORE, CACHE])

    machine.reboot()

    assert machine.merged() == {"good": "1.0"}, journal.text(machine, f"--unit={BOOT}")
    assert machine.failed_units() == []
    assert names(machine.path(QUARANTINE)) == {"empty", "loop", "misnamed", "page", "truncated"}
    assert names(machine.path(EXTENSIONS)) == {"dangling", "folder", "good", "unfitting"}
    for folder in (f"{STATE}/images", f"{STATE}/seen", STORE, CACHE, "/run/tukit-sysext/events"):
        assert machine.path(folder).is_dir()
    wait_until_settled(machine)
    assert list(site.ledger_here()) == [1, machine.running]
