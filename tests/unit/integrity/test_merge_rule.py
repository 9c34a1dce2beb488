# SPDX-License-Identifier: LGPL-2.1-or-later
"""What is merged without anybody asking for it, and what is said of the rest."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest

from tests.machine import PlainSubvolumes
from tests.trees import make_tree
from tests.unit.integrity.verify_site import VerifySite
from tukit_sysext import cli
from tukit_sysext.doctor.check import Severity
from tukit_sysext.doctor.merging import MergeCheck
from tukit_sysext.errors import TukitSysextError
from tukit_sysext.integrity.merge_rule import BY_HAND, Merging, merge_by_itself
from tukit_sysext.system import merge
from tukit_sysext.system.process import ProcessResult


@dataclass
class Sysext:
    """systemd-sysext as it would be: what is merged (None: it does not say), and what it was asked to do."""

    merged: frozenset[str] | None = frozenset()
    linked: frozenset[str] = frozenset({"gdb"})
    asked: list[str] = field(default_factory=list)
    fails: bool = False

    def merge(self) -> None:
        self.asked.append("merge")
        if self.fails:
            raise TukitSysextError("already merged", next_step="wait")
        self.merged = self.linked


@pytest.fixture
def sysext(monkeypatch: pytest.MonkeyPatch) -> Sysext:
    """systemd runs on the machine of the test, and has nothing merged."""
    made = Sysext()
    monkeypatch.setattr("tukit_sysext.system.systemd_units.runs", lambda _: True)
    monkeypatch.setattr(merge, "merged", lambda: made.merged)
    monkeypatch.setattr(merge, "merge", made.merge)
    monkeypatch.setattr(merge, "refresh", lambda: made.asked.append("refresh"))
    return made


@pytest.mark.parametrize(
    ("merged", "allowed", "came"),
    [
        pytest.param(frozenset(), True, Merging(merged=("gdb",)), id="nothing is merged"),
        pytest.param(frozenset(), False, Merging(waiting=("gdb",)), id="not allowed"),
        pytest.param(frozenset({"strace"}), True, Merging(waiting=("gdb",)), id="another one is merged"),
        pytest.param(frozenset({"gdb"}), True, Merging(), id="it is merged"),
        pytest.param(None, True, Merging(), id="not known"),
    ],
)
def test_the_rule(
    verify_site: VerifySite, sysext: Sysext, merged: frozenset[str] | None, allowed: bool, came: Merging
) -> None:
    sysext.merged = merged
    assert merge_by_itself(verify_site.machine, ["gdb"], allowed=allowed) == came
    assert sysext.asked == (["merge"] if came.merged else [])


def test_somebody_merged_meanwhile(verify_site: VerifySite, sysext: Sysext, caplog: pytest.LogCaptureFixture) -> None:
    sysext.fails = True
    assert merge_by_itself(verify_site.machine, ["gdb"], allowed=True) == Merging(waiting=("gdb",))
    assert "already merged\n  next step: wait" in caplog.text


def test_where_systemd_does_not_run_nothing_is_asked(verify_site: VerifySite, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(merge, "merged", lambda: pytest.fail("asked"))
    assert merge_by_itself(verify_site.machine, ["gdb"], allowed=True) == Merging()


def test_a_unit_merges_and_never_refreshes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the mounts of a confined service nobody else sees anything."""
    ran: list[Sequence[str]] = []

    def run(argv: Sequence[str], **_: object) -> ProcessResult:
        ran.append(argv)
        return ProcessResult(status=1, output="", messages="Job failed\n")

    monkeypatch.setattr(merge, "run", run)
    monkeypatch.setattr(merge, "merge_unit", lambda: None)
    with pytest.raises(TukitSysextError, match=r"start tukit-sysext-merge\.service: Job failed"):
        merge.merge()
    assert ran == [["/usr/bin/systemctl", "--no-ask-password", "start", "tukit-sysext-merge.service"]]


