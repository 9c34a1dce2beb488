# SPDX-License-Identifier: LGPL-2.1-or-later
"""A repair, and a source of a plugin that brings what it likes."""

from __future__ import annotations

from collections.abc import Sequence

from tests.unit.integrity.verify_site import VerifySite
from tukit_sysext.config.settings import Configuration
from tukit_sysext.errors import SourceUnreachable, TukitSysextError
from tukit_sysext.integrity.repair import Repair, repair
from tukit_sysext.machine import Machine
from tukit_sysext.plugin_api import hookimpl
from tukit_sysext.plugins.manager import Plugins
from tukit_sysext.sources.candidate import Candidate, Description
from tukit_sysext.sources.protocol import Sink, Source


def mend(site: VerifySite, number: int | None = None, plugins: Plugins | None = None) -> Repair:
    """Repair; the only thing that was done."""
    assessment = site.assess(number)
    (done,) = repair(site.machine, plugins or Plugins(), assessment.subject, assessment.wrong)
    return done


class Careless:
    """A source of a plugin that says that it brought an image, and brought something else, or nothing."""

    name = "careless"

    def __init__(self, content: bytes | None, error: Exception | None = None) -> None:
        self.content = content
        self.error = error
        self.asked: list[Candidate] = []

    def candidates(self) -> Sequence[Candidate]:
        raise SourceUnreachable("no list")

    def describe(self, candidates: Sequence[Candidate]) -> dict[str, Description]:
        return {}

    def fetch(self, wanted: Sequence[tuple[Candidate, Sink]]) -> dict[str, TukitSysextError]:
        if self.error is not None:
            raise self.error
        for candidate, sink in wanted:
            self.asked.append(candidate)
            if self.content is not None:
                sink.write(self.content)
        return {}

    @hookimpl
    def tukit_sysext_sources(self, machine: Machine, configuration: Configuration) -> Sequence[Source]:
        return [self]
