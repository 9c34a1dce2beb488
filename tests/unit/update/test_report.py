# SPDX-License-Identifier: LGPL-2.1-or-later
"""A refused update: the next step is that of the reason, and status says what the hook said."""

from __future__ import annotations

import pytest

from tests.machine import PlainMachine
from tests.unit.update.samples import FITS, OTHER, broken, candidate, facts, unreachable, want
from tukit_sysext import cli
from tukit_sysext.ledger.ledger import Ledger, LedgerEvent
from tukit_sysext.quantities import time_text
from tukit_sysext.update import refusal
from tukit_sysext.update.deciding import decide
from tukit_sysext.update.facts import Facts
from tukit_sysext.update.outcome import Outcome
from tukit_sysext.update.report import refusal_lines

NEW = candidate("2")


@pytest.mark.parametrize(
    ("given", "reason", "step"),
    [
        (facts(want(), offers={NEW: OTHER}), "nothing published fits: 2", "update again when a fitting image is"),
        (
            facts(want(hold="1"), offers={NEW: FITS}),
            "held at 1, which cannot be used (no such version",
            "tukit-sysext unhold gdb",
        ),
        (
            facts(want(), broken_sources={"local": "from the future"}, next_steps={"local": "see the clock"}),
            "list refused: local: from the future",
            "see the clock",
        ),
        (
            facts(want(), broken_sources={"local": "line 3"}),
            "list refused: local: line 3",
            "tukit-sysext sources",
        ),
        (facts(want(), offers={NEW: broken()}), "image broken: 2", "tell the publisher"),
        (facts(want(), offers={NEW: unreachable()}), "cannot be fetched: ", "fix access to the source"),
    ],
)
def test_the_hook_and_status_say_what_to_do(
    site: PlainMachine, capsys: pytest.CaptureFixture[str], given: Facts, reason: str, step: str
) -> None:
    outcome = Outcome(plan=decide(given), changes=())
    lines = list(refusal_lines(outcome))
    assert lines[1].startswith(f"  gdb: {reason}")
    first = lines.index("  or do without:") - 1
    is_command = step.startswith("tukit-sysext")
    assert lines[first].startswith(f"    {step}" if is_command else f"  next step: {step}")
    assert not lines[first].endswith(",")
    first -= is_command
    assert lines[first].startswith("  next step:")
    assert lines[-3] == "    tukit-sysext install --optional gdb"
    assert lines[-2] == "  or have updates pass unjudged:"
    assert lines[-1].split() == ["ln", "-s", "/dev/null", "/etc/tukit/plugins/50-tukit-sysext"]
    refusal.note(site.machine, outcome, None, now=1000)
    for argv in (["status"], ["status", "--refused"]):
        assert cli.main(argv, machine=site.machine) == (1 if "--refused" in argv else 0)
        told = capsys.readouterr().out
        assert "\n".join(("", lines[1], *lines[first:], "", "")) in told


def test_after_a_reboot_it_says_who_knows(site: PlainMachine, capsys: pytest.CaptureFixture[str]) -> None:
    """The ledger has the reason alone."""
    with Ledger(site.layout.ledger) as ledger:
        ledger.add([LedgerEvent(time=time_text(1000), kind="refused", snapshot=7, image="gdb", detail="nothing fits")])
    assert cli.main(["status", "--refused"], machine=site.machine) == 1
    assert "\n  next step:\n    tukit-sysext preflight\n" in capsys.readouterr().out
