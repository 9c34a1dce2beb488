# SPDX-License-Identifier: LGPL-2.1-or-later
"""The decision: which image each wanted one gets in a tree. Pure; ``check`` prints it and the hook carries it out.

The principle: an update never takes away a required image that the running system, or the one that boots next, has
linked, whole and fitting. Whatever the reason is on the way to its successor (nothing published, a source that is away,
a disk without room, a list or image that is provably bad, the configuration of the administrator): the update is
refused. An image that neither has is fetched if it can be; if not, the update passes, loudly, because a refusal would
keep the fixes away and give nobody the image. A fault of ours lets the update pass too, loudly, also where an image is
lost by it: it may be the update that fixes us. :data:`tukit_sysext.update.left_out.REQUIRED` is that table.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from tukit_sysext.config.wanted import Attitude
from tukit_sysext.sources.candidate import Candidate
from tukit_sysext.store.image_store import Condition, Stored
from tukit_sysext.update.choice import Choice
from tukit_sysext.update.collisions import Collision, MergedImage, collisions
from tukit_sysext.update.considered import contents_of
from tukit_sysext.update.facts import Facts, provided_by
from tukit_sysext.update.left_out import LeftOut, Why, first_kept_away, first_undescribed
from tukit_sysext.update.options import published
from tukit_sysext.update.plan import Action, ImagePlan, Plan


def decide(facts: Facts) -> Plan:
    """Plan all wanted images of a tree."""
    facts, images = _beside_each_other(facts)
    return Plan(
        tree=facts.tree,
        images=images,
        foreign=facts.foreign,
        problems=facts.problems,
        unreachable={**facts.unreachable, **facts.broken_sources},
        masked=facts.masked,
    )


def beside_each_other(facts: Facts) -> Facts:
    """The facts, with what versions of images have against them by the versions that other images get.

    Where no image refuses to collide, and none needs what another has, there is nothing to decide for that.
    """
    compare = any(wanted.shadow is Attitude.REFUSE for wanted in facts.wanted.values())
    if facts.offers is None or not (compare or _any_needs_another(facts)):
        return facts
    return _beside_each_other(facts, compare=compare)[0]


def _any_needs_another(facts: Facts) -> bool:
    """Whether any content that is known needs what an image beside it provides in any version."""
    contents = [file.record.contents for file in facts.stored.values() if file.record is not None]
    contents += [known.contents for known in facts.known.values()]
    needs = frozenset(need for found in contents if found is not None for need in found.needs)
    return any(needs & facts.provided_beside(name) for name in facts.wanted)


def _beside_each_other(facts: Facts, *, compare: bool = True) -> tuple[Facts, tuple[ImagePlan, ...]]:
    """Decide, anew as long as a version turns out not to go with those that other images get.

    Without each that collides with another image where Shadow= refuses that (all of them, if they are to be
    compared), and by what the others provide in these versions.
    """
    while True:
        choices = [Choice(facts, wanted).plan() for _, wanted in sorted(facts.wanted.items())]
        images = tuple(_without_twins(facts, choices))
        if facts.offers is None:
            return facts, images
        merged = [each for image in images if (each := _merged(image)) is not None]
        found = list(collisions((*merged, *_linked_others(facts)), facts.offers)) if compare else []
        refused = {
            image.record.file_name: each.told_of(image)
            for each in found
            if (image := each.refused) in merged and image.record is not None
        }
        absent = {name: more | facts.absent.get(name, frozenset()) for name, more in _absent(facts, images)}
        if not refused.keys() - facts.colliding.keys() and not absent:
            return facts, tuple(_with_collisions(image, found, merged) for image in images)
        facts = replace(facts, colliding={**facts.colliding, **refused}, absent={**facts.absent, **absent})


def _absent(facts: Facts, images: Sequence[ImagePlan]) -> Iterator[tuple[str, frozenset[str]]]:
    """What images count on of others, and these do not provide in the versions that they get, by image."""
    provided = {name: _provided(facts.links_to(name).values()) for name in facts.others}
    contents = {image.name: contents_of(facts, image.chosen) for image in images if image.chosen is not None}
    for name, found in contents.items():
        is_known = found is not None and not (found.described and not found.provides)
        # what nobody looked through yet may be as any version of it
        provided[name] = frozenset(found.provides) if found and is_known else _provided(facts.stored_of(name))
    for name, found in contents.items():
        absent = facts.provided_beside(name).intersection(found.needs if found is not None else ())
        absent = absent.difference(*(each for other, each in provided.items() if other != name))
        if absent:
            yield name, absent


def _provided(files: Iterable[Stored]) -> frozenset[str]:
    return provided_by(file.record for file in files if file.record is not None)


def _merged(image: ImagePlan) -> MergedImage | None:
    """An image as the system gets it; None where it gets none, or it is not known what it has."""
    chosen, kept = image.chosen, image.action is Action.KEEP
    stored = chosen.stored if chosen is not None and (kept or image.action is Action.LINK) else None
    if stored is None or stored.record is None or image.link is None:
        return None
    stem = image.link.removesuffix(".raw")
    return MergedImage.of_record(stored.record, wanted=image.wanted, stem=stem, kept=kept)


def _linked_others(facts: Facts) -> Iterator[MergedImage]:
    """Wanted images that are not planned for, as they are linked."""
    for name, wanted in facts.others.items():
        for link, stored in facts.links_to(name).items():
            if stored.record is not None and stored.condition is Condition.WHOLE:
                yield MergedImage.of_record(stored.record, wanted=wanted, stem=link.removesuffix(".raw"), kept=True)


def _with_collisions(image: ImagePlan, found: Iterable[Collision], planned: Sequence[MergedImage]) -> ImagePlan:
    """Tell each collision once, of the image on top, where that is planned for."""
    telling = [(each, each.upper if each.upper in planned else each.lower) for each in found]
    texts = tuple(each.told_of(teller) for each, teller in telling if teller.wanted.name == image.name)
    return replace(image, shadows=(*image.shadows, *texts), warnings=(*image.warnings, *texts)) if texts else image


def _without_twins(facts: Facts, images: Iterable[ImagePlan]) -> Iterator[ImagePlan]:
    """Let one image alone have a name: of two that turn out to share it, systemd would merge one."""
    taken: dict[str, str] = {}
    for image in images:
        if image.link is None:
            yield image
            continue
        stem = image.link.removesuffix(".raw")
        in_the_way = facts.in_the_way(stem)
        if in_the_way is not None:
            yield Choice(facts, image.wanted).occupied(in_the_way)
        elif taken.setdefault(stem, image.name) != image.name:
            reason = f"its content calls itself {stem}, as that of {taken[stem]} does"
            why = Why(kind=LeftOut.BROKEN, reason=reason)
            yield without(facts, image, why)
        else:
            yield image


def without(facts: Facts, image: ImagePlan, why: Why) -> ImagePlan:
    """The plan for an image that turns out not to be available."""
    return Choice(facts, image.wanted).left_out(why, image.considered)


def undecided(facts: Facts, most: int = 1) -> tuple[Candidate, ...]:
    """What has to be described next: of each image the best candidates that nobody looked at, if they could be taken.

    Where none can be, those are next that the configuration keeps away: who has to fix it depends on them. ``most`` of
    each image are asked for at a time.
    """
    facts = beside_each_other(facts)
    ask: list[Candidate] = []
    for _, wanted in sorted(facts.wanted.items()):
        candidates, usable = first_undescribed(published(facts, wanted), most)
        if not candidates and not usable:
            nothing = Choice(facts, wanted).plan().left_out in (LeftOut.NOTHING_FITS, LeftOut.KEPT_AWAY)
            candidates = first_kept_away(facts, wanted, most) if nothing else []
        ask += candidates
    return tuple(ask)