@pytest.fixture
def lost_gdb(verify_site: VerifySite) -> VerifySite:
    """gdb is linked in the running system, its content is gone, and the source has it."""
    made = verify_site.snapshot(1)
    verify_site.subvolumes.set_default(made.identifier)
    shutil.copy(verify_site.tree(1) / PlainSubvolumes.FILE, verify_site.root)
    verify_site.store_image("1").unlink()
    verify_site.link("1")
    verify_site.offer("1")
    return verify_site


@pytest.mark.parametrize(
    ("refresh", "merged", "asked", "words"),
    [
        pytest.param("", frozenset(), [], "Linked, but not merged into the running /usr: gdb;", id="unless set"),
        pytest.param("no", frozenset(), [], "Linked, but not merged into the running /usr: gdb;", id="no"),
        pytest.param("add", frozenset(), ["merge"], "Merged into the running /usr, as nothing was: gdb", id="add"),
        pytest.param("add", frozenset({"strace"}), [], "Linked, but not merged into the running /usr: gdb;", id="busy"),
    ],
)
def test_after_a_repair(
    lost_gdb: VerifySite,
    sysext: Sysext,
    capsys: pytest.CaptureFixture[str],
    refresh: str,
    merged: frozenset[str],
    asked: list[str],
    words: str,
) -> None:
    sysext.merged = merged
    if refresh:
        make_tree(lost_gdb.root, {"etc/tukit-sysext/tukit-sysext.conf": f"[Repair]\nRefresh={refresh}\n"})
    assert cli.main(["verify", "--repair"], machine=lost_gdb.machine) == 0
    assert words in capsys.readouterr().out
    assert sysext.asked == asked


def test_without_anything_repaired_nothing_is_merged(
    lost_gdb: VerifySite, sysext: Sysext, capsys: pytest.CaptureFixture[str]
) -> None:
    """Somebody who unmerged what is whole wants it so."""
    make_tree(lost_gdb.root, {"etc/tukit-sysext/tukit-sysext.conf": "[Repair]\nRefresh=add\n"})
    assert cli.main(["verify", "--repair"], machine=lost_gdb.machine) == 0
    sysext.merged, sysext.asked = frozenset(), []
    capsys.readouterr()
    assert cli.main(["verify", "--repair", "--json"], machine=lost_gdb.machine) == 0
    assert json.loads(capsys.readouterr().out)["not_merged"] == ["gdb"]
    assert sysext.asked == []


def test_what_is_bad_is_not_said_to_be_merged_later(
    lost_gdb: VerifySite, sysext: Sysext, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["verify", "--json"], machine=lost_gdb.machine) == 1
    assert json.loads(capsys.readouterr().out)["not_merged"] == []
    assert sysext.asked == []


@pytest.mark.parametrize("merged", [frozenset({"gdb"}), frozenset({"strace"}), None])
def test_status_and_doctor(
    verify_site: VerifySite, sysext: Sysext, capsys: pytest.CaptureFixture[str], merged: frozenset[str] | None
) -> None:
    verify_site.store_image("1")
    verify_site.link("1")
    sysext.merged = merged
    waits = merged == frozenset({"strace"})
    assert cli.main(["status"], machine=verify_site.machine) == 0
    out = capsys.readouterr().out
    cell = {None: "unknown", frozenset({"gdb"}): "yes"}.get(merged, "no")
    assert ["Image", "Version", "Policy", "Merged", "State"] in [line.split() for line in out.splitlines()]
    assert ["gdb", "1", "required", cell, "ok"] in [line.split() for line in out.splitlines()]
    assert (f"  not merged yet; the next boot does that, or:\n    {BY_HAND}\n" in out) == waits
    assert ("merged, but not linked any more: strace" in out) == waits
    assert cli.main(["status", "--json"], machine=verify_site.machine) == 0
    (image,) = json.loads(capsys.readouterr().out)["trees"][0]["images"]
    assert image["merged"] == (None if merged is None else not waits)
    told = [result for result in MergeCheck.look(verify_site.machine).judge() if result.check == "not-merged"]
    assert [(result.severity, result.next_step) for result in told] == (
        [(Severity.WARNING, "systemctl restart systemd-sysext.service")] if waits else []
    )
