# SPDX-License-Identifier: LGPL-2.1-or-later
"""An image that is masked (a link to /dev/null) is done without, whatever its policy; a folder of versions works."""

from __future__ import annotations

import json
import os

import pytest

from tests.machine import PlainMachine
from tests.trees import Link, make_tree
from tukit_sysext import cli, entry

pytestmark = pytest.mark.usefixtures("hook_process")

RELEASE = "usr/lib/extension-release.d/extension-release"


@pytest.fixture
def masked(linked_gdb: PlainMachine, hook_process: None) -> PlainMachine:
    """gdb is required and offered, and the administrator put a mask in the place of its link."""
    linked_gdb.publish("gdb", "1.0")
    linked_gdb.want("gdb")
    mask(linked_gdb)
    return linked_gdb


def mask(site: PlainMachine) -> None:
    link = site.root / "etc/extensions/gdb.raw"
    link.unlink(missing_ok=True)
    link.symlink_to("/dev/null")


def run(site: PlainMachine, capsys: pytest.CaptureFixture[str], *argv: str, status: int = 0) -> str:
    assert cli.main(argv, machine=site.machine) == status, capsys.readouterr()
    return "".join(capsys.readouterr())


class TestMask:
    REASON = "masked by /etc/extensions/gdb.raw, a link to /dev/null"

    def test_it_refuses_no_update(self, masked: PlainMachine, capsys: pytest.CaptureFixture[str]) -> None:
        masked.snapshot_with(7, {}, default=True)
        make_tree(masked.tree(7), {"etc/extensions/gdb.raw": Link("/dev/null")})
        for path in ("images.d/gdb.conf", "sources.d/main.conf"):
            text = (masked.root / "etc/tukit-sysext" / path).read_text()
            make_tree(masked.tree(7), {f"etc/tukit-sysext/{path}": text})
        assert entry.main(["tukit", "finalize-pre", str(masked.tree(7)), "7"], machine=masked.machine) == 0
        told = capsys.readouterr()
        assert "WITHOUT" not in told.err and "gdb" not in told.err, "the administrator knows"
        assert os.readlink(masked.tree(7) / "etc/extensions/gdb.raw") == "/dev/null"

    def test_status_says_it(self, masked: PlainMachine, capsys: pytest.CaptureFixture[str]) -> None:
        told = run(masked, capsys, "status")
        (row,) = [line.split() for line in told.splitlines() if "gdb" in line]
        assert row[:5] == ["gdb", "-", "required", "unknown", "masked"]
        assert "done without, as /etc/extensions/gdb.raw is a link to /dev/null" in told
        assert "REFUSED" not in told and "not linked" not in told
        (image,) = json.loads(run(masked, capsys, "status", "--json"))["trees"][0]["images"]
        assert image["state"] == "masked by /etc/extensions/gdb.raw"

    def test_so_do_check_list_and_update(self, masked: PlainMachine, capsys: pytest.CaptureFixture[str]) -> None:
        told = run(masked, capsys, "check")
        assert "done without: masked" in told and self.REASON in told
        assert "gdb.raw: mask (link to /dev/null)\n    to have gdb again:\n      rm /etc/extensions/gdb.raw\n" in told
        assert "REFUSES" not in told and "ALTHOUGH REQUIRED" not in told and "adopt" not in told
        assert self.REASON in run(masked, capsys, "list")
        assert f"gdb: {self.REASON}" in run(masked, capsys, "update")

    def test_install_says_what_has_to_go(self, masked: PlainMachine, capsys: pytest.CaptureFixture[str]) -> None:
        told = run(masked, capsys, "install", "gdb", status=1)
        assert self.REASON in told
        assert f"next step:\n    rm {masked.root}/etc/extensions/gdb.raw\n" in told

    def test_nobody_waits_for_it_or_wants_to_adopt_it(
        self, masked: PlainMachine, capsys: pytest.CaptureFixture[str]
    ) -> None:
        cli.main(["doctor"], machine=masked.machine)
        told = capsys.readouterr().out
        assert "has never had it" not in told and "finds what is not ours" not in told
        assert "No entry could be taken over" in run(masked, capsys, "adopt", "--dry-run")
        assert "(gdb.raw)" in (told := run(masked, capsys, "snapshots")) or "gdb" in told

    def test_verify_finds_nothing_wrong(self, masked: PlainMachine, capsys: pytest.CaptureFixture[str]) -> None:
        assert " masked, by a link to /dev/null" in run(masked, capsys, "verify")

    def test_without_the_mask_it_comes_back(self, masked: PlainMachine, capsys: pytest.CaptureFixture[str]) -> None:
        (masked.root / "etc/extensions/gdb.raw").unlink()
        run(masked, capsys, "update")
        assert os.readlink(masked.root / "etc/extensions/gdb.raw").endswith("gdb-1.0.x86-64.raw")

    @pytest.mark.parametrize("target", ["/dev/nul", "../../dev/null/x", "/srv/null"])
    def test_a_link_to_nothing_else_is_none(
        self, masked: PlainMachine, capsys: pytest.CaptureFixture[str], target: str
    ) -> None:
        link = masked.root / "etc/extensions/gdb.raw"
        link.unlink()
        link.symlink_to(target)
        assert "masked by" not in run(masked, capsys, "check")


