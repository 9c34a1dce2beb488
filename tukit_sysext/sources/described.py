# SPDX-License-Identifier: LGPL-2.1-or-later
"""What descriptions said that the list names: one note for each image of a source, not one file for each version.

The list has the hash of each, so that nothing has to be fetched, hashed or parsed again while it stays the same.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from tukit_sysext.rules.release import ReleaseData
from tukit_sysext.sources.cache import Cache
from tukit_sysext.sources.candidate import Candidate, Description
from tukit_sysext.sources.repository import NOT_DESCRIBED

_KIND = "descriptions"


class Described:
    """The notes of one source."""

    def __init__(self, cache: Cache, source: str) -> None:
        self._cache = cache
        self._source = source
        self._notes: dict[str, dict[str, Any]] = {}
        self._changed: set[str] = set()

    def recall(self, candidate: Candidate, sha256: str) -> Description | None:
        """What the description with this hash said of a candidate; None where it was not read yet."""
        said = self._note(candidate.name).get(candidate.file_name)
        if not isinstance(said, dict) or said.get("description") != sha256:
            return None
        release = said.get("release")
        if not isinstance(release, dict):
            return NOT_DESCRIBED
        return Description(release=ReleaseData({str(key): str(value) for key, value in release.items()}))

    def keep(self, candidate: Candidate, sha256: str, description: Description) -> None:
        """Keep what a description with this hash says, once :meth:`write` is called; nothing of one that fails."""
        if description.failure is None:
            release = dict(description.release) if description.release is not None else None
            said = {"description": sha256, "release": release}
            self._note(candidate.name)[candidate.file_name] = said
            self._changed.add(candidate.name)

    def write(self, listed: Collection[str]) -> None:
        """Write what was kept; of what is not among these hashes of the list any more, nothing is."""
        for name in sorted(self._changed):
            note = {
                file: said
                for file, said in self._notes[name].items()
                if isinstance(said, dict) and said.get("description") in listed
            }
            self._cache.put_note(_KIND, f"{self._source}:{name}", note)
        self._changed.clear()

    def _note(self, name: str) -> dict[str, Any]:
        if name not in self._notes:
            self._notes[name] = self._cache.note(_KIND, f"{self._source}:{name}") or {}
        return self._notes[name]
