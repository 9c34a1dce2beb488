# SPDX-License-Identifier: LGPL-2.1-or-later
"""Programs that do not work, on a machine: what tukit is told, and what is left of links and images (P3, P14)."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.broken_tools import WAYS, break_tool
from tests.conftest import StartLab
from tests.lab import Flavour
from tests.on_lab.site import NEW, OLD, STORE, Site, Web

TOOLS = {"gpgv": "/usr/bin/gpgv", "dissect": "/usr/bin/systemd-dissect", "prlimit": "/usr/bin/prlimit"}
QUICK = [way for way in WAYS if way != "hangs"]
"""What hangs takes its time here; unit/update/test_broken_tools.py has it with a short one."""


@contextmanager
def broken(site: Site, tool: str, way: str) -> Iterator[None]:
    """Another program in the place of one of the lab's."""
    path = site.lab.path(TOOLS[tool])
    kept = path.with_name(f".{path.name}.kept")
    with site.lab.unlocked():
        shutil.copy2(path, kept)
        break_tool(path, way)
    try:
        yield
    finally:
        with site.lab.unlocked():
            kept.replace(path)


@pytest.fixture
def site(start_lab: StartLab, our_tree: Path, web: Web) -> Site:
    """One flavour, signed lists; debug 1.0 is linked, and the next update needs debug 2.0."""
    site = Site(lab=start_lab(Flavour.MICROOS, install={our_tree: "/"}), web=web).prepare()
    site.publish("debug", "1.0", OLD)
    site.want("debug")
    site.lab.tukit("execute", "true", check=True)
    site.lab.reboot()
    site.publish("debug", "2.0", NEW)
    return site


@pytest.mark.parametrize("tool", TOOLS)
def test_an_update_passes(site: Site, tool: str) -> None:
    """Each way, with the same machine: none of them leaves anything that the next one would notice."""
    for way in QUICK:
        before = site.default()
        with broken(site, tool, way):
            done = site.update()
        assert done.returncode == 0, f"{way}: {done.stderr}"
        assert "tukit-sysext: FAULT: " in done.stderr, way
        assert "tell the publisher" not in done.stderr, way
        assert site.store() == ["debug-1.0.x86-64.raw"], way
        assert site.default() != before, way
    assert site.update().returncode == 0
    assert site.links(site.default()) == {"debug.raw": "debug-2.0.x86-64.raw"}


def unrecorded(site: Site) -> None:
    """A good image that somebody else has linked."""
    site.publish("other", "1.0", OLD)
    shutil.copy(site.images / "other-1.0.x86-64.raw", site.lab.path(STORE))
    site.lab.path("/etc/extensions/other.raw").symlink_to(f"{STORE}/other-1.0.x86-64.raw")


def test_nothing_changes_on_a_machine(site: Site) -> None:
    """Of an image without a record nobody knows anything then."""
    shutil.copy(site.images / "debug-1.0.x86-64.raw", site.lab.path(f"{STORE}/unlinked-1.0.x86-64.raw"))
    unrecorded(site)
    links, store = site.links(), site.store()
    for way in QUICK:
        with broken(site, "dissect", way):
            done = site.command("verify", "--boot", check=False)
            assert done.returncode == 1, way
            assert "other.raw" in done.stderr, way
            for arguments in (("gc",), ("verify", "--all", "--repair"), ("adopt",)):
                site.command(*arguments, check=False)
        assert (site.links(), site.store()) == (links, store), way
    assert site.command("verify", "--boot").returncode == 0


def test_without_loop_devices(site: Site) -> None:
    """The program is there, and what it needs is not."""
    unrecorded(site)
    site.lab.run(["mount", "-t", "tmpfs", "tmpfs", "/dev"])
    try:
        done = site.command("verify", "--boot", check=False)
        doctor = site.command("doctor", check=False)
    finally:
        site.lab.run(["umount", "-l", "/dev"])
    assert done.returncode == 1
    assert "other.raw" in done.stderr
    assert site.links()["other.raw"] == "other-1.0.x86-64.raw"
    assert "systemd-dissect does not work on this machine" in doctor.stdout
