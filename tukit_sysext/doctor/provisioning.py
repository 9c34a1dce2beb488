# SPDX-License-Identifier: LGPL-2.1-or-later
"""Wanted images that this machine has never had: what is tried for them, or why nothing is any more."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tukit_sysext.change.provision import Ending, NeverHad, never_had
from tukit_sysext.doctor.check import CheckResult, good, warning
from tukit_sysext.errors import OutsideTree, UnknownState
from tukit_sysext.machine import Machine
from tukit_sysext.quantities import counted


@dataclass(frozen=True, kw_only=True, slots=True)
class ProvisionCheck:
    """The images; None where they are not known, as snapshots cannot be read, which another check tells."""

    images: Sequence[NeverHad] | None

    @classmethod
    def look(cls, machine: Machine) -> ProvisionCheck:
        """Look at what is wanted, at all snapshots, and at what the ledger remembers."""
        try:
            return cls(images=never_had(machine))
        except (UnknownState, OutsideTree):
            return cls(images=None)

    def judge(self) -> Iterator[CheckResult]:
        if self.images is None:
            return
        # one that is optional, and does not fit, is as it should be
        told = [each for each in self.images if each.required or each.attempts.ending is not Ending.LEFT_OUT]
        for image in told:
            attempts = image.attempts
            times = f" (tried {counted(attempts.tries, 'time')})" if attempts.tries else ""
            text = f"{image.name} is wanted, and this machine has never had it: {attempts.reason}{times}"
            step = f"wait for the next update of the system, or:\ntukit-sysext update {image.name}"
            if image.pending:
                step = "systemctl status tukit-sysext-provision.timer"
            yield warning("provision", text, step)
        if not told:
            yield good("provision", "no wanted image waits to be brought for the first time")
