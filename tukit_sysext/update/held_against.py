# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a version that fits lacks in the system, and what it takes the place of there: ``Needs=``, ``Shadow=``. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from tukit_sysext.config.wanted import Attitude, WantedImage
from tukit_sysext.sources.candidate import Standing
from tukit_sysext.update.considered import Considered, Option, contents_of
from tukit_sysext.update.facts import Facts, Offers
from tukit_sysext.update.judging import doubted

_MOST_SHOWN = 3


def held_against_system(facts: Facts, wanted: WantedImage, considered: Considered) -> Considered:
    """What is known of an option that fits, once what it takes the place of and what it lacks have their say."""
    return held_against_needs(facts, wanted, _held_against_shadow(facts, wanted, considered))


def _held_against_shadow(facts: Facts, wanted: WantedImage, considered: Considered) -> Considered:
    """What is known of an option that fits, unless Shadow= refuses what it takes the place of.

    Other versions are looked at then.
    """
    option, offers = considered.option, facts.offers
    if wanted.shadow is not Attitude.REFUSE or offers is None or considered.standing is not Standing.FITS:
        return considered
    reason, contents = facts.colliding.get(option.file_name, ""), contents_of(facts, option)
    if not reason and contents is not None:
        reason = "; ".join(offers.shadows(wanted.name, option.version, contents))
    if not reason:
        return considered
    unfit = replace(considered, standing=Standing.DOES_NOT_FIT, reason=f"{reason}, which Shadow= refuses")
    return doubted(unfit, early=False) if _anybody_may_have_described(facts, option) else unfit


def held_against_needs(facts: Facts, wanted: WantedImage, considered: Considered) -> Considered:
    """What is known of an option that fits, once it is held against what the system lacks of what it needs."""
    contents = contents_of(facts, considered.option)
    if facts.offers is None or contents is None or wanted.needs is Attitude.IGNORE:
        return considered
    if considered.standing is not Standing.FITS:
        return considered
    version, others = considered.option.version, facts.provided_beside(wanted.name)
    missing = sorted(facts.offers.worse(wanted.name, version, contents, others))
    if not missing:
        return considered
    reason = "; ".join(_in_words(facts.offers, missing))
    lacking = replace(considered, standing=Standing.LACKS, reason=reason, missing=tuple(missing))
    if _anybody_may_have_described(facts, considered.option):
        return doubted(replace(lacking, missing=()), early=False)
    return lacking


def _anybody_may_have_described(facts: Facts, option: Option) -> bool:
    """Whether what an option has and needs is known by a description alone, that is not signed."""
    contents, known = contents_of(facts, option), facts.known.get(option.key)
    described = contents is not None and contents.described and not option.whole
    return described and known is not None and not known.vouched


def _in_words(offers: Offers, missing: Sequence[str]) -> Iterator[str]:
    """What is missing, and who met it so far; the first ones where they are many."""
    for need in missing[:_MOST_SHOWN]:
        yield f"it needs {need}: {offers.in_words(need)}"
    if len(missing) > _MOST_SHOWN:
        yield f"and {len(missing) - _MOST_SHOWN} more things that are missing"
