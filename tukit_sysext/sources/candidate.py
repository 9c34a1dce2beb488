# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a source offers: one image file, and what was found out about it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from tukit_sysext.requirements.contents import Contents
from tukit_sysext.rules.prerelease import newer_key
from tukit_sysext.rules.release import ReleaseData


class Reading(StrEnum):
    """How it is known which image, and which version of it, a candidate is."""

    GIVEN = "given by the source"
    LIKELIEST = "the likeliest reading of the file's name"
    OTHER = "another reading of the file's name, that of a wanted image"
    PATTERN = "by MatchPattern="


@dataclass(frozen=True, kw_only=True, slots=True)
class Candidate:
    """An image that a source offers; every source yields this shape and no other.

    ``version`` is a UAPI.10 string, ``architecture`` in systemd's spelling (None: the name does not tell), ``sha256``
    in lower-case hexadecimal digits, ``signer`` the fingerprint of the key that signed the list (None: nobody asked),
    ``size`` in bytes (None: not known), ``description`` where its description is (None: it has none), ``locations``
    where the image is, to be tried in turn, ``index`` where the index of its chunks is (None: it has none). What is no
    more than a ``reading`` of the file's name may be read as another image where that is wanted; ``name`` and
    ``version`` are empty where the file's name says none.
    """

    name: str
    version: str
    architecture: str | None
    file_name: str
    sha256: str
    size: int | None
    source: str
    priority: int
    signer: str | None
    description: str | None
    locations: tuple[str, ...]
    reading: Reading = Reading.GIVEN
    index: str | None = None

    @property
    def key(self) -> str:
        """Under which :attr:`Facts.known` has what was found out about it.

        What failed at one source may not at another.
        """
        return f"{self.source}:{self.sha256}"


class Candidates(tuple[Candidate, ...]):
    """What all sources offer, with an index by the name of the image that is made once (row P5: no product)."""

    _index: dict[str, tuple[Candidate, ...]]

    def of(self, name: str) -> tuple[Candidate, ...]:
        """Those of one image: the strongest source first, in it the newest version."""
        if not hasattr(self, "_index"):
            self._index = _by_name(self)
        return self._index.get(name, ())


def _by_name(candidates: Iterable[Candidate]) -> dict[str, tuple[Candidate, ...]]:
    index: dict[str, list[Candidate]] = {}
    for candidate in candidates:
        index.setdefault(candidate.name, []).append(candidate)
    for offered in index.values():
        offered.sort(key=lambda candidate: candidate.source)
        offered.sort(key=lambda candidate: newer_key(candidate.version), reverse=True)
        offered.sort(key=lambda candidate: candidate.priority)
    return {name: tuple(offered) for name, offered in index.items()}


class Standing(StrEnum):
    """What is known of whether an image can be used in the tree."""

    FITS = "fits"
    DOES_NOT_FIT = "does not fit"
    NOT_ALLOWED = "not allowed"
    """By the configuration: another version is held, this one is blocked, or Version= or Source= is against it."""
    BROKEN = "broken"
    UNREACHABLE = "cannot be fetched"
    NOT_STORED = "the store cannot take it"
    NOT_ASKED = "not looked at"
    UNUSABLE = "cannot be used"
    """Nobody knows whether it is bad: the program that tells has died of it, and works with others."""
    FAULT = "a fault on this machine"
    """A program that has to look into it does not work."""
    ONLY_CONTENT_TELLS = "no description, its content decides"
    DOUBTED = "described as unfitting, its content decides"
    """By a description that is not signed: anybody on the way may have written it (row P9)."""
    ANOTHER_IMAGE = "is another image"
    """Its content calls itself otherwise than the image that is wanted."""
    LACKS = "needs what is missing"
    """It fits, and lacks something in the system that the version in use has there."""
    NOT_TRIED = "its content was not looked at"
    """Contents of other versions were, as many as one run fetches to find one that fits."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Description:
    """What an image says of itself, by its content or by who publishes it: its extension-release, or why there is none.

    ``merge_name`` is known of its content alone. Without a release and a failure, only the content can tell.
    ``vouched``: the signed list has the hash of the description, or it came from the configured server itself over
    HTTPS; what anybody on the way could have written excludes no version (row P9). ``early``: it was written before the
    image was done, which may fit all the same. ``contents`` is what the image has and needs, None where not known.
    ``next_step`` is what can be done about the failure, where anybody knows, ``size`` the bytes of the file (None: not
    said).
    """

    release: ReleaseData | None = None
    merge_name: str | None = None
    failure: Standing | None = None
    reason: str = ""
    next_step: str = ""
    vouched: bool = True
    early: bool = False
    contents: Contents | None = None
    size: int | None = None
