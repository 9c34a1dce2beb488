# SPDX-License-Identifier: LGPL-2.1-or-later
"""No service of ours is more exposed than it has to be, by the figure of `systemd-analyze security`."""

from __future__ import annotations

from tests.booted.conftest import Boot
from tests.booted.units import GC, exposure

AT_MOST = {
    "adapt": 3.4,
    "boot": 2.4,
    "gc": 3.0,
    # runs systemd-sysext alone, which mounts for everybody
    "merge": 9.6,
    "provision": 3.4,
    "refused": 0.9,
    "repair": 3.4,
    "settle": 2.7,
    "snapshots": 0.9,
    # runs transactional-update, which may do anything
    "update": 9.6,
}
"""From 0 to 10. What keeps a service above 2.0 is said in the comments of its unit."""


def test_no_service_is_more_exposed_than_it_has_to_be(boot: Boot) -> None:
    machine = boot()
    found = exposure(machine)
    assert sorted(found) == sorted(AT_MOST)
    assert {name: figure for name, figure in found.items() if figure > AT_MOST[name]} == {}

    weaker = machine.path(f"/run/systemd/system/{GC}.d/weaker.conf")
    weaker.parent.mkdir(parents=True)
    weaker.write_text("[Service]\nProtectSystem=no\n")
    machine.run(["systemctl", "daemon-reload"])
    assert exposure(machine)["gc"] > AT_MOST["gc"], "the figure is that of what systemd has loaded"
