# SPDX-License-Identifier: LGPL-2.1-or-later
"""``update`` and ``verify`` tell the truth by their exit statuses where the disk keeps them from their job."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import StartLab
from tests.lab import Flavour
from tests.on_lab.site import OLD, STORE, Site

FILE = "debug-1.0.x86-64.raw"


@pytest.fixture(scope="module")
def machine(start_shared_lab: StartLab, our_tree: Path) -> Site:
    """It runs with debug 1.0; there is 1.1, and tool 1.0 which nothing links."""
    site = Site(lab=start_shared_lab(Flavour.MICROOS, install={our_tree: "/"})).prepare()
    site.publish("debug", "1.0", OLD)
    site.publish("tool", "1.0", OLD)
    site.want("debug")
    site.want("tool")
    site.lab.tukit("execute", "true", check=True)
    site.lab.reboot()
    site.command("remove", "tool")
    site.publish("debug", "1.1", OLD, size_mib=4)
    return site


@pytest.fixture
def site(machine: Site) -> Iterator[Site]:
    """With what is mounted over the store taken away afterwards."""
    yield machine
    machine.lab.run(["umount", STORE], check=False)


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        ("mount --bind {0} {0}; mount -o remount,bind,ro {0}", "Read-only file system"),
        (
            "cp -a {0} /var/tmp; mount -t tmpfs -o size=8m tmpfs {0}; cp -a /var/tmp/sysext-store/. {0}; "
            "head -c 4M /dev/zero >{0}/filler",
            "KeepFree=",
        ),
    ],
    ids=["read-only", "full"],
)
def test_update_that_cannot_store_what_is_newer(site: Site, fault: str, told: str) -> None:
    site.lab.run(["sh", "-ec", fault.format(STORE)])
    done = site.command("update", check=False)
    assert (done.returncode, "1.1 of source main could not be had" in done.stderr, told in done.stderr) == (
        1,
        True,
        True,
    ), done
    assert site.links() == {"debug.raw": FILE}


def test_verify_all_looks_at_what_nothing_links(site: Site) -> None:
    """A truncated image that nothing links: no repair needs it, and it is not passed by."""
    site.lab.run(["snapper", "--no-dbus", "list"])
    path = site.lab.path(f"{STORE}/tool-1.0.x86-64.raw")
    for row in site.lab.snapshots():
        if not row.active and "tool.raw" in site.links(row.number):
            site.lab.run(["snapper", "--no-dbus", "delete", str(row.number)])
    assert site.command("verify", "--all", "--repair").returncode == 0
    path.write_bytes(path.read_bytes()[:700])
    done = site.command("verify", "--all", "--repair", check=False)
    assert done.returncode == 1, done
    (line,) = (line for line in done.stdout.splitlines() if "tool-1.0.x86-64.raw" in line)
    assert "damaged" in line
    assert "nothing links" in done.stdout and "tukit-sysext gc" in done.stdout
    (unlinked,) = site.json("verify", "--all")["unlinked"]
    assert (unlinked["file"], unlinked["condition"]) == ("tool-1.0.x86-64.raw", "damaged")
    assert site.command("verify").returncode == 0, "no tree of these needs it"
