# SPDX-License-Identifier: LGPL-2.1-or-later
"""The system that ``check`` and ``why-not`` judge for: that of a tree, of the refused update, or of an os-release."""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tukit_sysext.commands.common.os_release import read_os_release, with_id
from tukit_sysext.commands.common.trees import looked_at
from tukit_sysext.errors import TukitSysextError
from tukit_sysext.machine import Machine
from tukit_sysext.quantities import counted, local_time
from tukit_sysext.rules.release import ReleaseData
from tukit_sysext.snapshots.fitting import NEW_SYSTEM
from tukit_sysext.snapshots.targets import Target, running_and_next
from tukit_sysext.system.system_release import read_release
from tukit_sysext.system.tree import Tree
from tukit_sysext.update import refusal
from tukit_sysext.update.refusal import Refusal
from tukit_sysext.update.search import Resolver

RELEASE_ALONE = (
    "Judged by its os-release alone: its packages are not known, and so not whether it has what an image needs."
)
_KEY = re.compile(r"([A-Z][A-Z0-9_]*)=(.*)", re.S)


@dataclass(frozen=True, slots=True)
class JudgedFor:
    """A system for which images are judged: the tree's own, or another one, with the lines that say which."""

    own: bool
    notes: Sequence[str] = ()


def judged_tree(machine: Machine, arguments: argparse.Namespace) -> Target:
    """The tree whose images and configuration count: an update begins from what boots next."""
    return running_and_next(machine)[-1] if arguments.refused else looked_at(machine, arguments)


def judge_for(machine: Machine, arguments: argparse.Namespace, resolver: Resolver) -> JudgedFor:
    """Have images judged for the system that ``--refused`` or ``--for`` names, else for the tree's own.

    Raises TukitSysextError where no update is refused, or it is not known to what, and for what is no os-release.
    """
    if arguments.refused:
        mark = _mark(machine)
        resolver.take_for(ReleaseData(mark.release), NEW_SYSTEM)
        times = "once" if mark.times == 1 else counted(mark.times, "time")
        notes = [f"The system of the update that was refused last, {local_time(mark.last)} (refused {times})."]
        notes += [f"  {name}: {held.reason}" for name, held in sorted(mark.images.items())]
        return JudgedFor(own=False, notes=(*notes, RELEASE_ALONE))
    if arguments.systems:
        resolver.take_for(_release(arguments.systems, resolver.facts.tree.release), "that system")
        return JudgedFor(own=False, notes=(RELEASE_ALONE,))
    return JudgedFor(own=True)


def _mark(machine: Machine) -> Refusal:
    mark = refusal.known(machine, writable=False)
    if mark is None or not mark.images:
        raise TukitSysextError("No update is refused.", next_step="tukit-sysext check")
    if not mark.release:
        raise TukitSysextError(
            "An update is refused, but to which system is not known.", next_step="tukit-sysext status --refused"
        )
    return mark


def _release(texts: Sequence[str], base: ReleaseData | None) -> ReleaseData:
    """The os-release of a file or a tree, or the tree's own with other values."""
    values = dict(base or {})
    for text in texts:
        path = Path(text)
        match = _KEY.fullmatch(text)
        if match is not None:
            values[match[1]] = match[2]
        elif "/" in text or path.exists():
            values = dict(_read(path))
        elif text[:1].isdigit():
            values["VERSION_ID"] = text
        else:
            values["SYSEXT_LEVEL"] = text
    return ReleaseData(values)


def _read(path: Path) -> ReleaseData:
    if not path.is_dir():
        return read_os_release(path, expected="an os-release or a root")
    with Tree(path) as tree:
        return with_id(path, read_release(tree))