class TestVersions:
    @pytest.fixture
    def with_tool(self, linked_gdb: PlainMachine) -> PlainMachine:
        """A folder of versions, in which each is a tree."""
        folder = "etc/extensions/tool.v"
        make_tree(
            linked_gdb.root,
            {
                f"{folder}/tool_1.0/{RELEASE}.tool": "ID=_any\n",
                f"{folder}/tool_1.2/{RELEASE}.tool": "ID=_any\nSYSEXT_VERSION_ID=1.2\n",
                "usr/lib/systemd/libsystemd-shared-257.so": "",
            },
        )
        return linked_gdb

    def test_it_is_not_called_broken(self, with_tool: PlainMachine, capsys: pytest.CaptureFixture[str]) -> None:
        told = run(with_tool, capsys, "check")
        assert "tool.v: folder of versions\n    to take it over:\n      tukit-sysext adopt tool" in told
        assert "a folder of versions" in run(with_tool, capsys, "status")
        row = next(line for line in run(with_tool, capsys, "verify").splitlines() if "tool.v" in line)
        assert "broken" not in row and "not in the store" in row

    def test_a_broken_one_is(self, with_tool: PlainMachine, capsys: pytest.CaptureFixture[str]) -> None:
        (with_tool.root / f"etc/extensions/tool.v/tool_1.2/{RELEASE}.tool").unlink()
        assert "tool.v: folder of versions; would not be merged" in run(with_tool, capsys, "check")

    def test_one_without_a_version_is_said_to_have_none(
        self, with_tool: PlainMachine, capsys: pytest.CaptureFixture[str]
    ) -> None:
        make_tree(with_tool.root, {"etc/extensions/other.raw.v/unrelated.raw": ""})
        assert "other.raw.v: folder of versions; would not be merged: none of its versions is for" in run(
            with_tool, capsys, "check"
        )
        assert "a folder of versions, none for this system" in run(with_tool, capsys, "verify")

    def test_to_an_older_systemd_it_is_a_folder(
        self, with_tool: PlainMachine, capsys: pytest.CaptureFixture[str]
    ) -> None:
        shared = with_tool.root / "usr/lib/systemd/libsystemd-shared-257.so"
        shared.rename(shared.with_name("libsystemd-shared-255.so"))
        assert "tool.v: folder of versions; would not be merged: no extension image" in run(with_tool, capsys, "check")

    def test_it_can_be_adopted(self, with_tool: PlainMachine, capsys: pytest.CaptureFixture[str]) -> None:
        told = run(with_tool, capsys, "adopt", "--dry-run", "tool")
        assert "tool: would be adopted (version 1.2), required, linked as tool.raw (was tool.v)" in told
