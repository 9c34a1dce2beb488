# SPDX-License-Identifier: LGPL-2.1-or-later
"""One image file that may serve, and what is known of it. Values only."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cmp_to_key

from tukit_sysext.requirements.contents import Contents
from tukit_sysext.rules.image_names import unpacked_name
from tukit_sysext.rules.matching import Compatibility
from tukit_sysext.rules.names import handle, shown_version
from tukit_sysext.rules.prerelease import order
from tukit_sysext.sources.candidate import Candidate, Description, Standing
from tukit_sysext.store.image_store import Condition, Stored
from tukit_sysext.store.record import Record
from tukit_sysext.update.facts import Facts


@dataclass(frozen=True, kw_only=True, slots=True)
class Option:
    """One image file that may serve: offered by a source, in the store, or both.

    ``sha256`` is what the source or the record says, empty for a file of unknown origin; ``described_size`` are the
    bytes that a description says.
    """

    version: str
    file_name: str
    sha256: str
    candidate: Candidate | None = None
    stored: Stored | None = None
    described_size: int | None = field(default=None, compare=False)

    @classmethod
    def of_candidate(cls, facts: Facts, candidate: Candidate) -> Option:
        """What a source offers, with the file of the store that has its content, or would have it."""
        file_name = _file_name(facts, candidate)
        described = facts.known.get(candidate.key)
        return cls(
            version=candidate.version,
            file_name=file_name,
            sha256=candidate.sha256,
            candidate=candidate,
            stored=facts.stored.get(file_name),
            described_size=described.size if described is not None else None,
        )

    @classmethod
    def of_stored(cls, stored: Stored) -> Option:
        """A file of the store."""
        sha256 = stored.record.listed_sha256 if stored.record is not None else ""
        return cls(version=stored.version, file_name=stored.file_name, sha256=sha256, stored=stored)

    @property
    def shown(self) -> str:
        """The version for people, two contents of it told apart."""
        return shown_version(self.version, self.file_name)

    @property
    def whole(self) -> bool:
        """Whether the store has just this content, whole."""
        stored = self.stored
        if stored is None or stored.record is None or stored.condition is not Condition.WHOLE:
            return False
        return stored.record.has(self.sha256)

    @property
    def size(self) -> int | None:
        """Bytes of the file, as its source says, the record of what the store has, or its description; else None."""
        if self.candidate is not None and self.candidate.size is not None:
            return self.candidate.size
        if self.whole and self.stored is not None and self.stored.record is not None:
            return self.stored.record.size
        return self.described_size

    @property
    def origin(self) -> str:
        """Where it comes from, in words."""
        return f"source {self.candidate.source}" if self.candidate is not None else "the store"

    @property
    def key(self) -> str:
        """Under which :attr:`Facts.known` has what was found out about it."""
        return self.candidate.key if self.candidate is not None else self.file_name


def _file_name(facts: Facts, candidate: Candidate) -> str:
    """The name that the content has in the store, or would get: its own, unless another content has it."""
    names = store_names(candidate)[1 if candidate.key in facts.beside else 0 :]
    recorded = {name: file.record for name in names if (file := facts.stored.get(name)) and file.record}
    there = next((name for name, record in recorded.items() if record.has(candidate.sha256)), None)
    return there or next((name for name in names if name not in recorded), names[-1])


def store_names(candidate: Candidate) -> tuple[str, ...]:
    """The names that a content may have in the store, in the order of preference."""
    own, sha256 = unpacked_name(candidate.file_name)[0], candidate.sha256
    return own, handle(own, sha256), handle(own, sha256, whole=True)


@dataclass(frozen=True, kw_only=True, slots=True)
class Considered:
    """An option with what is known of it; ``verdict`` where systemd's rule could be asked.

    ``link`` is the name of the link that the tree has to it, where that is what was looked for. ``early``: it is said
    not to fit by a description that was written before the image was done. ``missing`` are the needs that speak
    against it, ``next_step`` is what can be done where something failed.
    """

    option: Option
    standing: Standing
    reason: str
    verdict: Compatibility | None = None
    link: str | None = None
    early: bool = False
    missing: tuple[str, ...] = ()
    next_step: str = ""

    @property
    def usable(self) -> bool:
        """Whether it may be used: it fits, or fits as far as is known before its content is."""
        return self.standing in (Standing.FITS, Standing.ONLY_CONTENT_TELLS)


def damage(stored: Stored) -> str:
    """Why what a link leads to is not the image that was recorded; empty where it is, and where nothing is recorded."""
    good = stored.condition in (Condition.WHOLE, Condition.UNRECORDED)
    return "" if good else f"{stored.condition}: {stored.reason}"


newest_first = cmp_to_key(lambda a, b: order(b.version, a.version))  # type: ignore[attr-defined]  # Option, Record
"""Sort key for what has a ``version``."""


def contents_of(facts: Facts, option: Option) -> Contents | None:
    """What an option has and needs; None where not known."""
    said = _said_of(facts, option)
    return said.contents if said is not None else None


def merge_name(facts: Facts, option: Option) -> str | None:
    """The name under which systemd-sysext accepts the option; None where its content was not looked into."""
    said = _said_of(facts, option)
    return said.merge_name if said is not None else None


def _said_of(facts: Facts, option: Option) -> Record | Description | None:
    """What says what is in an option: its record where the store has it whole, else what was found out."""
    record = option.stored.record if option.stored is not None and option.whole else None
    return record or facts.known.get(option.key)
