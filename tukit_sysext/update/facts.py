# SPDX-License-Identifier: LGPL-2.1-or-later
"""What is known when a plan is made: of the tree, of the store, of what sources offer. Values only."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple, Protocol

from tukit_sysext.config.files import Problem
from tukit_sysext.config.main_settings import Blocked
from tukit_sysext.config.wanted import WantedImage
from tukit_sysext.requirements.contents import Contents
from tukit_sysext.requirements.ground import Ground
from tukit_sysext.snapshots.entries import Entry
from tukit_sysext.snapshots.fitting import Objection, TreeFacts, no_objection
from tukit_sysext.sources.candidate import Candidate, Candidates, Description
from tukit_sysext.store.image_store import Stored
from tukit_sysext.store.record import Record

if TYPE_CHECKING:
    from tukit_sysext.sources.naming import NotUnderstood


class Foreign(NamedTuple):
    """An entry of /etc/extensions that is not ours.

    ``complaint`` says why it would not be merged; empty if it would, or if unknown. ``note`` says what it is.
    ``right_name`` is the one that its content has, where only its own name is wrong.
    """

    entry: Entry
    complaint: str = ""
    note: str = ""
    right_name: str | None = None


class InUse(NamedTuple):
    """An image that the running system, or the one that boots next, has linked, whole and fitting: which version, and
    which of the two, in words.
    """

    version: str
    shown: str
    system: str


class Offers(Protocol):
    """What speaks for and against versions by what they need, and what they take the place of."""

    def worse(self, name: str, version: str, contents: Contents, others: frozenset[str]) -> frozenset[str]:
        """Needs that the system does not meet, and that the version in use has met, or has not, where it is in use.

        All that it lacks where no version is in use; nothing where that is not known. ``others`` is what other images
        of the system provide.
        """

    def lacks(self, name: str, version: str, contents: Contents, others: frozenset[str]) -> frozenset[str]:
        """All needs that the system does not meet, whatever the version in use does."""

    def in_words(self, need: str) -> str:
        """Who met a need so far, and that nobody does now."""

    def shadows(self, name: str, version: str, contents: Contents) -> tuple[str, ...]:
        """What of the system a version replaces with something older, in half sentences."""

    def warnings(self, name: str, version: str, contents: Contents) -> tuple[str, ...]:
        """What people have to know of a version in the system, in half sentences."""

    def differing(self, one: Record, other: Record, paths: Sequence[str]) -> frozenset[str]:
        """Which of the files that two images of the store have, as large in both, differ, as far as that is known."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Facts:
    """Everything that a plan is made from.

    ``others`` are wanted images that stay as they are, where the plan is for some alone.
    ``sources`` are the names of the sources that there are, ``priorities`` those of them (the smaller, the stronger),
    ``masked`` what masks a name that would be wanted.
    ``stored`` by file name, ``known`` by :attr:`Option.key`, ``unusable`` the reason by source that nobody can speak
    to, ``unreachable`` the reason by source, ``refused_for`` seconds since when an image holds back updates, by image,
    ``broken_sources`` the reason by source whose list is refused, ``next_steps`` what a person can do about it,
    ``policy_known`` whether the settings have no fault,
    ``refuse_for`` the limit of that in seconds (None: none),
    ``in_use`` what the running system, or the one that boots next, has by image: an update never takes it away,
    ``rebuilt`` whether another content of the linked version is taken as an update,
    ``blocked`` versions that the settings let nobody choose, beside those of the wanted images,
    ``beside`` the keys of what is offered under a name that an image of unknown origin has in the store,
    ``tried`` how many contents were fetched in this run that cannot be used, by image,
    ``colliding`` why versions are refused that have other files than another linked image, by file name,
    ``absent`` what an image counts on of others, and these do not provide in the versions that they get, by image,
    ``not_understood`` files that sources publish whose names say no image,
    ``objection`` what plugins have against an image that fits (it gives the same answer to the same question),
    ``ground`` the tree as what images are merged over, read where it is asked for (None: nobody may look),
    ``offers`` which versions lack what others have (None: nobody asks).
    """

    tree: TreeFacts
    wanted: Mapping[str, WantedImage]
    others: Mapping[str, WantedImage] = field(default_factory=dict)
    masked: Mapping[str, str] = field(default_factory=dict)
    stored: Mapping[str, Stored] = field(default_factory=dict)
    sources: tuple[str, ...] = ()
    priorities: Mapping[str, int] = field(default_factory=dict)
    candidates: tuple[Candidate, ...] = ()
    known: Mapping[str, Description] = field(default_factory=dict)
    unreachable: Mapping[str, str] = field(default_factory=dict)
    unusable: Mapping[str, str] = field(default_factory=dict)
    foreign: tuple[Foreign, ...] = ()
    problems: tuple[Problem, ...] = ()
    refused_for: Mapping[str, int] = field(default_factory=dict)
    refuse_for: int | None = None
    policy_known: bool = True
    broken_sources: Mapping[str, str] = field(default_factory=dict)
    next_steps: Mapping[str, str] = field(default_factory=dict)
    in_use: Mapping[str, InUse] = field(default_factory=dict)
    rebuilt: bool = True
    blocked: tuple[Blocked, ...] = ()
    objection: Objection = field(default=no_objection, compare=False)
    ground: Ground | None = field(default=None, compare=False, repr=False)
    offers: Offers | None = field(default=None, compare=False, repr=False)
    tried: Mapping[str, int] = field(default_factory=dict)
    colliding: Mapping[str, str] = field(default_factory=dict)
    absent: Mapping[str, frozenset[str]] = field(default_factory=dict)
    beside: frozenset[str] = frozenset()
    not_understood: tuple[NotUnderstood, ...] = ()
    _links: dict[str, dict[str, Stored]] = field(init=False, default_factory=dict, compare=False, repr=False)
    _stored: dict[str, list[Stored]] = field(init=False, default_factory=dict, compare=False, repr=False)
    _beside: dict[str, frozenset[str]] = field(init=False, default_factory=dict, compare=False, repr=False)

    def __post_init__(self) -> None:
        if not isinstance(self.candidates, Candidates):
            object.__setattr__(self, "candidates", Candidates(self.candidates))

    def offered(self, name: str) -> tuple[Candidate, ...]:
        """What sources offer of an image: the strongest source first, in it the newest version."""
        return Candidates.of(self.candidates, name)  # type: ignore[arg-type]  # made one above

    def may_be(self, name: str) -> str:
        """Which files that were not understood may be an image, in words; empty where there are none."""
        files = [file for file in self.not_understood if file.file_name.startswith(name)]
        if not files:
            return ""
        more = f" and {len(files) - 1} more" if len(files) > 1 else ""
        return f"{files[0].file_name}{more} of {files[0].source} may be it, but {files[0].reason}"

    def links_to(self, name: str) -> Mapping[str, Stored]:
        """The links of the tree into the store, to a file of this image, by the name of the link."""
        if not self._links:
            for entry in self.tree.entries:
                file = self.stored.get(entry.image) if entry.image is not None else None
                if file is not None:
                    self._links.setdefault(file.name or "", {})[entry.name] = file
        return self._links.get(name, {})

    def stored_of(self, name: str) -> Sequence[Stored]:
        """The files of the store whose record says that they are this image."""
        if not self._stored:
            for file in self.stored.values():
                if file.record is not None:
                    self._stored.setdefault(file.record.name, []).append(file)
        return self._stored.get(name, ())

    def in_the_way(self, stem: str) -> Foreign | None:
        """The entry that is not ours and that systemd-sysext would see under this name."""
        return next((foreign for foreign in self.foreign if foreign.entry.stem == stem), None)

    def provided_beside(self, name: str) -> frozenset[str]:
        """What the images provide that are wanted beside this one, as far as the store has them.

        In any version until it is known which they get.
        """
        if name not in self._beside:
            files = (file for other in {*self.wanted, *self.others} - {name} for file in self.stored_of(other))
            provided = provided_by(file.record for file in files if file.record is not None)
            self._beside[name] = provided - self.absent.get(name, frozenset())
        return self._beside[name]

    @property
    def not_asked(self) -> Mapping[str, str]:
        """Sources of which it is unknown what they offer, with the reason."""
        return dict(sorted({**self.unusable, **self.broken_sources, **self.unreachable}.items()))


def provided_by(records: Iterable[Record]) -> frozenset[str]:
    """What images provide, as far as their records tell."""
    contents = [record.contents for record in records]
    return frozenset(each for found in contents if found is not None for each in found.provides)
