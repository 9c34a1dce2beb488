# SPDX-License-Identifier: LGPL-2.1-or-later
"""Why an image is left out: which kind of reason it is, in words, and what follows from it. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from enum import StrEnum
from itertools import chain
from typing import NamedTuple

from tukit_sysext.config.main_settings import block_file
from tukit_sysext.config.wanted import Policy, WantedImage
from tukit_sysext.sources.candidate import Candidate, Standing
from tukit_sysext.update.considered import Considered, Option
from tukit_sysext.update.facts import Facts
from tukit_sysext.update.options import blocked_by, current, homes, published, spare


class LeftOut(StrEnum):
    """Why no image can be had.

    Each is corrected in another way: by the publisher, by who configured this machine, on the way to the source, at the
    source, by the publisher again, by whoever finds out of what a program dies, in the tree, by room on the disk. FAULT
    is on our side.
    """

    NOTHING_FITS = "nothing published fits"
    KEPT_AWAY = "kept away by the configuration"
    UNREACHABLE = "cannot be fetched"
    LIST_REFUSED = "list refused"
    BROKEN = "image broken"
    UNUSABLE = "image cannot be used"
    NO_PLACE = "no place for its link"
    NOT_STORED = "the store cannot take it"
    FAULT = "a fault on this machine"


class Consequence(StrEnum):
    """What an update does that comes without an image."""

    REFUSED = "refused"
    LOUD = "passes loudly"
    QUIET = "passes"


_R, _L = Consequence.REFUSED, Consequence.LOUD
REQUIRED: Mapping[LeftOut, tuple[Consequence, Consequence]] = {
    # the running system or the one that boots next has it; neither has it
    LeftOut.NOTHING_FITS: (_R, _L),
    LeftOut.KEPT_AWAY: (_R, _L),
    LeftOut.UNREACHABLE: (_R, _L),
    LeftOut.LIST_REFUSED: (_R, _L),
    LeftOut.BROKEN: (_R, _L),
    LeftOut.UNUSABLE: (_R, _L),
    LeftOut.NO_PLACE: (_R, _L),
    LeftOut.NOT_STORED: (_R, _L),
    LeftOut.FAULT: (_L, _L),
}
"""What follows for a required image: the principle of :mod:`tukit_sysext.update.deciding` as a table."""


def consequence(facts: Facts, wanted: WantedImage, kind: LeftOut) -> Consequence:
    """What follows where an image is left out for this kind of reason.

    A file with a fault in it may have been the policy, or the limit of refusals: as every fault it passes loudly.
    """
    if wanted.policy is Policy.OPTIONAL and wanted.trusted and kind is not LeftOut.FAULT:
        return Consequence.QUIET
    has_one, has_none = REQUIRED[kind]
    if wanted.name not in facts.in_use:
        return has_none
    if not wanted.may_refuse or not facts.policy_known or is_over(facts, wanted):
        return Consequence.LOUD
    return has_one


def is_over(facts: Facts, wanted: WantedImage) -> bool:
    """Whether the image held back updates for as long as RefuseFor= allows: it counts as optional then, but loudly."""
    limit, age = facts.refuse_for, facts.refused_for.get(wanted.name, 0)
    return limit is not None and age >= limit > 0


class Why(NamedTuple):
    """One reason, in words; ``next_step`` is what can be done where its kind does not tell it."""

    kind: LeftOut
    reason: str
    next_step: str = ""

    @property
    def text(self) -> str:
        """The reason behind its kind, which goes without saying where a setting is named."""
        return self.reason if self.kind is LeftOut.KEPT_AWAY else f"{self.kind}: {self.reason}"


def why_nothing(facts: Facts, wanted: WantedImage, considered: tuple[Considered, ...]) -> Why:
    """Why none of the versions that were considered can be used: of several reasons the one to fix first."""
    return (
        _fault(facts, wanted)
        or _of_version(LeftOut.FAULT, Standing.FAULT, considered)
        or _of_version(LeftOut.NOT_STORED, Standing.NOT_STORED, considered)
        or _unreachable(facts, wanted, considered)
        or _list_refused(facts, wanted)
        or _of_version(LeftOut.BROKEN, Standing.BROKEN, considered)
        or _of_version(LeftOut.UNUSABLE, Standing.UNUSABLE, considered)
        or _kept_away(facts, wanted)
        or Why(
            kind=LeftOut.NOTHING_FITS,
            reason=_nothing_fits(facts, wanted, considered),
            next_step=_elsewhere(facts, wanted),
        )
    )


def _serves(facts: Facts, wanted: WantedImage, source: str) -> bool:
    """Whether a source would serve the image, could it be asked."""
    home = homes(facts, wanted)
    return source in (wanted.sources or home) if wanted.sources or home else True


def _elsewhere(facts: Facts, wanted: WantedImage) -> str:
    """How to have it from another source that offers it; empty where none does, or Source= says from where."""
    home = homes(facts, wanted)
    others = sorted({candidate.source for candidate in facts.offered(wanted.name)} - set(home))
    if not home or not others or wanted.sources:
        return ""
    return f"to have it from another source too, Source={' '.join((*home, *others))} in {wanted.origin}"


def _fault(facts: Facts, wanted: WantedImage) -> Why | None:
    unusable = [f"{name}: {why}" for name, why in sorted(facts.unusable.items()) if _serves(facts, wanted, name)]
    return Why(kind=LeftOut.FAULT, reason="; ".join(unusable)) if unusable else None


def _unreachable(facts: Facts, wanted: WantedImage, considered: tuple[Considered, ...]) -> Why | None:
    away = [f"{name}: {why}" for name, why in sorted(facts.unreachable.items()) if _serves(facts, wanted, name)]
    away += [each.reason for each in considered if each.standing is Standing.UNREACHABLE]
    if not away:
        return None
    # what would fit without the configuration is at hand: the network has its part in this alone
    kept = _kept_away(facts, wanted)
    reasons, next_step = (
        ((*away, kept.reason), kept.next_step) if kept is not None else (away, _elsewhere(facts, wanted))
    )
    return Why(kind=LeftOut.UNREACHABLE, reason="; ".join(reasons), next_step=next_step)


def _list_refused(facts: Facts, wanted: WantedImage) -> Why | None:
    refused = {name: why for name, why in sorted(facts.broken_sources.items()) if _serves(facts, wanted, name)}
    if not refused:
        return None
    steps = dict.fromkeys(facts.next_steps[name] for name in refused if name in facts.next_steps)
    reason = "; ".join(f"{name}: {why}" for name, why in refused.items())
    return Why(kind=LeftOut.LIST_REFUSED, reason=reason, next_step="\n".join(steps))


def _of_version(kind: LeftOut, standing: Standing, considered: tuple[Considered, ...]) -> Why | None:
    """The reason of the first version of this standing."""
    first = next((each for each in considered if each.standing is standing), None)
    if first is None:
        return None
    which = f"{first.option.shown} of {first.option.origin}: " if kind in (LeftOut.BROKEN, LeftOut.UNUSABLE) else ""
    return Why(kind=kind, reason=f"{which}{first.reason}", next_step=first.next_step)


def _kept_away(facts: Facts, wanted: WantedImage) -> Why | None:
    """Which version would fit, what of the configuration keeps it away, and what lets it in; None where none would.

    Only Hold=, Version= and Block= count, and a source that is not there any more, which keeps all of them away: whose
    images are accepted is another question than which of them are liked.
    """
    if wanted.sources and facts.sources and not set(wanted.sources) & set(facts.sources):
        named = " ".join(wanted.sources)
        next_step = f"change Source= in {wanted.origin}, or add it:\n"
        next_step += f"tukit-sysext sources add {wanted.sources[0]} URL --key FILE"
        return Why(kind=LeftOut.KEPT_AWAY, reason=f"source {named} is not configured", next_step=next_step)
    best = next((version.option for version in _without_settings(facts, wanted) if version.usable), None)
    if best is None:
        return None
    have = current(facts, wanted)
    linked = have is not None and have.option.file_name == best.file_name
    against = dict(_against(facts, wanted, best))
    reason = f"{best.shown if linked else f'{best.shown} of {best.origin}'} would fit"
    reason += f", but {', and '.join(against)}" if against else ""
    steps = list(against.values())
    if wanted.hold not in (None, best.version):
        reason = f"{_held(facts, wanted)}; {reason}"
        steps.insert(0, f"tukit-sysext unhold {wanted.name}")
    return Why(kind=LeftOut.KEPT_AWAY, reason=reason, next_step="\n".join(steps))


def first_undescribed(versions: Iterable[Considered], most: int) -> tuple[list[Candidate], bool]:
    """The first candidates that nobody looked at, ``most`` of them, and whether one behind them may be taken."""
    candidates: list[Candidate] = []
    for version in versions:
        if version.usable or len(candidates) == most:
            return candidates, version.usable
        if version.standing is Standing.NOT_ASKED and version.option.candidate is not None:
            candidates.append(version.option.candidate)
    return candidates, False


def first_kept_away(facts: Facts, wanted: WantedImage, most: int) -> list[Candidate]:
    """The candidates that have to be described next to know what the configuration keeps away; none where none."""
    return first_undescribed(_without_settings(facts, wanted), most)[0]


def _nothing_fits(facts: Facts, wanted: WantedImage, considered: tuple[Considered, ...]) -> str:
    """Why no version can be had, where nothing but what is published is the reason."""
    if wanted.hold is not None:
        have = current(facts, wanted)
        also = f"; {have.option.shown} is linked" if have is not None and have.option.version != wanted.hold else ""
        return f"{_held(facts, wanted)}{also}"
    if considered:
        untried = next((each for each in considered if each.standing is Standing.NOT_TRIED), None)
        more = f"; of {untried.option.shown}: {untried.reason}" if untried not in (None, considered[0]) else ""
        return f"{considered[0].option.shown} is the newest, {considered[0].reason}{more}"
    return _unpublished(facts, wanted)


def _without_settings(facts: Facts, wanted: WantedImage) -> Iterator[Considered]:
    """What could be had if nothing narrowed the choice; nothing where nothing does."""
    freed = replace(wanted, hold=None, constraint=None, series=None, blocked=())
    free = replace(facts, blocked=tuple(blocked for blocked in facts.blocked if blocked.name != wanted.name))
    if freed == wanted and free.blocked == facts.blocked:
        return iter(())
    have = current(free, freed)
    return chain(published(free, freed), spare(free, freed), (have,) if have is not None else ())


def _against(facts: Facts, wanted: WantedImage, option: Option) -> Iterator[tuple[str, str]]:
    """What Version=, Series= and Block= say against a version, and what takes that back."""
    disallowed = wanted.disallows(option.version)
    if disallowed:
        yield disallowed, f"tukit-sysext install --any-version {wanted.name}"
    origin = blocked_by(facts, wanted, option)
    if origin is not None:
        unblock = f"tukit-sysext unblock {wanted.name}={option.version}"
        by_command = origin == block_file(wanted.name)
        yield (
            f"it is blocked by {origin}",
            unblock if by_command else f"take {option.version} out of Block= in {origin}",
        )


def _held(facts: Facts, wanted: WantedImage) -> str:
    """That a version is held, and why it cannot be had."""
    there = next(chain(published(facts, wanted), spare(facts, wanted)), None)
    why = there.reason if there is not None else _unpublished(facts, wanted)
    return f"held at {wanted.hold}, which cannot be used ({why})"


def _unpublished(facts: Facts, wanted: WantedImage) -> str:
    """Why there is no version at all (of those that are held) that this system could have."""
    if not facts.sources:
        return "no source is configured"
    if wanted.sources and not set(wanted.sources) & set(facts.sources):
        return f"source {' '.join(wanted.sources)} is not configured"
    others = {
        candidate.architecture
        for candidate in facts.candidates
        if candidate.name == wanted.name
        and _serves(facts, wanted, candidate.source)
        and wanted.hold in (None, candidate.version)
    }
    if others:
        known = ", ".join(sorted(architecture or "?" for architecture in others))
        return f"it is published for {known} only, {facts.tree.called} is {facts.tree.architecture}"
    what = "such version" if wanted.hold is not None else "version"
    may_be = f"; {facts.may_be(wanted.name)}" if facts.may_be(wanted.name) else ""
    return f"no {what} is published by {', '.join(wanted.sources or homes(facts, wanted) or facts.sources)}{may_be}"
