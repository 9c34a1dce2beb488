# SPDX-License-Identifier: LGPL-2.1-or-later
"""Newer images without an update of the system, in a snapshot of their own, so that there is one to roll back to.

transactional-update(8) leaves before any plugin runs where zypper has nothing to do. So images are fetched first, and
where that changes something a transaction is run in which nothing else happens: its end is where our plugin links them,
judged as in any update. A system that is no transactional one has a snapshot made by snapper before its links change.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tukit_sysext.all_plugins import AllPlugins
from tukit_sysext.errors import TukitSysextError
from tukit_sysext.snapshots.targets import Target
from tukit_sysext.system.lock import shared
from tukit_sysext.system.process import TimedOut, run
from tukit_sysext.system.tree import Tree
from tukit_sysext.update.fetch import Fetching
from tukit_sysext.update.outcome import Change, ChangeKind, changes
from tukit_sysext.update.plan import Plan
from tukit_sysext.update.search import Resolver

_TUKIT = ("/usr/sbin/tukit", "/usr/bin/tukit")
_SNAPPER = "/usr/bin/snapper"
_MOST_SECONDS = 6 * 3600.0
"""For a transaction, whose end may have to fetch once more what was taken away meanwhile."""
_COMES = (ChangeKind.LINKED, ChangeKind.REPLACED, ChangeKind.REPAIRED)


@dataclass(frozen=True, kw_only=True, slots=True)
class Prospect:
    """What an update of the images would make of a tree; ``not_asked`` has the reason by source."""

    plan: Plan
    comes: Sequence[Change]
    not_asked: Mapping[str, str]


def fetch(target: Target, plugins: AllPlugins) -> Prospect:
    """Fetch what a transaction would link into a copy of this tree. No link changes. Raises UnknownState, OSError."""
    machine = target.machine
    with shared(machine.layout.lock), Tree(target.path) as tree:
        resolver = Resolver(machine, tree, plugins)
        resolver.resolve()
        fetching = Fetching(resolver)
        plan = fetching.complete()
    comes = [change for change in changes(plan, fetching.fetched) if change.kind in _COMES]
    return Prospect(plan=plan, comes=comes, not_asked=plan.not_asked)


def transact() -> str:
    """Make a snapshot of what boots next, in which our plugin links images; what tukit says. Raises TukitSysextError.

    Not of what runs, which is tukit's default: an update that waits for its reboot would be lost.
    """
    tukit = next((path for path in _TUKIT if Path(path).exists()), _TUKIT[0])
    return _carry_out([tukit, "--continue", "execute", "/usr/bin/true"], "tukit-sysext check")


def snapshot_before() -> str:
    """Make a snapshot of the running system; its number. As tukit, without D-Bus. Raises TukitSysextError."""
    argv = [_SNAPPER, "--no-dbus", "create", "--type=single", "--cleanup-algorithm=number", "--print-number"]
    said = _carry_out([*argv, "--description=before newer extension images"], "is snapper set up for the root?")
    return said.strip()


def _carry_out(argv: Sequence[str], next_step: str) -> str:
    try:
        result = run(argv, timeout=_MOST_SECONDS)
    except TimedOut as error:
        raise TukitSysextError(str(error), next_step=next_step) from error
    if result.status != 0:
        raise TukitSysextError(f"{argv[0]}: {result.said or f'status {result.status}'}", next_step=next_step)
    return result.output
