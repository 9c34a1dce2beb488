# SPDX-License-Identifier: LGPL-2.1-or-later
"""What an image hides, requires, needs and takes the place of in a system, each with the values of both sides. Pure.

It says with details what the built-in plugin decides in a word. Nothing is said where nobody may look at the system.
"""

from __future__ import annotations

from collections.abc import Iterator

from tukit_sysext.config.wanted import Attitude, WantedImage
from tukit_sysext.requirements.capabilities import Package, Unknown
from tukit_sysext.requirements.contents import Contents
from tukit_sysext.requirements.ground import Ground
from tukit_sysext.requirements.hiding import what_it_hides
from tukit_sysext.requirements.requirement import Requirement
from tukit_sysext.update.facts import Facts
from tukit_sysext.update.rule import Rule, Side


def requirement_rules(facts: Facts, name: str, version: str, contents: Contents | None) -> Iterator[Rule]:
    """The rules for one version of an image, what its publisher states and what was found out of its files."""
    ground, wanted = facts.ground, facts.wanted.get(name)
    if ground is None:
        return
    required = wanted.requires if wanted is not None else ()
    stated = contents.stated if contents is not None else ()
    if contents is not None:
        yield from _hides(contents, ground)
    if required or stated:
        ground.packages.prepare((*required, *stated))
    yield from (_required(Side.REQUIRED, requirement, ground) for requirement in required)
    yield from (_required(Side.STATED, requirement, ground) for requirement in stated)
    if contents is not None:
        yield from _needs(facts, wanted, name, version, contents)
        yield from _shadows(facts, wanted, name, version, contents)


def _hides(contents: Contents, ground: Ground) -> Iterator[Rule]:
    files = contents.files
    if files is None:
        return
    hidden = list(what_it_hides(files, ground))
    yield from (
        Rule(rule=Side.HIDES, fits=False, system=f"{each.path}: {each.system}", image=each.image) for each in hidden
    )
    if not hidden:
        yield Rule(rule=Side.HIDES, fits=True)


def _required(side: Side, requirement: Requirement, ground: Ground) -> Rule:
    there = ground.packages.provides(requirement)
    if isinstance(there, Unknown):
        return Rule(rule=side, fits=None, system=_unknown(ground), image=str(requirement))
    has = there or ground.packages.installed(requirement.name)
    system = str(has) if isinstance(has, Package) else "nothing provides it"
    return Rule(rule=side, fits=there is not None, system=system, image=str(requirement))


def _needs(facts: Facts, wanted: WantedImage | None, name: str, version: str, contents: Contents) -> Iterator[Rule]:
    offers, ground = facts.offers, facts.ground
    if offers is None or ground is None or not contents.needs:
        return
    others = facts.provided_beside(name)
    lacking = offers.lacks(name, version, contents, others)
    if not lacking:
        known = ground.packages.unknown is None
        system = "all of it is there" if known else _unknown(ground)
        several = "s" if len(contents.needs) > 1 else ""
        yield Rule(rule=Side.NEEDS, fits=known or None, system=system, image=f"{len(contents.needs)} need{several}")
        return
    ignored = wanted is not None and wanted.needs is Attitude.IGNORE
    worse = frozenset[str]() if ignored else offers.worse(name, version, contents, others)
    for need in sorted(lacking, key=lambda need: (need not in worse, need)):
        system = offers.in_words(need)
        if need not in worse:
            system += " (Needs=ignore)" if ignored else "; the version in use does without it, or is not known"
        yield Rule(rule=Side.NEEDS, fits=need not in worse, system=system, image=need)


def _shadows(facts: Facts, wanted: WantedImage | None, name: str, version: str, contents: Contents) -> Iterator[Rule]:
    if facts.offers is None:
        return
    attitude = wanted.shadow if wanted is not None else Attitude.WARN
    for text in facts.offers.shadows(name, version, contents):
        fits = attitude is not Attitude.REFUSE
        yield Rule(rule=Side.SHADOW, fits=fits, system=f"Shadow={attitude}", image=text)
    yield from (Rule(rule=Side.NOTE, fits=None, image=text) for text in facts.offers.warnings(name, version, contents))


def _unknown(ground: Ground) -> str:
    return f"not known: {ground.packages.unknown}"
