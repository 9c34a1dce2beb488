# SPDX-License-Identifier: LGPL-2.1-or-later
"""What descriptions said, so that a run asks nothing again: one note for each image of a source, not a file for each.

What the list names is kept by the hash that the list has of it. What it does not name (that there is none, too) is kept
for a day, while the same list is published at the same places, and is vouched for as it was when it came. No verdict is
kept: judging a thousand versions takes a tenth of a second, and a change of the system, of the configuration or of what
plugins object to counts at once.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

from tukit_sysext.requirements.contents import Contents
from tukit_sysext.rules.release import ReleaseData
from tukit_sysext.sources.cache import Cache
from tukit_sysext.sources.candidate import Candidate, Description
from tukit_sysext.sources.repository import NOT_DESCRIBED

_KIND = "descriptions"
_DAY = 86400


class Described:
    """The notes of one source."""

    def __init__(self, cache: Cache, source: str) -> None:
        self._cache = cache
        self._source = source
        self._notes: dict[str, dict[str, Any]] = {}
        self._changed: set[str] = set()

    def recall(self, candidate: Candidate, sha256: str) -> Description | None:
        """What the description with this hash said of a candidate; None where it was not read yet.

        That it says nothing counts for a day: another version of this program may be able to read it.
        """
        said = self._said(candidate)
        if said.get("description") != sha256:
            return None
        kept = said.get("release") is not None and "contents" in said
        return _description(said) if kept or self._is_fresh(said) else None

    def recall_unlisted(self, candidate: Candidate, offer: str) -> Description | None:
        """What was said beside a list of a candidate; None where nobody was asked while the source had this ``offer``.

        An offer is a list and the places where it is published, hashed.
        """
        said = self._said(candidate)
        return _description(said) if said.get("offer") == offer and self._is_fresh(said) else None

    def keep(self, candidate: Candidate, sha256: str, description: Description) -> None:
        """Keep what the description with this hash says, or that it cannot be had, once :meth:`write` is called."""
        if description.failure is None:
            self._put(candidate, {"description": sha256, **_plain(description)})

    def keep_unlisted(self, candidate: Candidate, offer: str, description: Description) -> None:
        """Keep what was said beside the list, once :meth:`write` is called; that nobody was reached says nothing."""
        if description.failure is None:
            self._put(candidate, {"offer": offer, "vouched": description.vouched, **_plain(description)})

    def write(self, listed: Collection[str], offer: str) -> None:
        """Write what was kept; of what is not among these hashes of the list, or is of another offer, nothing is."""
        for name in sorted(self._changed):
            note = {
                file: said
                for file, said in self._notes[name].items()
                if isinstance(said, dict) and (said.get("description") in listed or said.get("offer") == offer)
            }
            self._cache.put_note(_KIND, f"{self._source}:{name}", note)
        self._changed.clear()

    def _is_fresh(self, said: Mapping[str, Any]) -> bool:
        when = said.get("time")
        return isinstance(when, int | float) and 0 <= time.time() - when < _DAY

    def _said(self, candidate: Candidate) -> Mapping[str, Any]:
        said = self._note(candidate.name).get(candidate.file_name)
        return said if isinstance(said, dict) else {}

    def _put(self, candidate: Candidate, said: Mapping[str, Any]) -> None:
        self._note(candidate.name)[candidate.file_name] = said
        self._changed.add(candidate.name)

    def _note(self, name: str) -> dict[str, Any]:
        if name not in self._notes:
            self._notes[name] = self._cache.note(_KIND, f"{self._source}:{name}") or {}
        return self._notes[name]


def _plain(description: Description) -> Mapping[str, Any]:
    release = dict(description.release) if description.release is not None else None
    return {
        "release": release,
        "early": description.early,
        "reason": description.reason,
        "contents": description.contents.packed_document() if description.contents is not None else None,
        "size": description.size,
        "time": time.time(),
    }


def _description(said: Mapping[str, Any]) -> Description:
    release = said.get("release")
    if not isinstance(release, dict):
        return replace(NOT_DESCRIBED, reason=str(said.get("reason") or NOT_DESCRIBED.reason))
    keys = ReleaseData({str(key): str(value) for key, value in release.items()})
    vouched = "offer" not in said or said.get("vouched") is True
    contents = Contents.of_packed(said.get("contents"))
    size = said.get("size")
    return Description(
        release=keys,
        vouched=vouched,
        early=said.get("early") is True,
        contents=contents,
        size=size if type(size) is int else None,
    )
