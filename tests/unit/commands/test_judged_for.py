# SPDX-License-Identifier: LGPL-2.1-or-later
"""``check`` and ``why-not`` for the system of a refused update, and for any os-release: they agree with the refusal."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.machine import NEW, OLD, PlainMachine, with_source
from tests.trees import make_tree
from tukit_sysext import cli, entry
from tukit_sysext.ledger.ledger import Ledger
from tukit_sysext.update import refusal

pytestmark = pytest.mark.usefixtures("hook_process")

NEWER = f"ID=opensuse-microos\nNAME=openSUSE\nVERSION_ID=20261215\nSYSEXT_LEVEL={NEW}\n"


@pytest.fixture
def refused(tmp_path: Path, hook_process: None) -> PlainMachine:
    """Snapshot 1 runs with gdb 1.0, which does not fit the system of the update that was refused just now."""
    site = with_source(tmp_path)
    site.publish("gdb", "1.0")
    site.publish("tool", "1.0", NEW)
    site.want("gdb")
    site.snapshot_with(1, {"gdb": "1.0"}, default=True)
    site.boot(1)
    site.snapshot_with(2, {"gdb": "1.0"})
    shutil.copytree(site.root / "etc/tukit-sysext", site.tree(2) / "etc/tukit-sysext")
    make_tree(site.tree(2), {"etc/os-release": NEWER})
    assert entry.main(["tukit", "finalize-pre", str(site.tree(2)), "2"], machine=site.machine) == 75
    return site


def told(site: PlainMachine, capsys: pytest.CaptureFixture[str], *argv: str, status: int = 0, err: bool = False) -> str:
    capsys.readouterr()
    assert cli.main([*argv], machine=site.machine) == status, "".join(capsys.readouterr())
    both = capsys.readouterr()
    return both.err if err else both.out


def document(site: PlainMachine, capsys: pytest.CaptureFixture[str], *argv: str, status: int) -> Any:
    return json.loads(told(site, capsys, *argv, "--json", status=status))


WHY = f"SYSEXT_LEVEL is {OLD}, the new system has {NEW}"


def test_a_refusal_names_the_new_system(refused: PlainMachine, capsys: pytest.CaptureFixture[str]) -> None:
    text = told(refused, capsys, "status")
    assert WHY in text
    mark = refusal.read(refused.layout.refused)
    assert mark is not None and mark.release["SYSEXT_LEVEL"] == NEW and "PRETTY_NAME" not in mark.release


def test_check_agrees_with_the_refusal_where_it_is_asked_for(
    refused: PlainMachine, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "REFUSES" not in told(refused, capsys, "check")
    text = told(refused, capsys, "check", "--refused", status=75)
    assert f"for openSUSE 20261215 ({NEW})" in text.splitlines()[0]
    assert "The system of the update that was refused last, 20" in text and "(refused once)" in text
    assert "REFUSES THE UPDATE" in text and WHY in text
    assert "Judged by its os-release alone" in text
    found = document(refused, capsys, "check", "--refused", status=75)
    assert (found["own_system"], found["host"]["sysext_level"], list(found["refused"])) == (False, NEW, ["gdb"])
    assert document(refused, capsys, "check", status=0)["own_system"] is True


def test_why_not_agrees_too(refused: PlainMachine, capsys: pytest.CaptureFixture[str]) -> None:
    assert "gdb 1.0 is used" in told(refused, capsys, "why-not", "gdb")
    text = told(refused, capsys, "why-not", "--refused", "gdb", status=1)
    assert text.splitlines()[0].startswith(f"gdb for openSUSE 20261215 ({NEW}), ")
    assert f"gdb is not used: {WHY}" in text
    assert "When this tree was changed last" not in text
    assert "tool could be used" in told(refused, capsys, "why-not", "--refused", "tool")
    assert document(refused, capsys, "why-not", "--refused", "gdb", status=1)["own_system"] is False


def test_when_something_fits_now_the_next_update_passes(
    refused: PlainMachine, capsys: pytest.CaptureFixture[str]
) -> None:
    refused.publish("gdb", "1.1", NEW)
    assert "1.1" in told(refused, capsys, "check", "--refused")
    assert "gdb 1.1 would be fetched and used" in told(refused, capsys, "why-not", "--refused", "gdb")


def test_after_a_reboot_the_system_is_still_known(refused: PlainMachine, capsys: pytest.CaptureFixture[str]) -> None:
    refused.layout.refused.unlink()
    text = told(refused, capsys, "why-not", "--refused", "gdb", status=1)
    assert WHY in text
    mark = refusal.known(refused.machine)
    assert mark is not None and mark.system == f"opensuse-microos 20261215 {NEW}"
    with Ledger(refused.layout.ledger) as ledger:
        ledger.remember("refused release", "[1]")
    error = told(refused, capsys, "check", "--refused", status=1, err=True)
    assert error == (
        "tukit-sysext: An update is refused, but to which system is not known.\n"
        "  next step:\n    tukit-sysext status --refused\n"
    )


def test_nothing_is_refused(linked_gdb: PlainMachine, capsys: pytest.CaptureFixture[str]) -> None:
    for argv in (["check", "--refused"], ["why-not", "--refused", "gdb"]):
        error = told(linked_gdb, capsys, *argv, status=1, err=True)
        assert error == "tukit-sysext: No update is refused.\n  next step:\n    tukit-sysext check\n"


@pytest.mark.parametrize(
    ("systems", "shown"),
    [
        ([NEW], f"20261102 ({NEW})"),
        ([f"SYSEXT_LEVEL={NEW}", "20261215"], f"20261215 ({NEW})"),
        (["VERSION_ID=20261215", f"SYSEXT_LEVEL={NEW}"], f"20261215 ({NEW})"),
        (["FILE"], f"openSUSE 20261215 ({NEW})"),
        (["ROOT"], f"openSUSE 20261215 ({NEW})"),
    ],
)
def test_another_system(
    refused: PlainMachine, capsys: pytest.CaptureFixture[str], tmp_path: Path, systems: list[str], shown: str
) -> None:
    file = tmp_path / "other/etc/os-release"
    make_tree(tmp_path / "other", {"etc/os-release": NEWER})
    places = {"FILE": str(file), "ROOT": str(tmp_path / "other")}
    options = [f"--for={places.get(system, system)}" for system in systems]
    text = told(refused, capsys, "why-not", "gdb", *options, status=1)
    assert shown in text.splitlines()[0]
    assert f"SYSEXT_LEVEL is {OLD}, that system has {NEW}" in text
    assert f"that system has {NEW}" in told(refused, capsys, "check", *options, status=75)
    assert told(refused, capsys, "why-not", "tool", *options)


@pytest.mark.parametrize(
    ("system", "told_of"),
    [("/nowhere/os-release", "No such file or directory, expected an os-release or a root"), ("EMPTY", "found no ID")],
)
def test_what_is_no_system(
    refused: PlainMachine, capsys: pytest.CaptureFixture[str], tmp_path: Path, system: str, told_of: str
) -> None:
    make_tree(tmp_path, {"empty": "A=b\n"})
    system = str(tmp_path / "empty") if system == "EMPTY" else system
    assert told_of in told(refused, capsys, "check", "--for", system, status=1, err=True)
