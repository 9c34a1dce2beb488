# SPDX-License-Identifier: LGPL-2.1-or-later
"""Looks after the snapshot that boots next: every image of it is verified when it changes, and at boot (threat C13)."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from tukit_sysext.plugin_api import hookimpl

if TYPE_CHECKING:
    from tukit_sysext.all_plugins import AllPlugins
    from tukit_sysext.machine import Machine
    from tukit_sysext.snapshots.snapper import Scan, Snapshot

log = logging.getLogger(__name__)


class Guard:
    """Tells loudly what is missing or damaged, and asks for repair.

    Nothing is repaired in here: this may run where there is no network, and within seconds.
    """

    def __init__(self, plugins: AllPlugins) -> None:
        self._plugins = plugins
        self._seen: tuple[Scan, set[int]] | None = None

    @hookimpl
    def tukit_sysext_default_changed(self, machine: Machine, scan: Scan, number: int) -> None:
        """See the specification."""
        self._check_next(machine, scan)

    @hookimpl
    def tukit_sysext_rolled_back(self, machine: Machine, scan: Scan, number: int) -> None:
        """See the specification."""
        self._check_next(machine, scan)

    @hookimpl
    def tukit_sysext_booted(self, machine: Machine, scan: Scan, number: int) -> None:
        """See the specification. Cheap, as the merge waits for it; only what has no record is looked into."""
        if scan.running is not None:
            self._check(machine, scan, scan.running, full=False, look_inside=None)

    def _check_next(self, machine: Machine, scan: Scan) -> None:
        """Verify what boots next, whatever the event said."""
        following = scan.default
        if following is None:
            log.warning("which snapshot boots next is not known, its images are not verified")
            return
        # one rollback is several events, which are settled with one look at the disk
        if self._seen is None or self._seen[0] is not scan:
            self._seen = (scan, set())
        if following.number not in self._seen[1]:
            self._seen[1].add(following.number)
            # settling has no devices to mount images with
            self._check(machine, scan, following, full=True, look_inside=False)

    def _check(self, machine: Machine, scan: Scan, snapshot: Snapshot, *, full: bool, look_inside: bool | None) -> None:
        from tukit_sysext.integrity import needs
        from tukit_sysext.integrity.assess import assess, subject_of
        from tukit_sysext.store.examine import Examiner

        examiner = Examiner(machine.store(writable=machine.privileged), full=full, writable=machine.privileged)
        assessment = assess(
            machine,
            subject_of(machine, snapshot),
            examiner,
            objection=self._plugins.objection,
            look_inside=look_inside,
            packages=full,
        )
        if assessment.unknown:
            log.error("%s: its images cannot be verified: %s", assessment.subject.called, assessment.unknown)
        for finding in assessment.findings:
            # what is lost is logged by needs.tell()
            if (finding.wrong and not finding.content_lost) or finding in assessment.unsettled:
                wrong = f"{finding.name} {finding.shown} ({finding.entry.shown}): {finding.condition}: {finding.reason}"
                log.error("%s: %s", assessment.subject.called, wrong)
        needs.tell(assessment)
        needs.enter(machine, [assessment], matter=scan.in_use)
