# SPDX-License-Identifier: LGPL-2.1-or-later
"""Which image a published file is in one tree: by MatchPattern=, else by the common forms of names. Pure.

An image with patterns of its own has the files that they match, and no others. In a source with patterns a file that
none of them matches is no image; without them the common forms count (:mod:`tukit_sysext.rules.image_names`), and of
several readings the one whose name is wanted.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from tukit_sysext.rules.image_names import ImageName, looks_like_image, meant_reading, readings, unusable
from tukit_sysext.rules.patterns import Pattern, expand
from tukit_sysext.sources.candidate import Candidate, Reading
from tukit_sysext.sources.protocol import FileSource, NamedSource, Source


class NotUnderstood(NamedTuple):
    """A published file that is taken for no image, and why."""

    source: str
    file_name: str
    reason: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Naming:
    """How names are read in a tree.

    ``wanted`` are names of images that count where a name has several readings, ``of_images`` the patterns of images
    that have some, ``of_sources`` those of sources.
    """

    wanted: frozenset[str] = frozenset()
    of_images: Mapping[str, tuple[Pattern, ...]] = field(default_factory=dict)
    of_sources: Mapping[str, tuple[Pattern, ...]] = field(default_factory=dict)

    def read(self, candidate: Candidate) -> Candidate | NotUnderstood | None:
        """A candidate as the image that its file is in this tree; None for a file that nobody would take for one."""

        if candidate.reading is not Reading.LIKELIEST:
            return candidate

        def no(reason: str) -> NotUnderstood:
            return NotUnderstood(source=candidate.source, file_name=candidate.file_name, reason=reason)

        against = unusable(candidate.file_name)
        if against:
            return no(against)
        matched = self._by_image(candidate) or _first(self.of_sources.get(candidate.source, ()), candidate)
        if matched is not None:
            return matched
        if not looks_like_image(candidate.file_name):
            return None
        patterns = self.of_sources.get(candidate.source)
        if patterns is not None:
            return no("no MatchPattern= of the source matches it")
        possible = readings(candidate.file_name)
        if not possible:
            return no("its name does not tell which image and version it is")
        possible = tuple(reading for reading in possible if reading.name not in self.of_images)
        if not possible:
            return no("MatchPattern= of the image does not match it")
        return _as(candidate, meant_reading(possible, self.wanted))

    def read_all(self, source: Source) -> tuple[list[Candidate], list[NotUnderstood]]:
        """What a source offers, and what of it is taken for no image. Raises as Source.candidates()."""
        named: list[Candidate] = []
        not_understood: list[NotUnderstood] = []
        if isinstance(source, NamedSource):
            source.look_for(self.wanted)
        offered = source.candidates()
        for candidate in (*offered, *(source.unread() if isinstance(source, FileSource) else ())):
            match self.read(candidate):
                case Candidate() as read:
                    named.append(read)
                case NotUnderstood() as other:
                    not_understood.append(other)
        if isinstance(source, NamedSource):
            for called, reason in source.not_taken().items():
                not_understood.append(NotUnderstood(source=source.name, file_name=called, reason=reason))
        return named, not_understood

    def _by_image(self, candidate: Candidate) -> Candidate | None:
        for name in sorted(self.of_images, key=len, reverse=True):
            matched = _first(self.of_images[name], candidate)
            if matched is not None:
                return replace(matched, name=name)
        return None


def _first(patterns: Iterable[Pattern], candidate: Candidate) -> Candidate | None:
    for pattern in patterns:
        matched = pattern.match(candidate.file_name)
        if matched is not None and matched.sha256 in (None, candidate.sha256):
            return replace(
                candidate, name=pattern.name, version=matched.version, architecture=None, reading=Reading.PATTERN
            )
    return None


def _as(candidate: Candidate, reading: ImageName) -> Candidate:
    if (reading.name, reading.version) == (candidate.name, candidate.version):
        return candidate
    return replace(
        candidate,
        name=reading.name,
        version=reading.version,
        architecture=reading.architecture,
        reading=Reading.OTHER,
    )


def patterns_of(texts: Iterable[str], values: Mapping[str, str]) -> tuple[Pattern, ...]:
    """The patterns that are written, for a tree of which ``values`` say what specifiers are; one that is none there
    matches nothing, as where VERSION_ID parts two wildcards and the tree has none.
    """
    patterns: list[Pattern] = []
    for text in texts:
        try:
            patterns.append(Pattern.parse(expand(text, values)))
        except ValueError:
            continue
    return tuple(patterns)
