# SPDX-License-Identifier: LGPL-2.1-or-later
"""Refusals over time: since when, also after a reboot."""

from __future__ import annotations

import pytest

from tests.machine import PlainMachine
from tests.unit.update.samples import OTHER, candidate, facts, want
from tukit_sysext.ledger.ledger import Ledger, LedgerEvent
from tukit_sysext.quantities import time_text
from tukit_sysext.update import refusal
from tukit_sysext.update.deciding import decide
from tukit_sysext.update.outcome import Outcome
from tukit_sysext.update.refusal import HeldBack, Refusal

REFUSED = Outcome(plan=decide(facts(want(), offers={candidate("2"): OTHER})), changes=())
PASSED = Outcome(plan=decide(facts()), changes=())


def remember(site: PlainMachine, kind: str, when: str, image: str | None = "gdb") -> None:
    with Ledger(site.layout.ledger) as ledger:
        ledger.add([LedgerEvent(time=when, kind=kind, snapshot=7, image=image, detail="why")])


def test_nothing_is_known_and_nothing_is_made(site: PlainMachine) -> None:
    assert refusal.known(site.machine) is None
    assert not site.layout.state.exists()


def test_a_refusal_is_marked_and_over_when_an_update_passes(site: PlainMachine) -> None:
    refusal.note(site.machine, REFUSED, None, now=1000)
    before = refusal.known(site.machine)
    assert before is not None
    assert (before.since, before.times, list(before.images)) == (1000, 1, ["gdb"])
    assert before.next_steps == {"gdb": "update again when a fitting image is published"}
    refusal.note(site.machine, REFUSED, before, now=2000)
    again = refusal.known(site.machine)
    assert again is not None
    assert (again.since, again.last, again.times) == (1000, 2000, 2)
    refusal.note(site.machine, PASSED, again, now=3000)
    assert refusal.known(site.machine) is None
    assert not site.layout.refused.exists()


def test_after_a_reboot_the_ledger_remembers(site: PlainMachine) -> None:
    for when in (1000, 2000):
        remember(site, "refused", time_text(when))
    remember(site, "refused", time_text(2000), "strace")
    found = refusal.known(site.machine)
    assert found is not None
    assert (found.since, found.last, found.times) == (1000, 2000, 2)
    assert found.images == {"gdb": HeldBack(reason="why", since=1000), "strace": HeldBack(reason="why", since=2000)}


def test_what_was_over_is_forgotten(site: PlainMachine) -> None:
    remember(site, "refused", time_text(1000))
    remember(site, "refusal over", time_text(2000), None)
    assert refusal.known(site.machine) is None
    remember(site, "refused", time_text(3000))
    found = refusal.known(site.machine)
    assert found is not None
    assert found.since == 3000


@pytest.mark.parametrize("when", ["2026-11-20T10:00:00.123Z", "yesterday", ""])
def test_a_time_that_a_newer_version_wrote(site: PlainMachine, when: str) -> None:
    remember(site, "refused", when)
    assert refusal.known(site.machine) is None
    remember(site, "refused", time_text(1000))
    found = refusal.known(site.machine)
    assert found is not None
    assert found.since == 1000


def test_a_ledger_that_cannot_be_opened_is_no_obstacle(site: PlainMachine) -> None:
    site.layout.ledger.mkdir(parents=True)
    assert refusal.known(site.machine) is None


def test_the_mark_is_stronger_than_the_ledger(site: PlainMachine) -> None:
    remember(site, "refused", time_text(1000))
    mark = Refusal(last=9, times=9, system="x", images={"a": HeldBack(reason="b", since=9)})
    refusal.write(site.layout.refused, mark)
    assert refusal.known(site.machine) == mark


def test_ages() -> None:
    mark = Refusal(last=0, times=1, system="", images={"a": HeldBack(reason="", since=100)})
    assert refusal.ages(None, now=500) == {}
    assert refusal.ages(mark, now=500) == {"a": 400}
    assert refusal.ages(mark, now=50) == {"a": 0}
