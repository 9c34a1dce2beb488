# SPDX-License-Identifier: LGPL-2.1-or-later
"""A new machine, whose configuration wants images: they come without an update, and trying ends."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.machine import NEW, PlainMachine, with_source
from tests.on_lab.sandbox import settings_of
from tests.trees import make_tree
from tests.unit.integrity.verify_site import fake_look_inside
from tukit_sysext import cli
from tukit_sysext.change.provision import LEAST_TRIES, WEEK, Attempts, Ending, never_had, read
from tukit_sysext.doctor.check import Severity
from tukit_sysext.doctor.provisioning import ProvisionCheck
from tukit_sysext.integrity.merge_rule import Merging

NOW = 1_800_000_000


@pytest.fixture
def new_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PlainMachine:
    """It has one snapshot, without images, and wants gdb, which its source offers."""
    fake_look_inside(monkeypatch)
    made = with_source(tmp_path)
    made.snapshot_with(1, {}, default=True)
    make_tree(made.tree(1), {"etc/extensions": None})
    made.boot(1)
    made.want("gdb")
    made.publish("gdb", "1.0")
    return made


def run(site: PlainMachine, *argv: str) -> int:
    return cli.main(["provision", *argv], machine=site.machine)


def known(site: PlainMachine) -> Attempts:
    return read(site.layout.provision)["gdb"]


def link(site: PlainMachine) -> Path:
    return site.root / "etc/extensions/gdb.raw"


def test_it_comes_without_an_update_and_is_done_for_good(new_machine: PlainMachine) -> None:
    assert run(new_machine) == 0
    assert link(new_machine).readlink() == Path("/var/lib/sysext-store/gdb-1.0.x86-64.raw")
    assert known(new_machine).ending is Ending.LINKED
    link(new_machine).unlink()
    new_machine.layout.ledger.unlink(missing_ok=True)
    assert run(new_machine) == 0
    assert never_had(new_machine.machine) == []
    assert not link(new_machine).is_symlink(), "somebody took it out, and it does not come back by itself"


def had_in_a_snapshot(site: PlainMachine) -> None:
    site.snapshot_with(2, {"gdb": "0.9"})


def had_in_a_snapshot_that_is_gone(site: PlainMachine) -> None:
    had_in_a_snapshot(site)
    assert cli.main(["settle"], machine=site.machine) == 0
    shutil.rmtree(site.layout.snapshots / "2")
    assert cli.main(["settle"], machine=site.machine) == 0


def not_wanted(site: PlainMachine) -> None:
    site.want("gdb", State="removed")


@pytest.mark.parametrize("before", [had_in_a_snapshot, had_in_a_snapshot_that_is_gone, not_wanted])
def test_what_is_no_first_image_is_left_to_updates(
    new_machine: PlainMachine, before: Callable[[PlainMachine], None]
) -> None:
    before(new_machine)
    assert never_had(new_machine.machine) == []
    assert run(new_machine) == 0
    assert not link(new_machine).is_symlink()


def test_what_boots_next_gets_it_too(new_machine: PlainMachine) -> None:
    new_machine.snapshot_with(2, {}, default=True)
    for part in ("sources.d/main.conf", "images.d/gdb.conf"):
        text = (new_machine.root / "etc/tukit-sysext" / part).read_text()
        make_tree(new_machine.tree(2), {f"etc/tukit-sysext/{part}": text})
    assert run(new_machine) == 0
    assert (new_machine.tree(2) / "etc/extensions/gdb.raw").is_symlink()


def test_a_source_that_is_away_is_tried_again(new_machine: PlainMachine, capsys: pytest.CaptureFixture[str]) -> None:
    new_machine.away()
    assert run(new_machine) == 1, "systemd starts it again"
    assert (known(new_machine).tries, known(new_machine).ending) == (1, None)
    assert "gdb: try 1 failed, and is followed by others" in capsys.readouterr().err
    new_machine.source.with_name("away").rename(new_machine.source)
    assert run(new_machine) == 0
    assert link(new_machine).is_symlink()


def test_a_verdict_ends_it(new_machine: PlainMachine, capsys: pytest.CaptureFixture[str]) -> None:
    new_machine.unpublish("gdb", "1.0")
    new_machine.publish("gdb", "2.0", NEW)
    assert run(new_machine) == 0
    assert known(new_machine).ending is Ending.LEFT_OUT
    assert "gdb: left out:" in capsys.readouterr().err


def test_that_nobody_publishes_it_yet_is_no_verdict(new_machine: PlainMachine) -> None:
    new_machine.unpublish("gdb", "1.0")
    assert run(new_machine) == 1
    assert known(new_machine).ending is None


def test_whether_a_snapshot_had_it_has_to_be_known(new_machine: PlainMachine) -> None:
    new_machine.snapshot(2, {})
    assert run(new_machine) == 1
    assert not link(new_machine).is_symlink()
    assert not new_machine.layout.provision.exists(), "that is no try"


class TestTheEnd:
    def tried(self, tries: int, *, every: int, since: int = NOW) -> Attempts:
        attempts = Attempts()
        for number in range(tries):
            attempts = attempts.failed("away", now=since + number * every)
        return attempts

    def test_a_week(self) -> None:
        assert self.tried(LEAST_TRIES, every=WEEK // (LEAST_TRIES - 1) + 1).ending is Ending.GIVEN_UP

    def test_a_clock_that_is_set_meanwhile(self) -> None:
        attempts = self.tried(1, every=1, since=0).failed("away", now=NOW)
        assert (attempts.tries, attempts.ending) == (2, None)

    def test_many_tries_in_a_short_time(self) -> None:
        assert self.tried(3 * LEAST_TRIES, every=60).ending is None

    def test_a_clock_that_goes_back(self) -> None:
        assert self.tried(1, every=1).failed("away", now=NOW - 5).since == NOW - 5


@pytest.mark.parametrize("content", ["", "{", '{"images": 1}', '{"images": {"gdb": {"ending": "tired"}}}'])
def test_a_damaged_memory_is_none(new_machine: PlainMachine, content: str) -> None:
    make_tree(new_machine.layout.state, {"provision.json": content})
    assert run(new_machine) == 0
    assert json.loads(new_machine.layout.provision.read_text())["images"]["gdb"]["ending"] == "linked"


def test_it_merges_by_the_rule(new_machine: PlainMachine, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[list[str], bool]] = []

    def rule(_: object, linked: list[str], *, allowed: bool) -> Merging:
        asked.append((list(linked), allowed))
        return Merging(waiting=("gdb",))

    monkeypatch.setattr("tukit_sysext.commands.provision.merge_by_itself", rule)
    assert run(new_machine) == 0
    assert asked == [(["gdb"], True)]


def test_a_dry_run_changes_nothing(new_machine: PlainMachine, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(new_machine, "--dry-run") == 0
    assert "gdb: 1.0 would be fetched" in capsys.readouterr().out
    assert not link(new_machine).is_symlink()
    assert not new_machine.layout.provision.exists()


def test_doctor_tells_while_they_are_missing(new_machine: PlainMachine) -> None:
    def told() -> list[tuple[Severity, str]]:
        return [(each.severity, each.text) for each in ProvisionCheck.look(new_machine.machine).judge()]

    never = "gdb is wanted, and this machine has never had it"
    assert told() == [(Severity.WARNING, f"{never}: not tried yet")]
    new_machine.away()
    assert run(new_machine) == 1
    ((severity, text),) = told()
    assert severity is Severity.WARNING
    assert text.startswith(never)
    assert "(tried 1 time)" in text
    new_machine.source.with_name("away").rename(new_machine.source)
    assert run(new_machine) == 0
    assert [severity for severity, _ in told()] == [Severity.GOOD]


def test_nothing_waits_for_the_unit_and_it_comes_back() -> None:
    unit = settings_of("tukit-sysext-provision.service", "Unit")
    assert unit["After"] == ["network-online.target time-sync.target"]
    assert "Before" not in unit
    service = settings_of("tukit-sysext-provision.service")
    assert service["Restart"] == ["on-failure"]
    assert (service["RestartSteps"], service["RestartMaxDelaySec"]) == (["6"], ["6h"])
    assert settings_of("tukit-sysext-provision.timer", "Timer")["RandomizedDelaySec"] == ["5min"]
