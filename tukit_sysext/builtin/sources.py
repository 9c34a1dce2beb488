# SPDX-License-Identifier: LGPL-2.1-or-later
"""Offers the sources of the configuration that tukit-sysext can speak to by itself."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tukit_sysext.hookspecs import Source, hookimpl

if TYPE_CHECKING:
    from tukit_sysext.config.settings import Configuration
    from tukit_sysext.machine import Machine


class Sources:
    """Local directories: sources with ``Path=``."""

    @hookimpl
    def tukit_sysext_sources(self, machine: Machine, configuration: Configuration) -> Sequence[Source]:
        """See the specification."""
        from tukit_sysext.builtin.directory import DirectorySource

        return [
            DirectorySource(settings, Path(settings.path))
            for settings in configuration.sources.values()
            if settings.path is not None
        ]
