# SPDX-License-Identifier: LGPL-2.1-or-later
"""Our own state: the ledger, the mark of a refused update, images that have to be repaired."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tukit_sysext.doctor.check import CheckResult, good, problem, unknown, warning
from tukit_sysext.integrity import needs
from tukit_sysext.integrity.needs import Need
from tukit_sysext.ledger.ledger import Ledger
from tukit_sysext.machine import Machine
from tukit_sysext.quantities import counted
from tukit_sysext.update import refusal
from tukit_sysext.update.refusal import Refusal
from tukit_sysext.update.report import steps_text

DAYS = 3
"""For how many days an update may be refused before it is a problem."""

_DAY = 86400


@dataclass(frozen=True, kw_only=True, slots=True)
class StateCheck:
    """The ledger, and the marks in /run.

    ``fault`` says what is wrong with the ledger (empty: nothing), ``unreadable`` that we may not read it, ``newer``
    what a newer version put there. ``now`` in seconds since the epoch.
    """

    fault: str
    unreadable: bool
    newer: Sequence[str]
    refused: Refusal | None
    needs: Sequence[Need]
    now: int
    privileged: bool

    @classmethod
    def look(cls, machine: Machine) -> StateCheck:
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
        return cls(
            fault=fault,
            unreadable=unreadable,
            newer=newer,
            refused=refusal.known(machine, writable=False),
            needs=needs.read(machine.layout.repair),
            now=int(time.time()),
            privileged=machine.privileged,
        )

    def judge(self) -> Iterator[CheckResult]:
        if self.fault and self.unreadable and not self.privileged:
            yield unknown("ledger", self.fault, privileged=False)
        elif self.fault:
            yield problem("ledger", self.fault, "have it made anew from the disk:\ntukit-sysext settle")
        elif self.newer:
            text = f"a newer version of tukit-sysext wrote it ({', '.join(self.newer)}): this one does without that"
            yield warning("ledger", text)
        else:
            yield good("ledger", "the ledger can be read")
        yield self._refused()
        for need in self.needs:
            where = f"snapshot {need.snapshot}" if need.snapshot is not None else "the running system"
            text = f"{where}: {need.name} {need.shown} {need.condition}: {need.reason}"
            yield problem("repair", text, "tukit-sysext verify --repair")
        if not self.needs:
            yield good("repair", "no image waits for repair")

    def _refused(self) -> CheckResult:
        mark = self.refused
        if mark is None:
            return good("refused", "no update is refused")
        if not mark.images:
            text = f"an update came without required images: {', '.join(sorted(mark.missed))}"
            steps = dict.fromkeys(held.next_step for held in mark.missed.values() if held.next_step)
            return warning("refused", text, "\n".join(steps))
        days = max(0, self.now - mark.since) // _DAY
        text = f"an update to {mark.system_in_words} is refused, because of {', '.join(sorted(mark.images))}"
        next_step = steps_text(mark.next_steps)
        if days >= DAYS:
            return problem("refused", f"{text}, for {counted(days, 'day')}", next_step)
        return warning("refused", text, next_step)
