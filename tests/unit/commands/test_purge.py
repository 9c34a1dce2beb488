# SPDX-License-Identifier: LGPL-2.1-or-later
"""``tukit-sysext purge``: our state goes, and nothing else, whatever links stand in it."""

from __future__ import annotations

import json
import os

import pytest

from tests.machine import PlainMachine
from tests.trees import Content, Link, listing, make_tree
from tukit_sysext import cli
from tukit_sysext.system.lock import shared

STAYS: dict[str, Content] = {
    "var/lib/sysext-store/gdb-1.0.x86-64.raw": "image",
    "var/lib/sysext-store/.other-tool": "x",
    "etc/extensions/gdb.raw": Link("/var/lib/sysext-store/gdb-1.0.x86-64.raw"),
    "etc/tukit-sysext/images.d/gdb.conf": "[Image]\n",
    "etc/tukit-sysext/quarantine/bad.raw": Link("/var/lib/sysext-store/bad.raw"),
    "home/mine": "mine",
}
GOES: dict[str, Content] = {
    "var/lib/tukit-sysext/ledger.db": "ledger",
    "var/lib/tukit-sysext/images/gdb-1.0.x86-64.raw.json": "{}",
    "var/lib/tukit-sysext/seen/main": "{}",
    "var/lib/tukit-sysext/.adopt-7.raw": "half",
    "var/lib/sysext-store/.tukit-sysext.gdb": "left behind",
    "var/cache/tukit-sysext/lists/deep/er": "list",
    "run/tukit-sysext/refused.json": "{}",
    "run/tukit-sysext/events/1": "event",
}


@pytest.fixture
def installed(site: PlainMachine) -> PlainMachine:
    make_tree(site.root, {**STAYS, **GOES})
    return site


def files(site: PlainMachine) -> set[str]:
    return {name for name, content in listing(site.root).items() if content is not None}


@pytest.mark.root
def test_what_is_ours_goes_and_the_rest_stays(installed: PlainMachine, capsys: pytest.CaptureFixture[str]) -> None:
    before = files(installed)
    assert cli.main(["purge"], machine=installed.machine) == 0
    # two processes could hold locks on two files of one name
    assert files(installed) == (before - GOES.keys()) | {"run/tukit-sysext/lock", "run/tukit-sysext/changes.lock"}
    for folder in ("var/lib/tukit-sysext/images", "var/lib/tukit-sysext/seen", "run/tukit-sysext/events"):
        assert (installed.root / folder).is_dir(), "a unit can write only into what is there"
    assert not (installed.root / "var/cache/tukit-sysext/lists").exists()
    told = capsys.readouterr().out
    assert "4 files removed" in told and "of unknown origin" in told and "older list would be accepted" in told
    assert cli.main(["purge"], machine=installed.machine) == 0
    assert "No state of tukit-sysext could be removed." in capsys.readouterr().out


def test_a_dry_run_changes_nothing(installed: PlainMachine, capsys: pytest.CaptureFixture[str]) -> None:
    before = listing(installed.root)
    assert cli.main(["purge", "--dry-run"], machine=installed.machine) == 0
    assert "4 files would be removed" in capsys.readouterr().out
    assert cli.main(["purge", "--dry-run", "--json"], machine=installed.machine) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["dry_run"] is True
    assert sum(item["files"] for item in found["folders"]) == len(GOES)
    assert listing(installed.root) == before


@pytest.mark.root
def test_no_link_is_followed(installed: PlainMachine) -> None:
    """Threat L4."""
    make_tree(
        installed.root,
        {
            "var/lib/tukit-sysext/images/out": Link("/home"),
            "var/cache/tukit-sysext/out": Link(str(installed.root / "home")),
        },
    )
    assert cli.main(["purge"], machine=installed.machine) == 0
    assert (installed.root / "home/mine").read_text() == "mine"
    assert not os.path.lexists(installed.root / "var/cache/tukit-sysext/out")


@pytest.mark.root
def test_a_folder_that_is_a_link_is_left_alone(installed: PlainMachine, capsys: pytest.CaptureFixture[str]) -> None:
    cache = installed.root / "var/cache/tukit-sysext"
    cache.rename(installed.root / "elsewhere")
    cache.symlink_to(installed.root / "elsewhere")
    assert cli.main(["purge"], machine=installed.machine) == 1
    err = capsys.readouterr().err
    assert f"{cache}: expected a directory of tukit-sysext" in err and "next step" in err
    assert (installed.root / "elsewhere/lists/deep/er").exists()
    assert (installed.root / "var/lib/tukit-sysext/ledger.db").exists()


@pytest.mark.root
def test_not_while_a_transaction_runs(installed: PlainMachine, capsys: pytest.CaptureFixture[str]) -> None:
    with shared(installed.layout.lock):
        assert cli.main(["purge"], machine=installed.machine) == 1
    assert "held by a transaction" in capsys.readouterr().err
    assert GOES.keys() <= files(installed)


def test_it_needs_root(installed: PlainMachine, capsys: pytest.CaptureFixture[str]) -> None:
    installed.as_user()
    before = listing(installed.root)
    assert cli.main(["purge"], machine=installed.machine) == 1
    assert "sudo tukit-sysext purge" in capsys.readouterr().err
    assert listing(installed.root) == before
