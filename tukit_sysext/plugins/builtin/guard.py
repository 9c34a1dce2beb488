# SPDX-License-Identifier: LGPL-2.1-or-later
"""Looks after the snapshot that boots next: every image of it is verified when it changes (threat C13).

At boot the command of libexec/guard looks at the running system, for which no plugin has to look at it again.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from tukit_sysext.plugin_api import hookimpl

if TYPE_CHECKING:
    from tukit_sysext.all_plugins import AllPlugins
    from tukit_sysext.machine import Machine
    from tukit_sysext.snapshots.snapper import Scan

log = logging.getLogger(__name__)


class Guard:
    """Tells loudly what is missing or damaged, and asks for repair.

    Nothing is repaired in here: this may run where there is no network, and within seconds.
    """

    def __init__(self, plugins: AllPlugins) -> None:
        self._plugins = plugins
        self._seen: Scan | None = None

    @hookimpl
    def tukit_sysext_default_changed(self, machine: Machine, scan: Scan, number: int) -> None:
        """See the specification."""
        self._check(machine, scan)

    @hookimpl
    def tukit_sysext_rolled_back(self, machine: Machine, scan: Scan, number: int) -> None:
        """See the specification."""
        self._check(machine, scan)

    def _check(self, machine: Machine, scan: Scan) -> None:
        """Verify what boots next, whatever the event said."""
        following = scan.default
        if following is None:
            log.warning("which snapshot boots next is not known, its images are not verified")
            return
        # one rollback is several events, which are settled with one look at the disk
        if self._seen is scan:
            return
        self._seen = scan
        from tukit_sysext.integrity import needs
        from tukit_sysext.integrity.assess import assess, subject_of
        from tukit_sysext.store.examine import Examiner

        examiner = Examiner(machine.store(writable=machine.privileged), full=True, writable=machine.privileged)
        # settling has no devices to mount images with
        assessment = assess(
            machine, subject_of(machine, following), examiner, objection=self._plugins.objection, look_inside=False
        )
        needs.take_in(machine, assessment, scan)
