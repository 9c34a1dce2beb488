# SPDX-License-Identifier: LGPL-2.1-or-later
"""All checks, in the order in which they are done."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping

from tukit_sysext.doctor.check import Check, CheckResult, unknown
from tukit_sysext.doctor.collecting import CollectionCheck
from tukit_sysext.doctor.configuration import ConfigurationCheck
from tukit_sysext.doctor.confinement import ConfinementCheck
from tukit_sysext.doctor.disk import SnapshotsCheck
from tukit_sysext.doctor.folders import FoldersCheck
from tukit_sysext.doctor.hooks import HooksCheck
from tukit_sysext.doctor.lists import ListsCheck
from tukit_sysext.doctor.merging import MergeCheck
from tukit_sysext.doctor.provisioning import ProvisionCheck
from tukit_sysext.doctor.state import StateCheck
from tukit_sysext.doctor.system import ClockCheck, ProgramsCheck
from tukit_sysext.doctor.units import UnitsCheck
from tukit_sysext.errors import in_words
from tukit_sysext.machine import Machine

log = logging.getLogger(__name__)

CHECKS: Mapping[str, type[Check]] = {
    "hooks": HooksCheck,
    "selinux": ConfinementCheck,
    "units": UnitsCheck,
    "programs": ProgramsCheck,
    "disk": SnapshotsCheck,
    "store": FoldersCheck,
    "collection": CollectionCheck,
    "configuration": ConfigurationCheck,
    "lists": ListsCheck,
    "clock": ClockCheck,
    "provision": ProvisionCheck,
    "memory": StateCheck,
    "images": MergeCheck,
}


def examine(machine: Machine) -> Iterator[CheckResult]:
    """Do all checks. One that fails itself is unknown, and keeps none of the others from being done."""
    for name, check in CHECKS.items():
        try:
            yield from list(check.look(machine).judge())
        except Exception as error:
            log.info("%s: %s", name, error, exc_info=error)
            yield unknown(name, f"cannot be looked at: {in_words(error)}", privileged=machine.privileged)
