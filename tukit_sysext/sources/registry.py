# SPDX-License-Identifier: LGPL-2.1-or-later
"""A source that is a project in an OCI registry, with a signed list: what it names is fetched by the hash that it says.

No tag and no manifest of an image is looked at: registries have files by their SHA-256, which is what the list has.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tukit_sysext.formats.oci_names import blob_url, repository_of
from tukit_sysext.sources import repository
from tukit_sysext.sources.candidate import Candidate, Description
from tukit_sysext.sources.registry_list import RegistryList
from tukit_sysext.sources.web import WebSource
from tukit_sysext.sources.web_list import WebList


class RegistrySource(WebSource):
    """One project, at the registries that mirror each other."""

    def _list(self) -> WebList:
        return RegistryList(
            self._settings,
            self._urls,
            self._transfers,
            self._cache,
            self._trust,
            self._login,
            tokens=self._tokens,
        )

    def _locations(self, name: str, image: str) -> list[str]:
        return [blob_url(base, repository_of(image), self._hashes[name]) for base in self._urls]

    def _describe_unnamed(self, candidates: Sequence[Candidate]) -> Mapping[str, Description]:
        """What the list does not name has no hash by which it could be asked for."""
        return {candidate.sha256: repository.NOT_DESCRIBED for candidate in candidates}
