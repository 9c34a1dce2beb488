# SPDX-License-Identifier: LGPL-2.1-or-later
"""Offers the sources of the configuration that tukit-sysext can speak to by itself."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tukit_sysext.plugin_api import hookimpl

if TYPE_CHECKING:
    from tukit_sysext.config.settings import Configuration, SourceSettings
    from tukit_sysext.machine import Machine
    from tukit_sysext.sources.protocol import Source


log = logging.getLogger(__name__)


class Sources:
    """Local directories (``Path=``), and directories on servers and projects in registries (``URL=``)."""

    def __init__(self) -> None:
        self._away: dict[SourceSettings, str] = {}

    @hookimpl
    def tukit_sysext_sources(self, machine: Machine, configuration: Configuration) -> Sequence[Source]:
        """See the specification. What speaks to the network is imported only where there is such a source."""
        from tukit_sysext.sources.cache import Cache
        from tukit_sysext.sources.directory import DirectorySource
        from tukit_sysext.sources.seen import Seen
        from tukit_sysext.sources.trust import Trust

        cache = Cache(machine.layout.cache, writable=machine.privileged)
        seen = Seen.of(machine)
        sources: list[Source] = [
            DirectorySource(
                settings,
                Path(settings.path),
                Trust(settings, cache, seen=seen),
                limits=configuration.settings.network,
            )
            for settings in configuration.sources.values()
            if settings.path is not None
        ]
        on_the_web = [
            settings for settings in configuration.sources.values() if settings.path is None and settings.urls
        ]
        if on_the_web:
            try:
                from tukit_sysext.net.system_proxy import network_of
                from tukit_sysext.net.transfer import Transfers
                from tukit_sysext.sources.web import WebSource

                if any(settings.in_registry for settings in on_the_web):  # 8 ms, which others are spared
                    from tukit_sysext.sources.registry import RegistrySource
                    from tukit_sysext.sources.tagged import TaggedSource
            except ImportError as error:
                # the local directories are of use without it
                log.error("sources on servers cannot be used: %s", error)
                return sources

            network = network_of(machine.layout.root, configuration.settings.network, patient=machine.patient)
            transfers = Transfers(network)
            sources += [
                TaggedSource(settings, transfers, cache, image_max=configuration.settings.image_max, away=self._away)
                if settings.in_registry and not settings.has_signed_list
                else (RegistrySource if settings.in_registry else WebSource)(
                    settings,
                    transfers,
                    cache,
                    Trust(settings, cache, seen=seen),
                    image_max=configuration.settings.image_max,
                    away=self._away,
                )
                for settings in on_the_web
            ]
        return sources
