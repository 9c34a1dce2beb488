# SPDX-License-Identifier: LGPL-2.1-or-later
"""The real hook, with every kind of output that is of no use: what was decided stands, and it ends (threat P4)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests import descriptors
from tests.conftest import StartLab
from tests.lab import Flavour
from tests.on_lab.site import NEW, OLD, Site

HOOK = "/usr/lib/tukit/plugins/50-tukit-sysext"
PLUGIN = "/usr/lib/snapper/plugins/60-tukit-sysext"
PACKAGE = "/usr/lib/python3/dist-packages/tukit_sysext"


@pytest.fixture
def site(start_lab: StartLab, our_tree: Path) -> Site:
    """A machine that has an image, with an open transaction that brings a system which it does not fit."""
    site = Site(lab=start_lab(Flavour.MICROOS, install={our_tree: "/"})).prepare()
    site.publish("debug", "1.0", OLD)
    site.want("debug")
    site.lab.tukit("execute", "true", check=True)
    site.lab.reboot()
    site.lab.tukit("open", check=True)
    number = str(max(site.numbers()))
    site.lab.tukit("call", number, "rpm", "-U", "--nodeps", "--force", site.release_rpm(), check=True)
    return site


def statuses(site: Site, *command: str) -> Mapping[tuple[str, ...], int]:
    """How a command ends with each kind of descriptors; all of them in time."""
    driver = Path(descriptors.__file__).read_text()
    done = site.lab.run(["python3", "-c", driver, *command], timeout=len(descriptors.COMMON) * descriptors.PATIENCE)
    found = json.loads(done.stdout)
    assert max(seconds for _, _, seconds in found) < descriptors.PATIENCE
    return {tuple(case): status for case, status, _ in found}


def finalize(site: Site) -> tuple[str, ...]:
    number = max(site.numbers())
    return ("/bin/sh", HOOK, "finalize-pre", f"/.snapshots/{number}/snapshot", str(number))


def test_a_refused_update_stays_refused(site: Site) -> None:
    assert set(statuses(site, *finalize(site)).values()) == {75}


def test_an_update_that_passes_passes(site: Site) -> None:
    site.publish("debug", "1.1", NEW)
    assert set(statuses(site, *finalize(site)).values()) == {0}
    assert site.links(max(site.numbers())) == {"debug.raw": "debug-1.1.x86-64.raw"}


@pytest.mark.parametrize("broken", ["entry.py", "__init__.py"])
def test_a_fault_of_ours_passes(site: Site, broken: str) -> None:
    """Also where the module that tells of it cannot be started either."""
    with site.lab.unlocked():
        path = site.lab.path(f"{PACKAGE}/{broken}")
        path.write_text("raise RuntimeError('injected')\n")
        for compiled in path.parent.glob(f"__pycache__/{path.stem}.*"):
            compiled.unlink()
    assert set(statuses(site, *finalize(site)).values()) == {0}


@pytest.mark.parametrize("command", [(HOOK, "execute-pre"), (HOOK, "finalize-post", "1"), (PLUGIN, "delete-snapshot")])
def test_every_other_stage_ends_with_nothing(site: Site, command: tuple[str, ...]) -> None:
    site.lab.path("/run/systemd/system").mkdir(parents=True)
    assert set(statuses(site, "/bin/sh", *command, "/", "btrfs", "1").values()) == {0}
