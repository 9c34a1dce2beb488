# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the jobs ask of the plugins, all of them as one: see :class:`tukit_sysext.plugins.manager.Plugins`.

Whoever needs a plugin takes an :class:`AllPlugins`, and imports neither the manager nor a hook.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from tukit_sysext.config.settings import Configuration
    from tukit_sysext.machine import Machine
    from tukit_sysext.requirements.contents import Contents
    from tukit_sysext.requirements.ground import Ground
    from tukit_sysext.snapshots.fitting import Question
    from tukit_sysext.snapshots.snapper import Scan
    from tukit_sysext.sources.protocol import Source


@dataclass(frozen=True, kw_only=True, slots=True, order=True)
class Root:
    """Something that keeps an image: the name of its file in the store, and in words who needs it.

    ``where`` stands in "PLACE needs it": ``snapshot 42``, ``the running system``, ``quarantine``, ``plugin NAME``.
    """

    image: str
    where: str


class Advisers(Protocol):
    """What a plan asks for: sources of images, and objections to one."""

    def sources(self, machine: Machine, configuration: Configuration) -> Sequence[Source]:
        """The sources of a configuration."""

    def objection(self, question: Question) -> str:
        """Why an image must not be used although it fits; empty where nobody objects."""

    def lacks(self, contents: Contents, ground: Ground, name: str, version: str) -> frozenset[str]:
        """What an image needs and a system has not."""

    def shadows(self, contents: Contents, ground: Ground, name: str, version: str) -> tuple[str, ...]:
        """What of a system an image replaces with something older, in half sentences."""

    def warns(self, contents: Contents, ground: Ground, name: str, version: str) -> tuple[str, ...]:
        """What people have to know of an image in a system, in half sentences."""


class AllPlugins(Advisers, Protocol):
    """All plugins as one."""

    def references(self, machine: Machine) -> Sequence[Root]:
        """What keeps images of the store. Raises PluginFailed where one cannot tell."""

    def free_space(self, machine: Machine, needed: frozenset[str]) -> bool:
        """Collect what nothing needs, but for these files of the store; whether anything went."""

    def settled(self, hook: str, machine: Machine, scan: Scan, number: int) -> bool:
        """Tell a settled event, by the name of its hook; whether no plugin failed."""
