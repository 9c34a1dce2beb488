# SPDX-License-Identifier: LGPL-2.1-or-later
"""Would a required image refuse an update to what the repositories offer today?

The plan is made for the running tree, as if its os-release had the offered VERSION_ID already. What SYSEXT_LEVEL the
new release will have, no metadata says. So the plan is made for every level that could matter: the running system's,
each that an image states, and one that no image has. Only where all of them agree there is an answer, and unknown is an
honest one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cmp_to_key

from tukit_sysext.preflight.offered import Statement, System
from tukit_sysext.rules.release import ReleaseData
from tukit_sysext.rules.version import compare
from tukit_sysext.sources.candidate import Standing
from tukit_sysext.update.deciding import decide
from tukit_sysext.update.left_out import LeftOut
from tukit_sysext.update.plan import Action, ImagePlan, Plan
from tukit_sysext.update.search import Resolver

_LEVEL = "SYSEXT_LEVEL"
_ANOTHER = "another level"
"""A level that no image states: it has a space in it, which none can have that is taken."""


_SHOWN = 3


class Verdict(StrEnum):
    """The answer."""

    PASSES = "passes"
    REFUSED = "would be refused"
    UNKNOWN = "unknown"
    NO_UPDATE = "no update"


@dataclass(frozen=True, kw_only=True, slots=True)
class ImageAnswer:
    """What becomes of one required image, and why."""

    name: str
    verdict: Verdict
    reason: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """The answer, with the reason in a sentence.

    ``running`` and ``offered`` are VERSION_IDs (None: not known), ``repository`` is who offers it. ``warnings`` are
    what linked images need and the update takes away, as far as zypper's cache tells: no verdict.
    """

    verdict: Verdict
    reason: str
    running: str | None = None
    offered: str | None = None
    repository: str | None = None
    images: tuple[ImageAnswer, ...] = ()
    warnings: tuple[str, ...] = ()


def without_plan(running: System | None, offer: Statement | None) -> Answer | None:
    """The answer where no image has to be looked at; None where there is an update to be judged."""
    if running is None:
        return Answer(verdict=Verdict.UNKNOWN, reason="os-release has no VERSION_ID, or no CPE_NAME to compare with")
    answer = Answer(verdict=Verdict.UNKNOWN, reason="", running=running.version)
    if offer is None:
        return replace(answer, reason="no repository says which release of this system it has")
    answer = replace(answer, offered=offer.system.version, repository=offer.repository)
    if offer.system.version != running.version:
        return None
    if not offer.fresh:
        return replace(answer, reason="repositories cannot be asked now, and the last time they had nothing newer")
    # a release with a date changes with every update; another one may get updates within itself
    if running.dated:
        return replace(answer, verdict=Verdict.NO_UPDATE, reason="the repositories have what is running")
    return None


def judge(resolver: Resolver, running: System, offer: Statement) -> Answer:
    """The answer for an update to what a repository offers. The sources are asked, and no image is fetched."""
    release = resolver.facts.tree.release or ReleaseData()
    plans = {"": _plan(resolver, release, offer.system.version, level=None, first=True)}
    if release.get(_LEVEL) and offer.system.version != running.version and _levels(resolver):
        plans = {release[_LEVEL]: plans[""]}
        plans[_ANOTHER] = _plan(resolver, release, offer.system.version, level=_ANOTHER)
        for level in sorted(_levels(resolver) - plans.keys()):
            plans[level] = _plan(resolver, release, offer.system.version, level=level)
    return _together(plans, running, offer)


def _plan(resolver: Resolver, release: ReleaseData, version: str, *, level: str | None, first: bool = False) -> Plan:
    keys = {**release, "VERSION_ID": version}
    keys |= {_LEVEL: level} if level is not None else {}
    resolver.as_if(replace(release, assigned=keys))
    if first:
        resolver.resolve(only=[name for name, image in resolver.facts.wanted.items() if image.may_refuse])
    else:
        resolver.describe()
    return decide(resolver.facts)


def _levels(resolver: Resolver) -> set[str]:
    """The levels that images state which somebody looked at."""
    facts = resolver.facts
    releases = [known.release for known in facts.known.values() if known.release is not None]
    levels = {release.get(_LEVEL, "") for release in releases}
    levels |= {stored.record.release.get(_LEVEL, "") for stored in facts.stored.values() if stored.record is not None}
    return levels - {""}


def _together(plans: dict[str, Plan], running: System, offer: Statement) -> Answer:
    names = [image.name for image in next(iter(plans.values())).images if image.wanted.may_refuse]
    images = tuple(_image(name, plans) for name in names)
    refused = [
        level
        for level, plan in plans.items()
        if any(image.wanted.may_refuse and _of(image) is Verdict.REFUSED for image in plan.images)
    ]
    if len(refused) == len(plans):
        verdict = Verdict.REFUSED
        listed = ", ".join(image.name for image in images if image.verdict is Verdict.REFUSED) or "required images"
        reason = f"because of {listed}"
    elif all(image.verdict is Verdict.PASSES for image in images):
        missed = {image.name for plan in plans.values() for image in plan.missed}
        verdict, reason = Verdict.PASSES, "every required image fits" if images else "no image is required"
        if missed:
            reason = f"but without {', '.join(sorted(missed))}, which this system does not have either"
    else:
        verdict = Verdict.UNKNOWN
        listed = ", ".join(image.name for image in images if image.verdict is not Verdict.PASSES)
        reason = f"it cannot be told of {listed}"
    return Answer(
        verdict=verdict,
        reason=reason,
        running=running.version,
        offered=offer.system.version,
        repository=offer.repository,
        images=images,
    )


def _image(name: str, plans: dict[str, Plan]) -> ImageAnswer:
    """One image in all plans."""
    by_level = {level: next(image for image in plan.images if image.name == name) for level, plan in plans.items()}
    verdicts = {level: _of(image) for level, image in by_level.items()}
    if len(set(verdicts.values())) == 1:
        first = next(iter(by_level.values()))
        return ImageAnswer(name=name, verdict=verdicts[next(iter(verdicts))], reason=first.reason)
    fits = [level for level, verdict in verdicts.items() if verdict is Verdict.PASSES]
    reason = f"it depends on {_LEVEL} of the new release, which no metadata says: {_listed(fits)} fits"
    return ImageAnswer(name=name, verdict=Verdict.UNKNOWN, reason=reason if fits else f"it depends on {_LEVEL}")


def _listed(levels: Sequence[str]) -> str:
    """Levels for a person, the highest first, and not all of many."""
    ordered = sorted(levels, key=cmp_to_key(compare), reverse=True)
    shown = " or ".join(ordered[:_SHOWN])
    return shown if len(ordered) <= _SHOWN else f"{shown} (or {len(ordered) - _SHOWN} older ones)"


def _of(image: ImagePlan) -> Verdict:
    if image.refuses:
        # a source that is away now may be there when the update is tried
        return Verdict.UNKNOWN if image.left_out is LeftOut.UNREACHABLE else Verdict.REFUSED
    chosen = next((considered for considered in image.considered if considered.option == image.chosen), None)
    if image.action is Action.FETCH and chosen is not None and chosen.standing is not Standing.FITS:
        return Verdict.UNKNOWN
    return Verdict.PASSES
