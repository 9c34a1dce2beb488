# SPDX-License-Identifier: LGPL-2.1-or-later
"""Would the next update be refused, by what this machine knows now? For people and monitoring; no server is asked.

A version that is held and that nobody publishes, or a block of the only version that fits, refuses every update from
then on. The system itself is taken as it is: what a new one needs is for ``preflight`` to tell.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from tukit_sysext.all_plugins import Root
from tukit_sysext.config.settings import Configuration
from tukit_sysext.machine import Machine
from tukit_sysext.snapshots.snapper import Scan
from tukit_sysext.sources.last_lists import remembered_sources
from tukit_sysext.sources.protocol import Source
from tukit_sysext.system.tree import Tree
from tukit_sysext.update.deciding import decide
from tukit_sysext.update.left_out import LeftOut
from tukit_sysext.update.plan import ImagePlan
from tukit_sysext.update.search import Resolver


def refusals(machine: Machine, path: Path, *, refused_for: Mapping[str, int] | None = None) -> Mapping[str, str]:
    """Why an update that starts from the tree at ``path`` would be refused, by image; as :func:`refusing`."""
    return {image.name: image.reason for image in refusing(machine, path, refused_for=refused_for)}


def refusing(machine: Machine, path: Path, *, refused_for: Mapping[str, int] | None = None) -> tuple[ImagePlan, ...]:
    """The images for which an update that starts from the tree at ``path`` would be refused.

    None where nothing is known. Raises UnknownState, OutsideTree.
    """
    with Tree(path) as tree:
        resolver = Resolver(replace(machine, read_only=True), tree, _Memory(), refused_for=refused_for)
        plan = decide(resolver.resolve())
    return tuple(image for image in plan.refusing if image.left_out is not LeftOut.UNREACHABLE)


class _Memory:
    """In the place of all plugins: sources as they are remembered, and no objection."""

    def sources(self, machine: Machine, configuration: Configuration) -> Sequence[Source]:
        """See AllPlugins."""
        return remembered_sources(machine, configuration)

    def objection(self, *_: object) -> str:
        """See AllPlugins."""
        return ""

    def lacks(self, *_: object) -> frozenset[str]:
        """See AllPlugins."""
        return frozenset()

    def shadows(self, *_: object) -> tuple[str, ...]:
        """See AllPlugins."""
        return ()

    def warns(self, *_: object) -> tuple[str, ...]:
        """See AllPlugins."""
        return ()

    def references(self, machine: Machine) -> Sequence[Root]:
        """See AllPlugins."""
        return ()

    def free_space(self, machine: Machine, needed: frozenset[str]) -> bool:
        """See AllPlugins."""
        return False

    def settled(self, hook: str, machine: Machine, scan: Scan, number: int) -> bool:
        """See AllPlugins."""
        return True
