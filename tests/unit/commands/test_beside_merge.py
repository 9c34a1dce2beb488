# SPDX-License-Identifier: LGPL-2.1-or-later
"""What commands that link images tell of what a merge alone does not put to use."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import NoReturn

import pytest

from tests.lab.images import make_image
from tests.machine import OLD, PlainMachine
from tests.trees import make_tree
from tukit_sysext import cli
from tukit_sysext.commands.common import beside_merge
from tukit_sysext.commands.common.beside_merge import BesideMerge, Step
from tukit_sysext.errors import UnknownState
from tukit_sysext.requirements.after_merge import AfterMerge
from tukit_sysext.system import merge, old_files
from tukit_sysext.system.old_files import FileUser

LOOKS_THROUGH_IMAGES = True

USERS = AfterMerge(what="users", command="systemd-sysusers gdb.conf")
FILES = AfterMerge(what="files", command="systemd-tmpfiles --create gdb.conf", at_boot=True)
STEPS = (Step(image="gdb", after=USERS), Step(image="gdb", after=FILES), Step(image="strace", after=FILES))


def user(pid: int, command: str, service: str | None) -> FileUser:
    return FileUser(pid=pid, started="1", command=command, service=service)


def test_after_a_merge_all_of_it_is_told() -> None:
    users = (user(1, "gdbd", "gdbd.service"), user(2, "gdbd", "gdbd.service"), user(3, "bash", None))
    assert list(BesideMerge(merged=True, steps=STEPS, users=users).lines) == [
        "gdb brings what a merge alone does not put to use:",
        "  users:",
        "    systemd-sysusers gdb.conf",
        "  files (a boot does it by itself):",
        "    systemd-tmpfiles --create gdb.conf",
        "strace brings what a merge alone does not put to use:",
        "  files (a boot does it by itself):",
        "    systemd-tmpfiles --create gdb.conf",
        "gdbd.service runs files that were replaced:",
        "  systemctl restart gdbd.service",
        "bash (process 3) runs files that were replaced, until it ends",
    ]


def test_what_a_boot_does_is_left_to_it() -> None:
    assert list(BesideMerge(merged=False, steps=STEPS).lines) == [
        "gdb brings what the merge at the next boot does not put to use:",
        "  users:",
        "    systemd-sysusers gdb.conf",
    ]


@pytest.fixture
def offered(linked_gdb: PlainMachine) -> PlainMachine:
    """1.0 is linked; 1.1 brings a user, rules of udev and a folder of libraries."""
    folder = linked_gdb.source.with_name("made")
    folder.mkdir()
    files: dict[str, str | bytes] = {
        "lib/sysusers.d/gdb.conf": "u gdb - gdb\n",
        "lib/tmpfiles.d/gdb.conf": "d /var/lib/gdb - gdb\n",
        "etc/ld.so.conf.d/gdb.conf": "/usr/lib/gdb\n",
        "bin/gdb-sleep": Path("/usr/bin/sleep").read_bytes(),
    }
    for version, more in (("1.0", {}), ("1.1", files)):
        release = {"ID": "opensuse-microos", "SYSEXT_LEVEL": OLD}
        image = make_image(folder, "gdb", version, release=release, manifest=None, files={"share/gdb": version, **more})
        linked_gdb.publish("gdb", version, OLD, content=image.read_bytes())
    linked_gdb.want("gdb")
    make_tree(linked_gdb.root, {"etc/ld.so.conf": "include /usr/etc/ld.so.conf.d/*.conf\n"})
    return linked_gdb


def run(site: PlainMachine, capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert cli.main([*arguments], machine=site.machine) == 0, "".join(capsys.readouterr())
    return "".join(capsys.readouterr())


@pytest.mark.root
def test_an_update_that_a_boot_merges(offered: PlainMachine, capsys: pytest.CaptureFixture[str]) -> None:
    said = run(offered, capsys, "update", "gdb")
    assert said.endswith(
        "gdb brings what the merge at the next boot does not put to use:\n"
        "  users and groups (usr/lib/sysusers.d/gdb.conf):\n"
        "    systemd-sysusers gdb.conf\n"
        "  folders of libraries (usr/etc/ld.so.conf.d/gdb.conf):\n"
        "    ldconfig\n"
    )
    assert "put to use" not in run(offered, capsys, "update", "gdb"), "it was told when it came"


@pytest.mark.root
def test_an_update_that_is_merged_at_once(
    offered: PlainMachine, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who runs files of before is looked for before the merge, and told where it still does after it."""
    order: list[str] = []
    sleeper = user(7, "gdb-sleep", "gdbd.service")

    def users_of(paths: Collection[str]) -> list[FileUser]:
        order.append("runs it" if "usr/bin/gdb-sleep" in paths else "runs something else")
        return [sleeper, user(8, "gdb-sleep", None)]

    def still_there(users: Sequence[FileUser]) -> list[FileUser]:
        order.append("still there")
        return [each for each in users if each.pid == sleeper.pid]

    monkeypatch.setattr(old_files, "users_of", users_of)
    monkeypatch.setattr(old_files, "still_there", still_there)

    def refresh() -> list[str]:
        order.append("refresh")
        return ["what was written shows with the next merge"]

    monkeypatch.setattr(merge, "refresh", refresh)
    assert cli.main(["update", "--now", "--json", "gdb"], machine=offered.machine) == 0
    out, err = capsys.readouterr()
    assert "tukit-sysext: what was written shows with the next merge\n" in err
    document = json.loads(out)
    assert document["refreshed"]
    assert [step["command"] for step in document["after_merge"]] == [
        "systemd-sysusers gdb.conf",
        "systemd-tmpfiles --create gdb.conf",
        "ldconfig",
    ]
    assert [step["at_boot"] for step in document["after_merge"]] == [False, True, False]
    assert document["old_files"] == [{"pid": 7, "command": "gdb-sleep", "service": "gdbd.service"}]
    assert order == ["runs it", "refresh", "still there"]


@pytest.mark.root
def test_a_dry_run_merges_nothing(
    offered: PlainMachine, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(merge, "refresh", None)
    document = json.loads(run(offered, capsys, "update", "--now", "--dry-run", "--json", "gdb"))
    assert (document["refreshed"], document["after_merge"], document["old_files"]) == (False, [], [])


@pytest.mark.root
@pytest.mark.parametrize("error", [OSError(5, "injected"), UnknownState("injected")])
@pytest.mark.parametrize("now", [[], ["--now"]], ids=["later", "now"])
def test_what_cannot_be_found_out_keeps_nothing_away(
    offered: PlainMachine,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    now: list[str],
    error: Exception,
) -> None:
    def failing(_: object) -> NoReturn:
        raise error

    merged: list[str] = []
    monkeypatch.setattr(beside_merge, "read_entries", failing)
    monkeypatch.setattr(merge, "refresh", lambda: merged)
    said = run(offered, capsys, "update", *now, "gdb")
    assert "gdb: 1.0 -> 1.1, from source main" in said
    assert "does not put to use is not known: " in said and "injected" in said
