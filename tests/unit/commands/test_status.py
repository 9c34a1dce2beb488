# SPDX-License-Identifier: LGPL-2.1-or-later
"""``status`` and ``check`` of links that are not as they should be."""

from __future__ import annotations

import json
import os

import pytest

from tests.machine import PlainMachine
from tests.trees import Link, make_tree
from tukit_sysext import cli


@pytest.fixture
def wanted_gdb(linked_gdb: PlainMachine) -> PlainMachine:
    linked_gdb.publish("gdb", "1.0")
    linked_gdb.want("gdb")
    return linked_gdb


def shown(site: PlainMachine, capsys: pytest.CaptureFixture[str], *argv: str) -> list[str]:
    assert cli.main(argv, machine=site.machine) == 0
    return [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]


def test_a_second_link_is_named_and_said_to_go(wanted_gdb: PlainMachine, capsys: pytest.CaptureFixture[str]) -> None:
    assert "gdb 1.0 1.0 stays" in shown(wanted_gdb, capsys, "check")
    first = wanted_gdb.root / "etc/extensions/gdb.raw"
    first.with_name("gdb-again.raw").symlink_to(first.readlink())
    rows = [line for line in shown(wanted_gdb, capsys, "status") if line.startswith("gdb ")]
    assert rows == [
        "gdb 1.0 required unknown wrongly named linked as gdb-again.raw, has to be gdb.raw",
        "gdb 1.0 required unknown ok",
    ]
    assert "gdb 1.0 1.0 stays; gdb-again.raw to be taken out" in shown(wanted_gdb, capsys, "check")


def row_of_gdb(site: PlainMachine, capsys: pytest.CaptureFixture[str]) -> str:
    return next(line for line in shown(site, capsys, "status") if line.startswith("gdb "))


def test_an_image_that_does_not_fit_is_not_ok(wanted_gdb: PlainMachine, capsys: pytest.CaptureFixture[str]) -> None:
    assert row_of_gdb(wanted_gdb, capsys) == "gdb 1.0 required unknown ok"
    (wanted_gdb.root / "etc/os-release").write_text("ID=opensuse-microos\nVERSION_ID=2\nSYSEXT_LEVEL=glibc-2.44\n")
    row = row_of_gdb(wanted_gdb, capsys)
    assert row == "gdb 1.0 required unknown does not fit SYSEXT_LEVEL is glibc-2.42, the system has glibc-2.44"


def test_a_damaged_image_and_one_that_is_gone(wanted_gdb: PlainMachine, capsys: pytest.CaptureFixture[str]) -> None:
    wanted_gdb.want("gdb", Hold="1.0")
    assert row_of_gdb(wanted_gdb, capsys) == "gdb 1.0 required unknown ok held at 1.0"
    (image,) = wanted_gdb.layout.store.glob("gdb-*")
    image.write_bytes(b"rot")
    assert "unknown damaged its SHA-256 is " in row_of_gdb(wanted_gdb, capsys)
    image.unlink()
    assert row_of_gdb(wanted_gdb, capsys) == "gdb 1.0 required unknown missing not in the store; held at 1.0"


def test_a_version_that_nothing_tells_is_null(wanted_gdb: PlainMachine, capsys: pytest.CaptureFixture[str]) -> None:
    make_tree(wanted_gdb.layout.store, {"odd.raw": "?"})
    (wanted_gdb.root / "etc/extensions/odd.raw").symlink_to("/var/lib/sysext-store/odd.raw")
    assert cli.main(["status", "--json"], machine=wanted_gdb.machine) == 0
    (system,) = json.loads(capsys.readouterr().out)["trees"]
    assert {image["name"]: image["version"] for image in system["images"]} == {"gdb": "1.0", "odd.raw": None}


def test_a_refusal_is_a_document_too(wanted_gdb: PlainMachine, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["status", "--refused", "--json"], machine=wanted_gdb.machine) == 0
    assert json.loads(capsys.readouterr().out)["refused"] is None
    held = {"reason": "nothing fits", "since": 1793534400, "next_step": "wait"}
    mark = {"last": 1793534400, "times": 1, "system": "MicroOS", "images": {"gdb": held}}
    make_tree(wanted_gdb.root, {"run/tukit-sysext/refused.json": json.dumps(mark)})
    assert cli.main(["status", "--refused", "--json"], machine=wanted_gdb.machine) == 1
    assert list(json.loads(capsys.readouterr().out)["refused"]["images"]) == ["gdb"]


def test_check_says_what_can_be_done(wanted_gdb: PlainMachine, capsys: pytest.CaptureFixture[str]) -> None:
    wanted_gdb.want("gdb", Hold="9")
    wanted_gdb.has_for_former_system("gdb")
    (wanted_gdb.root / "etc/extensions/gdb.raw").unlink()
    assert cli.main(["check"], machine=wanted_gdb.machine) == 75
    assert "Next step:\n  tukit-sysext unhold gdb\n" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["gdb.raw", "anything.raw"])
def test_what_is_in_quarantine_is_called_so(
    wanted_gdb: PlainMachine, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    """`check` knows nothing of it, and is not named."""
    link = wanted_gdb.root / "etc/extensions/gdb.raw"
    make_tree(
        wanted_gdb.root,
        {
            f"etc/tukit-sysext/quarantine/{name}": Link(os.readlink(link)),
            f"etc/tukit-sysext/quarantine/{name}.reason": json.dumps({"link": name, "reason": "damaged: rot"}),
        },
    )
    link.unlink()
    lines = shown(wanted_gdb, capsys, "status")
    assert [line for line in lines if line.startswith("gdb ")] == ["gdb - required unknown in quarantine"]
    assert f"quarantined: {name}, damaged: rot" in lines
    assert not [line for line in lines if "tukit-sysext check" in line]
