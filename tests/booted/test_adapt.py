# SPDX-License-Identifier: LGPL-2.1-or-later
"""On a writable root, images follow what zypper installs: real libzypp, our commit plugin, and the units of systemd."""

from __future__ import annotations

import shutil

from tests.booted.conftest import Boot
from tests.booted.units import ADAPT
from tests.lab import Flavour
from tests.lab.packages import FIRST, PLACE, SECOND, THIRD, Distribution
from tests.on_lab.zypper_site import ZypperSite, in_release


def test_images_follow_the_packages(boot: Boot) -> None:
    """Up two releases, of which the second has no image that fits."""
    machine = boot(Flavour.TUMBLEWEED)
    shutil.copytree(Distribution.shared().folder, machine.path(PLACE))
    site = ZypperSite(lab=machine)
    site.with_source()
    site.with_packages_in_place()
    site.publish("debug", "1.0", in_release(FIRST))
    site.publish("debug", "1.1", in_release(SECOND))
    site.want("debug")
    site.command("update")

    site.dup_in_place(SECOND)
    machine.until("[ $(readlink /etc/extensions/debug.raw | grep -c debug-1.1) = 1 ]")
    assert machine.failed_units() == []

    site.dup_in_place(THIRD)
    machine.until("[ ! -L /etc/extensions/debug.raw ] && [ -e /run/motd.d/tukit-sysext ]")
    assert "debug" in machine.path("/run/motd.d/tukit-sysext").read_text()
    told = machine.run(["journalctl", "--no-pager", f"--unit={ADAPT}"]).stdout
    assert "debug: 1.0 -> 1.1" in told
    assert "debug: 1.1 left out" in told
