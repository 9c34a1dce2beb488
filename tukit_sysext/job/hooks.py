# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the job asks of plugins, and nothing of how they are found and called: :class:`tukit_sysext.plugins.Plugins`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from tukit_sysext.config.settings import Configuration
    from tukit_sysext.machine import Machine
    from tukit_sysext.sources.protocol import Source
    from tukit_sysext.state.roots import Root
    from tukit_sysext.state.snapshots import Scan


class Hooks(Protocol):
    """All plugins as one."""

    def sources(self, machine: Machine, configuration: Configuration) -> Sequence[Source]:
        """The sources of a configuration."""

    def objection(self, system: Mapping[str, str], image: Mapping[str, str], name: str, version: str) -> str:
        """Why an image that fits must not be used; empty where nobody objects."""

    def references(self, machine: Machine) -> Sequence[Root]:
        """What keeps images of the store. Raises PluginFailed where one cannot tell."""

    def settled(self, hook: str, machine: Machine, scan: Scan, number: int) -> None:
        """Tell a settled event, by the name of its hook."""
