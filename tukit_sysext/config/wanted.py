# SPDX-License-Identifier: LGPL-2.1-or-later
"""Wanted images: ``images.d/NAME.conf`` of a tree. Intent comes from here alone.

============= ====================================================================================================
Key           in section ``[Image]``
============= ====================================================================================================
Policy=       ``required`` (default): an update that takes the image away is refused; ``optional``: it is left out
Source=       take it from these sources alone, the first the strongest; else an installed image stays with its source
Hold=         take this version alone
Version=      take only versions that this PEP 440 specifier allows (``~=1.31.0``, ``>=2.40,<3``)
Series=       take only versions that begin so, by their numbers (``1.31``)
PreReleases=  ``yes``: a pre-release may be taken before a release; ``no`` (default)
Block=        never take these versions (several; also one that is linked, held or in the store)
MatchPattern= files of these names alone are the image, as in sysupdate.d(5); else the common forms of names count
Requires=     what the system has to have for it, an RPM requirement (``glibc >= 2.40``); several, one a line
Needs=        where only versions are left that lack something which the version in use has: ``warn`` (default) takes
              one and says so, ``refuse`` counts them as unfitting, ``ignore`` asks nobody
Shadow=       what an older package of it than the system's, or a file that another linked image has otherwise, means:
              ``warn`` (default) says so, ``refuse`` counts the version as unfitting, ``ignore`` does not look
State=        ``wanted`` (default) or ``removed``, a tombstone: links of the image are taken out
============= ====================================================================================================
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

from tukit_sysext.config.files import ConfigurationFile, EffectiveValue, Keys, Problem
from tukit_sysext.config.intent import SECTION, State, load_intents, take_state
from tukit_sysext.config.values import boolean, component, pattern, requirement, series, specifier, version
from tukit_sysext.system.tree import Tree

if TYPE_CHECKING:
    from tukit_sysext.requirements.requirement import Requirement


class Policy(StrEnum):
    """What happens when no image fits."""

    REQUIRED = "required"
    OPTIONAL = "optional"


class Attitude(StrEnum):
    """What follows where a version would lack something, or hide something that is newer."""

    WARN = "warn"
    REFUSE = "refuse"
    IGNORE = "ignore"


@dataclass(frozen=True, kw_only=True, slots=True)
class WantedImage:
    """One wanted image.

    ``origin`` is the file that says so. ``trusted`` is False when that file has a fault: the rest of it counts, but it
    cannot refuse an update, because the fault may have been the policy. ``effective`` has the values as they are
    written.
    """

    name: str
    origin: str
    policy: Policy = Policy.REQUIRED
    sources: tuple[str, ...] = ()
    hold: str | None = None
    constraint: str | None = None
    series: str | None = None
    prereleases: bool = False
    blocked: tuple[str, ...] = ()
    patterns: tuple[str, ...] = ()
    requires: tuple[Requirement, ...] = ()
    needs: Attitude = Attitude.WARN
    shadow: Attitude = Attitude.WARN
    state: State = State.WANTED
    trusted: bool = True
    effective: tuple[EffectiveValue, ...] = field(default=(), compare=False, repr=False)

    @property
    def may_refuse(self) -> bool:
        """Whether an update that takes the image away is refused."""
        return self.trusted and self.policy is Policy.REQUIRED and self.state is State.WANTED

    @property
    def asks_for_prereleases(self) -> bool:
        """Whether a pre-release may be taken before a release."""
        if self.prereleases or self.constraint is None:
            return self.prereleases
        from tukit_sysext.rules.constraint import names_prerelease

        return names_prerelease(self.constraint)

    def disallows(self, version: str) -> str:
        """Why Version= or Series= does not allow a version; empty where both do."""
        if self.series is not None:
            from tukit_sysext.rules.prerelease import is_of_series

            if not is_of_series(self.series, version):
                return f"Series={self.series} does not allow it"
        if self.constraint is None:
            return ""
        from tukit_sysext.rules.constraint import disallows

        return disallows(self.constraint, version, prereleases=self.prereleases)

    def may_be_of(self, source: str) -> bool:
        """Whether Source= lets it be taken from a source."""
        return not self.sources or source in self.sources


class WantedImages(NamedTuple):
    """All wanted images of a tree by name, masked names with what masks them, and what is wrong in the files."""

    images: Mapping[str, WantedImage]
    masked: Mapping[str, str]
    problems: tuple[Problem, ...]


def _policy(text: str) -> Policy:
    try:
        return Policy(text)
    except ValueError:
        raise ValueError("expected required or optional") from None


def _attitude(text: str) -> Attitude:
    try:
        return Attitude(text)
    except ValueError:
        raise ValueError("expected warn, refuse or ignore") from None


def read(name: str, file: ConfigurationFile) -> tuple[WantedImage, tuple[Problem, ...]]:
    """What a file says of an image, and what is wrong in it. Never raises for what stands in it."""
    keys = Keys(file)
    image = WantedImage(
        name=name,
        origin=file.path,
        policy=keys.take(SECTION, "Policy", _policy, Policy.REQUIRED),
        sources=keys.take_all(SECTION, "Source", component),
        hold=keys.take(SECTION, "Hold", version, None),
        constraint=keys.take(SECTION, "Version", specifier, None),
        series=keys.take(SECTION, "Series", series, None),
        prereleases=keys.take(SECTION, "PreReleases", boolean, False),
        blocked=keys.take_all(SECTION, "Block", version),
        patterns=keys.take_all(SECTION, "MatchPattern", pattern),
        requires=keys.take_lines(SECTION, "Requires", requirement),
        needs=keys.take(SECTION, "Needs", _attitude, Attitude.WARN),
        shadow=keys.take(SECTION, "Shadow", _attitude, Attitude.WARN),
        state=take_state(keys),
    )
    problems = keys.finish()
    trusted = not any(problem.fault for problem in problems)
    return replace(image, trusted=trusted, effective=tuple(keys.effective)), problems


def load_wanted(tree: Tree) -> WantedImages:
    """Read the wanted images of a tree. Never raises for what stands in the files."""
    folder, folder_problems = load_intents(tree)
    problems = list(folder_problems)
    images: dict[str, WantedImage] = {}
    for name, file in folder.files.items():
        images[name], of_file = read(name, file)
        problems += of_file
    return WantedImages(images=images, masked=folder.masked, problems=tuple(problems))
