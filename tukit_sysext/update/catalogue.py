# SPDX-License-Identifier: LGPL-2.1-or-later
"""What could be had: each image that a source offers, is wanted or linked, with the newest version that fits. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import NamedTuple

from tukit_sysext.config.intent import State
from tukit_sysext.config.wanted import Policy, WantedImage
from tukit_sysext.rules.prerelease import order
from tukit_sysext.sources.candidate import Candidate
from tukit_sysext.update.considered import Considered, damage
from tukit_sysext.update.deciding import decide, undecided
from tukit_sysext.update.facts import Facts, Foreign
from tukit_sysext.update.options import current, published
from tukit_sysext.update.plan import Action, ImagePlan


class Offer(NamedTuple):
    """One image.

    ``wanted`` is what the tree says of it and ``plan`` what a transaction would do, both None where it is not wanted.
    ``installed`` is the version that is linked, ``damage`` what is wrong with its file (empty: nothing), ``newest`` the
    newest one that fits, held or not, and ``considered`` every version that is offered for this architecture, in the
    order of preference.
    """

    name: str
    wanted: WantedImage | None
    plan: ImagePlan | None
    installed: str | None
    newest: Considered | None
    considered: tuple[Considered, ...]
    damage: str = ""
    shown_installed: str | None = None

    @property
    def shown_update(self) -> str | None:
        """The version that an update would bring, for people."""
        return self.plan.chosen.shown if self.update is not None and self.plan and self.plan.chosen else None

    @property
    def update(self) -> str | None:
        """The version that an update would bring in the place of the installed one; None where it brings none."""
        plan = self.plan
        if plan is None or plan.before is None or plan.chosen is None:
            return None
        taken = plan.action in (Action.FETCH, Action.LINK)
        return plan.chosen.version if taken and plan.changes_content else None

    @property
    def is_nothing(self) -> bool:
        """Whether it is a tombstone (State=removed) alone: no link is left, and nobody offers the image."""
        removed = self.wanted is not None and self.wanted.state is State.REMOVED
        return removed and self.installed is None and not self.considered

    @property
    def held_back(self) -> str | None:
        """The newer version that fits, and that Hold= keeps away; None where there is none."""
        held = self.wanted.hold if self.wanted is not None else None
        if held is None or self.newest is None or self.installed is None:
            return None
        version = self.newest.option.version
        return version if order(version, self.installed) > 0 and version != self.update else None


def linked_names(facts: Facts) -> frozenset[str]:
    """Images that the tree has links to, wanted or not, as far as their files tell."""
    stored = (facts.stored.get(entry.image) for entry in facts.tree.entries if entry.image is not None)
    return frozenset(name for file in stored if file is not None and (name := file.name) is not None)


def wanting_newest(
    facts: Facts, wanted: Mapping[str, WantedImage], names: Collection[str] = ()
) -> Mapping[str, WantedImage]:
    """Every image as it would be wanted by who wants the newest: those that are offered, wanted or linked.

    ``wanted`` are those that really are; ``names`` narrows it to these.
    """
    names_known = {candidate.name for candidate in facts.candidates} | set(wanted) | linked_names(facts)
    return {
        name: replace(wanted[name], hold=None, state=State.WANTED)
        if name in wanted
        else WantedImage(name=name, origin="", policy=Policy.OPTIONAL)
        for name in sorted(names_known)
        if not names or name in names
    }


def undecided_of_both(facts: Facts, wanted: Mapping[str, WantedImage], most: int) -> tuple[Candidate, ...]:
    """What has to be described next: for the wish, and for what is really wanted (a held version may be another)."""
    candidates = (*undecided(facts, most), *undecided(replace(facts, wanted=_real(facts, wanted)), most))
    return tuple({candidate.key: candidate for candidate in candidates}.values())


def catalogue(facts: Facts, wanted: Mapping[str, WantedImage]) -> tuple[Offer, ...]:
    """Every image that is wished for in ``facts``, by name; ``wanted`` are those that really are."""
    planned = decide(replace(facts, wanted=_real(facts, wanted), foreign=_foreign(facts, wanted)))
    plans = {plan.name: plan for plan in planned.images}
    return tuple(_offer(facts, image, wanted.get(name), plans.get(name)) for name, image in facts.wanted.items())


def _offer(facts: Facts, wished: WantedImage, wanted: WantedImage | None, plan: ImagePlan | None) -> Offer:
    considered = tuple(published(facts, wished))
    have = current(facts, wished)
    return Offer(
        name=wished.name,
        wanted=wanted,
        plan=plan,
        installed=have.option.version if have is not None else None,
        shown_installed=have.option.shown if have is not None else None,
        newest=next((version for version in considered if version.usable), None),
        considered=considered,
        damage=damage(have.option.stored) if have is not None and have.option.stored is not None else "",
    )


def _real(facts: Facts, wanted: Mapping[str, WantedImage]) -> Mapping[str, WantedImage]:
    return {name: image for name, image in wanted.items() if name in facts.wanted}


def _foreign(facts: Facts, wanted: Mapping[str, WantedImage]) -> tuple[Foreign, ...]:
    """Entries that are not ours, not looked into: whether systemd would merge them takes long to find out."""
    foreign: list[Foreign] = []
    for entry in facts.tree.entries:
        stored = facts.stored.get(entry.image) if entry.image is not None else None
        if stored is None or stored.name not in wanted:
            foreign.append(Foreign(entry=entry, note=f"link to {entry.target}" if entry.target else str(entry.kind)))
    return tuple(foreign)
