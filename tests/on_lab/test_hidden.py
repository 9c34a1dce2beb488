# SPDX-License-Identifier: LGPL-2.1-or-later
"""Collections that run where they do not see everything, as a unit's settings would have it (threat C16)."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import StartLab
from tests.lab import Flavour
from tests.on_lab.sandbox import confined, settings_of
from tests.on_lab.site import OLD, STATE, STORE, Site

OVER = {"home": "/home", "root": "/root", "tmp": "/tmp", "var-tmp": "/var/tmp", "opt": "/opt"}
COLLECTING = ("gc", "settle")
"""Our units that collect, and what they run."""


@pytest.fixture(scope="module")
def site(start_shared_lab: StartLab, our_tree: Path) -> Site:
    """A machine with an image behind a chain over each place, which are the only links that it has."""
    site = Site(lab=start_shared_lab(Flavour.MICROOS, install={our_tree: "/"})).prepare()
    site.write("/etc/tukit-sysext/tukit-sysext.conf", "[Store]\nGrace=0s\n")
    names = (*OVER, *COLLECTING)
    for name in names:
        site.publish(name, "1.0", OLD)
        site.want(name)
    site.lab.tukit("execute", "true", check=True)
    site.lab.reboot()
    for name in names:
        site.lab.path(f"/etc/tukit-sysext/images.d/{name}.conf").unlink()
    for name in OVER:
        site.lab.path(f"/etc/extensions/{name}.raw").unlink()
    for name, folder in OVER.items():
        link(site, name, folder)
    return site


def link(site: Site, name: str, folder: str) -> None:
    site.lab.path(f"{folder}/{name}").symlink_to(f"{STORE}/{name}-1.0.x86-64.raw")
    site.lab.path(f"/etc/extensions/{name}.raw").symlink_to(f"{folder}/{name}")


def ask_for_one(site: Site) -> None:
    """Let the next settling collect: a snapshot was deleted, and the last collection is not remembered."""
    booted = site.lab.path("/run/systemd/system")
    booted.mkdir()  # the event is written down, and not settled
    made = site.lab.run(["snapper", "--no-dbus", "create", "-p"]).stdout.strip()
    site.lab.run(["snapper", "--no-dbus", "delete", made])
    booted.rmdir()
    script = "import sqlite3, sys; c = sqlite3.connect(sys.argv[1]); c.execute(sys.argv[2]); c.commit()"
    delete = "DELETE FROM note WHERE key = 'collected'"
    site.lab.run(["python3", "-c", script, f"{STATE}/ledger.db", delete])


HIDING = {"ProtectHome=yes": "/home", "ProtectHome=tmpfs": "/home", "PrivateTmp=yes": "/tmp"}
"""Settings that hide places, each with the first of them that is told."""


@pytest.mark.parametrize("setting", HIDING)
def test_where_a_place_is_hidden_nothing_goes(site: Site, setting: str) -> None:
    key, _, value = setting.partition("=")
    before = site.store()
    for _ in range(2):
        done = site.lab.run(confined({key: [value]}, "/usr/bin/tukit-sysext gc"), check=False)
        assert (done.returncode, f"{HIDING[setting]}: hidden" in done.stderr) == (1, True), done.stderr
    assert site.store() == before


def test_where_a_place_is_not_mounted_nothing_goes(site: Site) -> None:
    """The lab's /home is one of its fstab."""
    site.lab.run(["umount", "/home"])
    before = site.store()
    for _ in range(2):
        done = site.command("gc", check=False)
        assert (done.returncode, "/home: not mounted now" in done.stderr) == (1, True), done.stderr
    assert site.store() == before
    device = site.lab.run(["findmnt", "-n", "-o", "SOURCE", "-v", "/opt"]).stdout.strip()
    site.lab.run(["mount", "-o", "subvol=/@/home", device, "/home"])


@pytest.mark.parametrize("name", COLLECTING)
def test_the_units_see_every_place(site: Site, name: str) -> None:
    """What is needed over a chain stays, and what nothing needs any more goes."""
    settings, command = settings_of(f"tukit-sysext-{name}.service"), f"/usr/bin/tukit-sysext {name}"
    assert settings["ExecStart"] == [command]
    before = site.store()
    site.lab.path(f"/etc/extensions/{name}.raw").unlink()
    for _ in range(2):
        ask_for_one(site)
        done = site.lab.run(confined(settings, command), check=False)
        assert (done.returncode, done.stderr) == (0, ""), done
    assert {*before} - {*site.store()} == {f"{name}-1.0.x86-64.raw"}


# Each of them makes files vanish. ProtectHome=read-only and ProtectSystem=strict make none vanish.
HIDES = {
    "PrivateTmp", "PrivateDevices", "PrivateUsers", "ProtectProc", "ProcSubset", "InaccessiblePaths", "ExecPaths",
    "TemporaryFileSystem", "RootDirectory", "RootImage", "BindPaths", "BindReadOnlyPaths", "DynamicUser",
    "MountAPIVFS", "NoExecPaths", "ExtensionImages", "ExtensionDirectories", "MountImages",
}  # fmt: skip


@pytest.mark.parametrize("name", [*COLLECTING, "boot", "repair"])
def test_the_units_hide_nothing(name: str) -> None:
    settings = settings_of(f"tukit-sysext-{name}.service")
    assert not HIDES & settings.keys()
    assert settings["ProtectHome"] == ["read-only"]
