# SPDX-License-Identifier: LGPL-2.1-or-later
"""A source for sources.d/twin.conf that offers an image and cannot bring it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NoReturn

from tukit_sysext.plugin_api import Candidate, Configuration, Description, hookimpl

tukit_sysext_interface = ">=1,<2"


class Twin:
    """Offers version 9 of debug, without a description."""

    name = "twin"

    def candidates(self) -> Sequence[Candidate]:
        """See Source."""
        return [
            Candidate(
                name="debug",
                version="9",
                architecture=None,
                file_name="debug-9.raw",
                sha256="0" * 64,
                size=None,
                source=self.name,
                priority=1,
                signer=None,
                description=None,
                locations=(),
            )
        ]

    def describe(self, candidates: Sequence[Candidate]) -> Mapping[str, Description]:
        """See Source."""
        return {candidate.sha256: Description() for candidate in candidates}

    def fetch(self, wanted: object) -> NoReturn:
        """See Source."""
        raise RuntimeError("the twin cannot fetch")


@hookimpl
def tukit_sysext_sources(configuration: Configuration) -> Sequence[Twin]:
    """The source of this name, where it is configured."""
    return [Twin()] if Twin.name in configuration.sources else []
