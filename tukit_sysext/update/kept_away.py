# SPDX-License-Identifier: LGPL-2.1-or-later
"""Why nothing that is published can be had, and whether it is Hold=, Version= or Block= that keeps it away. Pure.

Source= is not among these: whose images are believed is another question than which of them are liked.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import chain

from tukit_sysext.config.settings import block_file
from tukit_sysext.config.wanted import WantedImage
from tukit_sysext.rules.constraint import disallows
from tukit_sysext.sources.candidate import Candidate, Standing
from tukit_sysext.update.facts import Facts
from tukit_sysext.update.options import Considered, Option, blocked_by, current, published, spare


@dataclass(frozen=True, kw_only=True, slots=True)
class KeptAway:
    """A version that would fit: which one and what speaks against it, and what lets it in."""

    reason: str
    next_step: str


def kept_away(facts: Facts, wanted: WantedImage) -> KeptAway | None:
    """The best version that fits and that the configuration alone keeps away; None where there is none.

    A source that is not there any more keeps all of them away.
    """
    if wanted.source is not None and facts.sources and wanted.source not in facts.sources:
        next_step = f"tukit-sysext sources add {wanted.source}, or change Source= in {wanted.origin}"
        return KeptAway(reason=f"source {wanted.source} is not configured", next_step=next_step)
    best = next((version.option for version in _without_settings(facts, wanted) if version.usable), None)
    if best is None:
        return None
    have = current(facts, wanted)
    linked = have is not None and have.option.file_name == best.file_name
    against = list(_against(facts, wanted, best))
    which = f"{best.version}, the version so far," if linked else f"{best.version} of {best.origin}"
    return KeptAway(
        reason=f"{which} would fit, but {', and '.join(reason for reason, _ in against)}",
        next_step=", and ".join(step for _, step in against),
    )


def first_undescribed(facts: Facts, wanted: WantedImage) -> Candidate | None:
    """The candidate that has to be described next to know it; None where none has to be."""
    for version in _without_settings(facts, wanted):
        if version.usable:
            return None
        if version.standing is Standing.NOT_ASKED:
            return version.option.candidate
    return None


def nothing_fits(facts: Facts, wanted: WantedImage, considered: tuple[Considered, ...]) -> str:
    """Why no version can be had, where nothing but what is published is the reason."""
    if wanted.hold is not None:
        have = current(facts, wanted)
        linked = have.option.version if have is not None else wanted.hold
        also = f"; {linked} is linked" if linked != wanted.hold else ""
        return f"{_held(facts, wanted)}{also}"
    if considered:
        return f"{considered[0].option.version} is the newest, {considered[0].reason}"
    return _unpublished(facts, wanted)


def _without_settings(facts: Facts, wanted: WantedImage) -> Iterator[Considered]:
    """What could be had if nothing narrowed the choice; nothing where nothing does."""
    freed = replace(wanted, hold=None, constraint=None, blocked=())
    free = replace(facts, blocked=tuple(blocked for blocked in facts.blocked if blocked.name != wanted.name))
    if freed == wanted and free.blocked == facts.blocked:
        return iter(())
    have = current(free, freed)
    return chain(published(free, freed), spare(free, freed), (have,) if have is not None else ())


def _against(facts: Facts, wanted: WantedImage, option: Option) -> Iterator[tuple[str, str]]:
    """What the configuration says against a version, and what takes that back."""
    if wanted.hold not in (None, option.version):
        yield _held(facts, wanted), f"tukit-sysext unhold {wanted.name}"
    disallowed = disallows(wanted.constraint, option.version) if wanted.constraint is not None else ""
    if disallowed:
        yield disallowed, f"change Version= in {wanted.origin}"
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
    return f"{wanted.hold} is held: {there.reason if there is not None else _unpublished(facts, wanted)}"


def _unpublished(facts: Facts, wanted: WantedImage) -> str:
    """Why there is no version at all (of those that are held) that this system could have."""
    if not facts.sources:
        return "no source is configured"
    if wanted.source is not None and wanted.source not in facts.sources:
        return f"source {wanted.source} is not configured"
    others = {
        candidate.architecture
        for candidate in facts.candidates
        if candidate.name == wanted.name
        and wanted.source in (None, candidate.source)
        and wanted.hold in (None, candidate.version)
    }
    if others:
        known = ", ".join(sorted(architecture or "?" for architecture in others))
        return f"it is published for {known} only, the system is {facts.tree.architecture}"
    what = "such version" if wanted.hold is not None else "version"
    return f"no {what} is published by {wanted.source or ', '.join(facts.sources)}"
