# SPDX-License-Identifier: LGPL-2.1-or-later
"""What is merged into the running /usr without anybody asking for it: one rule, for all that works by itself.

Nothing that works by itself replaces or removes what is merged, since programs run from it. It may merge where nothing
is merged, as a boot would. Everything else waits for the next boot, or for a person who has it merged.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass

from tukit_sysext.errors import TukitSysextError, WithNextStep
from tukit_sysext.integrity.finding import Finding
from tukit_sysext.machine import Machine
from tukit_sysext.system import merge, systemd_units

log = logging.getLogger(__name__)

BY_HAND = "systemctl restart systemd-sysext.service"
"""What merges what is linked, as a boot does: systemd-sysext itself knows nothing of what was set for that unit."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Merging:
    """Names of extensions of the running system: ``merged`` just now, and ``waiting`` for the next boot."""

    merged: tuple[str, ...] = ()
    waiting: tuple[str, ...] = ()

    @property
    def lines(self) -> Iterator[str]:
        """The same in words."""
        if self.merged:
            yield f"Merged into the running /usr, as nothing was: {', '.join(self.merged)}"
        if self.waiting:
            names = ", ".join(self.waiting)
            yield f"Linked, but not merged into the running /usr: {names}; the next boot does that, or:"
            yield f"  {BY_HAND}"


def merged_now(machine: Machine) -> frozenset[str] | None:
    """Names of the extensions that are merged; None where that is not known, or where systemd does not run."""
    return merge.merged() if systemd_units.runs(machine.layout.root) else None


def good_links(findings: Iterable[Finding]) -> tuple[str, ...]:
    """Names, as systemd-sysext sees them, of our links that it would merge."""
    return tuple(
        finding.entry.stem for finding in findings if finding.ours and finding.good and finding.quarantined is None
    )


def not_merged(machine: Machine, linked: Collection[str]) -> tuple[str, ...]:
    """Those of the running system's extensions ``linked`` that are not merged; empty where that is not known."""
    merged = merged_now(machine) if linked else None
    return tuple(sorted(set(linked) - merged)) if merged is not None else ()


def merge_by_itself(machine: Machine, linked: Collection[str], *, allowed: bool) -> Merging:
    """Merge what is linked, if that is ``allowed`` and nothing at all is merged.

    Where it is not known what is merged, nothing is done. systemd-sysext itself refuses where something was merged
    meanwhile.
    """
    before = not_merged(machine, linked)
    if not allowed or not before or merged_now(machine) != frozenset():
        return Merging(waiting=before)
    try:
        merge.merge()
    except TukitSysextError as error:
        log.error(WithNextStep(str(error), error.next_step))
    after = not_merged(machine, linked)
    return Merging(merged=tuple(name for name in before if name not in after), waiting=after)
