# SPDX-License-Identifier: LGPL-2.1-or-later
"""What is remembered, and what it says: the ledger, a refused update, images that have to be repaired."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tukit_sysext.doctor.result import Result, good, problem, unknown, warning
from tukit_sysext.integrity import needs
from tukit_sysext.integrity.needs import Need
from tukit_sysext.ledger.ledger import Ledger
from tukit_sysext.machine import Machine
from tukit_sysext.update import refusal
from tukit_sysext.update.refusal import Refusal
from tukit_sysext.update.report import step_lines

DAYS = 3
"""For how many days an update may be refused before it is a problem."""

_DAY = 86400


@dataclass(frozen=True, kw_only=True, slots=True)
class Facts:
    """``fault`` says what is wrong with the ledger (empty: nothing), ``unreadable`` that we may not read it.

    ``newer`` names what a newer version put there. ``now`` in seconds since the epoch.
    """

    fault: str
    unreadable: bool
    newer: Sequence[str]
    refused: Refusal | None
    needs: Sequence[Need]
    now: int
    privileged: bool


def look(machine: Machine) -> Facts:
    """Look at the ledger, and at the marks in /run."""
    path, fault, unreadable = machine.layout.ledger, "", False
    newer: Sequence[str] = ()
    try:
        if path.exists():
            with Ledger(path, writable=False) as ledger:
                ledger.snapshots()
                newer = ledger.beyond()
    except PermissionError as error:
        fault, unreadable = f"{path}: {error.strerror}", True
    except (OSError, sqlite3.Error, UnicodeDecodeError) as error:
        fault = f"{path}: cannot be read as a ledger: {error}"
    return Facts(
        fault=fault,
        unreadable=unreadable,
        newer=newer,
        refused=refusal.known(machine, writable=False),
        needs=needs.read(machine.layout.repair),
        now=int(time.time()),
        privileged=machine.privileged,
    )


def judge(facts: Facts) -> Iterator[Result]:
    """Judge it."""
    if facts.fault and facts.unreadable and not facts.privileged:
        yield unknown("ledger", facts.fault, privileged=False)
    elif facts.fault:
        yield problem("ledger", facts.fault, "tukit-sysext settle (makes it anew from the disk)")
    elif facts.newer:
        told = f"a newer version of tukit-sysext wrote it ({', '.join(facts.newer)}): this one does without that"
        yield warning("ledger", told)
    else:
        yield good("ledger", "the ledger can be read")
    yield _refused(facts)
    for item in facts.needs:
        where = f"snapshot {item.snapshot}" if item.snapshot is not None else "the running system"
        told = f"{where}: {item.name} {item.version} is {item.condition}: {item.reason}"
        yield problem("repair", told, "tukit-sysext verify --repair")
    if not facts.needs:
        yield good("repair", "no image waits for repair")


def _refused(facts: Facts) -> Result:
    mark = facts.refused
    if mark is None:
        return good("refused", "no update is refused")
    days = max(0, facts.now - mark.since) // _DAY
    told = f"an update to {mark.system or 'a new system'} is refused, because of {', '.join(sorted(mark.images))}"
    mend = " ".join(line.removeprefix("next step: ") for line in step_lines(mark.next_steps))
    if days >= DAYS:
        return problem("refused", f"{told}, for {days} days", mend)
    return warning("refused", told, mend)
