# SPDX-License-Identifier: LGPL-2.1-or-later
"""Why an image is left out: which kind of reason it is, in words, and what can be done about it. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from tukit_sysext.config.wanted import WantedImage
from tukit_sysext.sources.candidate import Standing
from tukit_sysext.update.facts import Facts
from tukit_sysext.update.kept_away import kept_away, nothing_fits
from tukit_sysext.update.options import Considered


class LeftOut(StrEnum):
    """Why no image can be had.

    The first five are about the image, and each is mended in another way: by the publisher, by who configured this
    machine, on the way to the source, at the source, by the publisher again. NO_PLACE is a tree that has something
    else where the link belongs. The last two are faults on our side. They refuse nothing: they must not keep the
    update away that mends them.
    """

    NOTHING_FITS = "nothing published fits"
    KEPT_AWAY = "kept away by the configuration"
    UNREACHABLE = "source not reachable"
    LIST_REFUSED = "list refused"
    BROKEN = "image broken"
    NO_PLACE = "no place for its link"
    NOT_STORED = "the store cannot take it"
    FAULT = "a fault of the configuration or of a plugin"

    @property
    def is_fault(self) -> bool:
        """Whether it is a fault on our side."""
        return self in (LeftOut.NOT_STORED, LeftOut.FAULT)


@dataclass(frozen=True, kw_only=True, slots=True)
class Why:
    """One reason, in words; ``next_step`` is what can be done where its kind does not tell it."""

    kind: LeftOut
    reason: str
    next_step: str = ""


def why_nothing(facts: Facts, wanted: WantedImage, considered: tuple[Considered, ...]) -> Why:
    """Why none of the versions that were considered can be had: of several reasons the one to be mended first."""
    return (
        _fault(facts, wanted)
        or _not_stored(considered)
        or _unreachable(facts, wanted, considered)
        or _list_refused(facts, wanted)
        or _broken(considered)
        or _kept_away(facts, wanted)
        or Why(kind=LeftOut.NOTHING_FITS, reason=nothing_fits(facts, wanted, considered))
    )


def _fault(facts: Facts, wanted: WantedImage) -> Why | None:
    unusable = [f"{name}: {why}" for name, why in sorted(facts.unusable.items()) if wanted.source in (None, name)]
    return Why(kind=LeftOut.FAULT, reason="; ".join(unusable)) if unusable else None


def _not_stored(considered: tuple[Considered, ...]) -> Why | None:
    first = next((each for each in considered if each.standing is Standing.NOT_STORED), None)
    return Why(kind=LeftOut.NOT_STORED, reason=first.reason) if first is not None else None


def _unreachable(facts: Facts, wanted: WantedImage, considered: tuple[Considered, ...]) -> Why | None:
    away = [f"{name}: {why}" for name, why in sorted(facts.unreachable.items()) if wanted.source in (None, name)]
    away += [each.reason for each in considered if each.standing is Standing.UNREACHABLE]
    if not away:
        return None
    # what would fit without the configuration is at hand: the network has its part in this alone
    kept = kept_away(facts, wanted)
    if kept is None:
        return Why(kind=LeftOut.UNREACHABLE, reason="; ".join(away))
    return Why(kind=LeftOut.UNREACHABLE, reason="; ".join((*away, kept.reason)), next_step=kept.next_step)


def _list_refused(facts: Facts, wanted: WantedImage) -> Why | None:
    refused = {name: why for name, why in sorted(facts.broken_sources.items()) if wanted.source in (None, name)}
    if not refused:
        return None
    steps = dict.fromkeys(facts.next_steps[name] for name in refused if name in facts.next_steps)
    reason = "; ".join(f"{name}: {why}" for name, why in refused.items())
    return Why(kind=LeftOut.LIST_REFUSED, reason=reason, next_step="; ".join(steps))


def _broken(considered: tuple[Considered, ...]) -> Why | None:
    first = next((each for each in considered if each.standing is Standing.BROKEN), None)
    if first is None:
        return None
    return Why(kind=LeftOut.BROKEN, reason=f"{first.option.version} of {first.option.origin}: {first.reason}")


def _kept_away(facts: Facts, wanted: WantedImage) -> Why | None:
    kept = kept_away(facts, wanted)
    return Why(kind=LeftOut.KEPT_AWAY, reason=kept.reason, next_step=kept.next_step) if kept is not None else None
