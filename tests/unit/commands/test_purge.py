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
def site(site: PlainMachine) -> PlainMachine:
    make_tree(site.root, {**STAYS, **GOES})
    return site


def files(site: PlainMachine) -> set[str]:
    return {name for name, content in listing(site.root).items() if content is not None}


@pytest.mark.root
def test_what_is_ours_goes_and_the_rest_stays(site: PlainMachine, capsys: pytest.CaptureFixture[str]) -> None:
    before = files(site)
    assert cli.main(["purge"], machine=site.machine) == 0
    # two processes could hold locks on two files of one name
    assert files(site) == (before - GOES.keys()) | {"run/tukit-sysext/lock", "run/tukit-sysext/changes.lock"}
    for folder in ("var/lib/tukit-sysext/images", "var/lib/tukit-sysext/seen", "run/tukit-sysext/events"):
        assert (site.root / folder).is_dir(), "a unit can write only into what is there"
    assert not (site.root / "var/cache/tukit-sysext/lists").exists()
    told = capsys.readouterr().out
    assert "4 files gone" in told and "of unknown origin" in told and "older list would be believed" in told
    assert cli.main(["purge"], machine=site.machine) == 0
    assert "nothing of ours" in capsys.readouterr().out


def test_a_dry_run_changes_nothing(site: PlainMachine, capsys: pytest.CaptureFixture[str]) -> None:
    before = listing(site.root)
    assert cli.main(["purge", "--dry-run"], machine=site.machine) == 0
    assert "4 files would go" in capsys.readouterr().out
    assert cli.main(["purge", "--dry-run", "--json"], machine=site.machine) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["dry_run"] is True
    assert sum(item["files"] for item in found["folders"]) == len(GOES)
    assert listing(site.root) == before


@pytest.mark.root
def test_no_link_is_followed(site: PlainMachine) -> None:
    """Threat L4."""
    make_tree(
        site.root,
        {"var/lib/tukit-sysext/images/out": Link("/home"), "var/cache/tukit-sysext/out": Link(str(site.root / "home"))},
    )
    assert cli.main(["purge"], machine=site.machine) == 0
    assert (site.root / "home/mine").read_text() == "mine"
    assert not os.path.lexists(site.root / "var/cache/tukit-sysext/out")


@pytest.mark.root
def test_a_folder_that_is_a_link_is_left_alone(site: PlainMachine, capsys: pytest.CaptureFixture[str]) -> None:
    cache = site.root / "var/cache/tukit-sysext"
    cache.rename(site.root / "elsewhere")
    cache.symlink_to(site.root / "elsewhere")
    assert cli.main(["purge"], machine=site.machine) == 1
    err = capsys.readouterr().err
    assert f"{cache}: expected a directory of ours" in err and "next step" in err
    assert (site.root / "elsewhere/lists/deep/er").exists()
    assert (site.root / "var/lib/tukit-sysext/ledger.db").exists()


@pytest.mark.root
def test_not_while_a_transaction_runs(site: PlainMachine, capsys: pytest.CaptureFixture[str]) -> None:
    with shared(site.layout.lock):
        assert cli.main(["purge"], machine=site.machine) == 1
    assert "held by a transaction" in capsys.readouterr().err
    assert GOES.keys() <= files(site)


def test_it_needs_root(site: PlainMachine, capsys: pytest.CaptureFixture[str]) -> None:
    site.as_user()
    before = listing(site.root)
    assert cli.main(["purge"], machine=site.machine) == 1
    assert "sudo tukit-sysext purge" in capsys.readouterr().err
    assert listing(site.root) == before
