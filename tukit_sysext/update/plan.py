# SPDX-License-Identifier: LGPL-2.1-or-later
"""The decision: which image each wanted one gets in a tree. Pure; ``check`` prints it and the hook carries it out.

The principle: an update never takes away a required image that the running system, or the one that boots next, has
linked, whole and fitting. Whatever the reason is on the way to its successor (nothing published, a source that is away,
a disk without room, a list or image that is provably bad, the configuration of the administrator): the update is
refused. An image that neither has is fetched if it can be; if not, the update passes, loudly, because a refusal would
keep the fixes away and give nobody the image. A fault of ours lets the update pass too, loudly, also where an image is
lost by it: it may be the update that mends us. :data:`tukit_sysext.update.left_out.REQUIRED` is that table.

Order of preference for one image:

1. what sources offer now, the strongest source first, in it the newest version (UAPI.10); the first that fits
2. the linked image stays where it fits and that of rule 1 is not newer: an update never brings an older version, unless
   ``Source=`` wants it from another source than that of the linked one. An installed image stays with its source
   unless ``Source=`` names several, or its source is not configured any more; what is not installed yet is not taken
   from a weaker source while a stronger one could not be asked
3. where nothing that is offered can be used, an image that is in the store already
4. a held version alone counts, wherever it is
5. a blocked version (``Block=`` of the image, ``[Block]`` of the settings) is never chosen, not where it is linked,
   held or in the store either: in rules 1 to 4 it counts as one that does not fit. An update may bring an older version
   then, and leaves the image out, or is refused, where there is no other. What other snapshots have is not touched, and
   a repair by the recorded hash brings a blocked version back where it was
6. so does a version that ``Version=`` of the image does not allow
7. a pre-release comes after every release of its source, and never in the place of a linked release, unless
   ``PreReleases=``, ``Version=`` or a linked pre-release asks for them
8. what turns out to be another image by its content, whatever its file is called, is never taken, and never comes in
   the place of one that calls itself otherwise
9. a version that lacks a need which the version in use has met, or has not, where it is in use, is passed over for any
   other one that fits, an older one too. Where only such are left ``Needs=`` decides: the one that lacks the least is
   taken, and what it lacks is said, or none is (``refuse``). What no version is in use of is measured by nothing: the
   version that lacks the least
10. a version with an older package than the system's, or with a file that another image of the tree has otherwise, is
   taken and that is said; ``Shadow=`` may have it refused as one that does not fit
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import takewhile

from tukit_sysext.config.files import Problem
from tukit_sysext.config.intent import State
from tukit_sysext.config.wanted import Attitude, Policy, WantedImage
from tukit_sysext.quantities import span_text
from tukit_sysext.rules.names import shown_version
from tukit_sysext.rules.prerelease import is_prerelease, order
from tukit_sysext.rules.version import compare
from tukit_sysext.snapshots.fitting import TreeFacts
from tukit_sysext.sources.candidate import Candidate, Standing
from tukit_sysext.store.image_store import Condition
from tukit_sysext.update.collisions import Collision, MergedImage, collisions
from tukit_sysext.update.facts import Facts, Foreign, InUse
from tukit_sysext.update.left_out import (
    Consequence,
    LeftOut,
    Why,
    consequence,
    first_kept_away,
    first_undescribed,
    is_over,
    why_nothing,
)
from tukit_sysext.update.options import (
    Considered,
    Option,
    contents_of,
    current,
    last_resort,
    merge_name,
    preferred,
    published,
    spare,
    stronger_not_asked,
    takes_prereleases,
)


class Action(StrEnum):
    """What happens to one wanted image."""

    KEEP = "keep"
    LINK = "link"
    FETCH = "fetch"
    LEAVE_OUT = "leave out"
    REMOVE = "remove"
    LEAVE_ALONE = "leave alone"


_WENT_WRONG = (
    Standing.BROKEN,
    Standing.UNUSABLE,
    Standing.UNREACHABLE,
    Standing.NOT_STORED,
    Standing.FAULT,
    Standing.NOT_TRIED,
    Standing.ANOTHER_IMAGE,
)


@dataclass(frozen=True, kw_only=True, slots=True)
class ImagePlan:
    """What happens to one wanted image, and why.

    ``chosen`` is the image afterwards and ``link`` the name of its link (known once its content is), ``remove`` the
    links of ours that go, ``before`` the version that the tree had, ``before_file`` its file. ``left_out`` says
    which kind of reason there is for having none afterwards, ``next_step`` what can be done where that kind does
    not tell it, ``consequence`` what follows for the update, and ``in_use`` what the running system, or the one
    that boots next, has of it. ``shadows`` is what it takes the place of although that is newer, or another image's,
    ``notes`` what people have to know of it, ``warnings`` all that.
    """

    wanted: WantedImage
    action: Action
    reason: str
    chosen: Option | None = None
    link: str | None = None
    remove: tuple[str, ...] = ()
    before: str | None = None
    before_file: str | None = None
    left_out: LeftOut | None = None
    next_step: str = ""
    consequence: Consequence | None = None
    in_use: InUse | None = None
    shadows: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    considered: tuple[Considered, ...] = ()

    @property
    def name(self) -> str:
        """The image's name."""
        return self.wanted.name

    @property
    def shown_before(self) -> str | None:
        """The version that the tree had, for people."""
        return shown_version(self.before, self.before_file or "") if self.before is not None else None

    @property
    def changes_content(self) -> bool:
        """Whether the tree gets another version than it had, or another content of it."""
        if self.before is None or self.chosen is None:
            return False
        return self.chosen.version != self.before or self.chosen.file_name != self.before_file

    @property
    def refuses(self) -> bool:
        """Whether it stops the update."""
        return self.consequence is Consequence.REFUSED

    @property
    def is_missed(self) -> bool:
        """Whether the update passes without it although it is required, which has to be loud."""
        return self.consequence is Consequence.LOUD and self.wanted.policy is Policy.REQUIRED

    @property
    def preferred(self) -> tuple[Considered, ...]:
        """What would be taken before the chosen one, if it could be."""
        return tuple(takewhile(lambda considered: considered.option != self.chosen, self.considered))

    @property
    def prevented(self) -> Considered | None:
        """The newer image that would be taken, had nothing gone wrong with it; None where there is none."""
        return next((considered for considered in self.preferred if self._went_wrong(considered)), None)

    @property
    def not_had(self) -> str:
        """That another image serves in the place of a newer one, and why, in words; empty where none does."""
        best = self.prevented
        if best is None or self.chosen is None:
            return ""
        return f"{best.option.shown} of {best.option.origin} could not be had, {best.standing}: {best.reason}"

    @property
    def fresh_notes(self) -> tuple[str, ...]:
        """Of :attr:`notes` those that were not told when it came."""
        return self.notes if self.action is not Action.KEEP else ()

    @property
    def lacks(self) -> str:
        """What the chosen version lacks in the system, in words; empty where that is nothing, or nobody knows."""
        chosen = next((each for each in self.considered if each.option.file_name == self._file), None)
        if chosen is None or chosen.standing is not Standing.LACKS or self.action is Action.LEAVE_OUT:
            return ""
        return f"{chosen.option.shown} lacks something: {chosen.reason}"

    @property
    def _file(self) -> str | None:
        return self.chosen.file_name if self.chosen is not None else None

    def _went_wrong(self, considered: Considered) -> bool:
        chosen = self.chosen
        newer = order(considered.option.version, chosen.version) if chosen is not None else 1
        other = chosen is not None and newer == 0 and considered.option.sha256 != chosen.sha256
        return (newer > 0 or other) and considered.standing in _WENT_WRONG


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """The plan for a tree: its images by name, entries that are not ours, and what is wrong beside them."""

    tree: TreeFacts
    images: tuple[ImagePlan, ...]
    foreign: tuple[Foreign, ...]
    problems: tuple[Problem, ...]
    unreachable: Mapping[str, str]
    masked: Mapping[str, str]

    @property
    def refusals(self) -> Mapping[str, str]:
        """Reason by image for those that stop the update."""
        return {image.name: image.reason for image in self.refusing}

    @property
    def refusing(self) -> tuple[ImagePlan, ...]:
        """Images that stop the update."""
        return tuple(image for image in self.images if image.refuses)

    @property
    def missed(self) -> tuple[ImagePlan, ...]:
        """Required images that the update passes without."""
        return tuple(image for image in self.images if image.is_missed)

    @property
    def not_asked(self) -> Mapping[str, str]:
        """Reason by source for those that could not be asked for an image; one that is held and there needs none."""
        images = (image for image in self.images if image.action is not Action.KEEP or image.wanted.hold is None)
        wanted = [image.wanted for image in images]
        return {
            name: reason for name, reason in self.unreachable.items() if any(image.may_be_of(name) for image in wanted)
        }

    @property
    def not_had(self) -> Mapping[str, str]:
        """What could not be had of images that another version serves, by image."""
        return {image.name: image.not_had for image in self.images if image.not_had}

    @property
    def told(self) -> Mapping[str, str]:
        """What is to be remembered of images that are there: what another one serves for, and what is wrong with it."""
        said = {image.name: (image.not_had, image.lacks, *image.shadows, *image.notes) for image in self.images}
        return {name: "; ".join(filter(None, texts)) for name, texts in said.items() if any(texts)}

    @property
    def left_out(self) -> Mapping[str, str]:
        """Reason by image for those that cannot be had."""
        return {image.name: image.reason for image in self.images if image.left_out is not None}

    @property
    def fetches(self) -> tuple[ImagePlan, ...]:
        """Images that have to be fetched before they can be linked."""
        return tuple(image for image in self.images if image.action is Action.FETCH)

    @property
    def links(self) -> dict[str, str]:
        """Links to be made (name to file of the store)."""
        return {
            image.link: image.chosen.file_name
            for image in self.images
            if image.action is Action.LINK and image.link is not None and image.chosen is not None
        }

    @property
    def kept(self) -> tuple[str, ...]:
        """Links of ours that stay as they are."""
        keep = (image.link for image in self.images if image.action is Action.KEEP)
        return tuple(link for link in keep if link is not None)

    @property
    def remove(self) -> tuple[str, ...]:
        """Links of ours that go; none that another image has or gets under the same name."""
        stay = {image.link for image in self.images if image.action in (Action.KEEP, Action.LINK, Action.FETCH)}
        return tuple(name for image in self.images for name in image.remove if name not in stay)


def decide(facts: Facts) -> Plan:
    """Plan all wanted images of a tree."""
    facts, images = _without_refused_collisions(facts)
    return Plan(
        tree=facts.tree,
        images=images,
        foreign=facts.foreign,
        problems=facts.problems,
        unreachable={**facts.unreachable, **facts.broken_sources},
        masked=facts.masked,
    )


def _without_refused_collisions(facts: Facts) -> tuple[Facts, tuple[ImagePlan, ...]]:
    """Decide, anew without each version that collides with another image where Shadow= refuses that; both are told."""
    while True:
        cases = [_Case(facts, wanted).plan() for _, wanted in sorted(facts.wanted.items())]
        images = tuple(_without_twins(facts, cases))
        merged = [each for image in images if (each := _merged(image)) is not None]
        found = list(collisions((*merged, *_linked_others(facts)), facts.offers)) if facts.offers is not None else []
        refused = {
            each.refused.record.file_name: each.told_of(each.refused) for each in found if each.refused in merged
        }
        if not refused.keys() - facts.colliding.keys():
            return facts, tuple(_with_collisions(image, found, merged) for image in images)
        facts = replace(facts, colliding={**facts.colliding, **refused})


def refused_collisions(facts: Facts) -> Mapping[str, str]:
    """Why versions are refused that have other files than another image of the tree, by file name."""
    if all(wanted.shadow is not Attitude.REFUSE for wanted in facts.wanted.values()):
        return facts.colliding
    return _without_refused_collisions(facts)[0].colliding


def _merged(image: ImagePlan) -> MergedImage | None:
    """An image as the system gets it; None where it gets none, or nobody knows what it has."""
    chosen, kept = image.chosen, image.action is Action.KEEP
    stored = chosen.stored if chosen is not None and (kept or image.action is Action.LINK) else None
    if stored is None or stored.record is None or image.link is None:
        return None
    return MergedImage(wanted=image.wanted, stem=image.link.removesuffix(".raw"), record=stored.record, kept=kept)


def _linked_others(facts: Facts) -> Iterator[MergedImage]:
    """Wanted images that are not planned for, as they are linked."""
    for name, wanted in facts.others.items():
        for link, stored in facts.links_to(name).items():
            if stored.record is not None and stored.condition is Condition.WHOLE:
                yield MergedImage(wanted=wanted, stem=link.removesuffix(".raw"), record=stored.record, kept=True)


def _with_collisions(image: ImagePlan, found: Iterable[Collision], planned: Sequence[MergedImage]) -> ImagePlan:
    """Tell each collision once, of the image on top, where that is planned for."""
    telling = [(each, each.upper if each.upper in planned else each.lower) for each in found]
    texts = tuple(each.told_of(teller) for each, teller in telling if teller.wanted.name == image.name)
    return replace(image, shadows=(*image.shadows, *texts), warnings=(*image.warnings, *texts)) if texts else image


def without(facts: Facts, image: ImagePlan, why: Why) -> ImagePlan:
    """The plan for an image that turns out not to be had after all."""
    return _Case(facts, image.wanted).left_out(why, image.considered)


def undecided(facts: Facts, most: int = 1) -> tuple[Candidate, ...]:
    """What has to be described next: of each image the best candidates that nobody looked at, if they could be taken.

    Where none can be, those are next that the configuration keeps away: who has to mend it depends on them. ``most`` of
    each image are asked for at a time.
    """
    facts = replace(facts, colliding=refused_collisions(facts))
    ask: list[Candidate] = []
    for _, wanted in sorted(facts.wanted.items()):
        candidates, usable = first_undescribed(published(facts, wanted), most)
        if not candidates and not usable:
            nothing = _Case(facts, wanted).plan().left_out in (LeftOut.NOTHING_FITS, LeftOut.KEPT_AWAY)
            candidates = first_kept_away(facts, wanted, most) if nothing else []
        ask += candidates
    return tuple(ask)


class _Case:
    """One wanted image, with what decides about it: what is published, and the link that the tree has."""

    def __init__(self, facts: Facts, wanted: WantedImage) -> None:
        self._facts = facts
        self._wanted = wanted
        self._published = tuple(published(facts, wanted))
        self._linked = facts.links_to(wanted.name)
        self._have = current(facts, wanted)

    def plan(self) -> ImagePlan:
        """Decide, in the order of preference of this module."""
        image = self._plan()
        contents = contents_of(self._facts, image.chosen) if image.chosen is not None else None
        offers, wanted = self._facts.offers, self._wanted
        shadows: tuple[str, ...] = ()
        notes: tuple[str, ...] = ()
        if image.chosen is not None and contents is not None and offers is not None:
            notes = offers.warnings(wanted.name, image.chosen.version, contents)
            if wanted.shadow is not Attitude.IGNORE:
                shadows = offers.shadows(wanted.name, image.chosen.version, contents)
        first = filter(None, (image.not_had, image.lacks, *shadows, *notes))
        return replace(image, shadows=shadows, notes=notes, warnings=(*first, *image.warnings))

    def _plan(self) -> ImagePlan:
        have, unusable = self._have, self._facts.tree.unusable
        if unusable:
            return self.left_out(Why(kind=LeftOut.NO_PLACE, reason=unusable))
        if self._wanted.state is State.REMOVED:
            return self._remove()
        in_the_way = _foreign(self._facts, self._wanted.name)
        if in_the_way is not None:
            return self.occupied(in_the_way)
        best = preferred(self._replacements(self._published))
        if have is not None and have.standing is Standing.FITS and self._stays(have.option, best):
            return self._keep(have)
        if best is None:
            in_store = self._replacements(spare(self._facts, self._wanted))
            best = next((each for each in in_store if each.standing is Standing.FITS), None)
        if best is None and have is None:
            best = last_resort(self._facts, self._published)
        if best is not None:
            return self._take(best)
        if have is not None and have.usable:
            return self._keep(have)
        best = self._lacking_the_least()
        if best is not None:
            linked = have is not None and have.option.file_name == best.option.file_name
            return self._keep(have) if have is not None and linked else self._take(best)
        considered = self._considered(have)
        return self.left_out(why_nothing(self._facts, self._wanted, considered), considered)

    def _replacements(self, versions: Iterable[Considered]) -> Iterator[Considered]:
        """Versions that may come in the place of the linked one: no pre-release in that of a release that fits.

        Where Needs= refuses what lacks something, the linked one counts as unfitting, and anything is better.
        """
        have = self._have
        lacks = have is not None and have.standing is Standing.LACKS and self._wanted.needs is not Attitude.REFUSE
        releases_alone = lacks and not takes_prereleases(self._facts, self._wanted)
        return (each for each in versions if not (releases_alone and is_prerelease(each.option.version)))

    def _lacking_the_least(self) -> Considered | None:
        """Of the versions that lack something in the system the one that lacks the least; None where Needs= refuses."""
        if self._wanted.needs is Attitude.REFUSE:
            return None
        have = (self._have,) if self._have is not None else ()
        versions = (*self._published, *spare(self._facts, self._wanted), *have)
        lacking = [each for each in versions if each.standing is Standing.LACKS]
        last = not takes_prereleases(self._facts, self._wanted)
        return min(
            lacking, key=lambda each: (last and is_prerelease(each.option.version), len(each.missing)), default=None
        )

    def _stays(self, have: Option, best: Considered | None) -> bool:
        """Whether the linked image, which fits, is kept rather than the best one that is published."""
        if best is None:
            return True
        if self._is_of_another_source(have) and best.option.file_name != have.file_name:
            return False  # older or not: Source= says from where it is wanted
        if self._wanted.hold is not None and have.whole:
            return True
        if self._waits_for_its_source(have, best.option):
            return True
        if not have.whole and best.option.file_name == have.file_name:
            return False  # the source can tell whether this file of unknown origin is the published one
        newer = order(best.option.version, have.version)
        if newer > 0 and is_prerelease(best.option.version) and not takes_prereleases(self._facts, self._wanted):
            return True
        return newer < 0 or (newer == 0 and not (self._facts.rebuilt and self._is_rebuilt(have, best.option)))

    def _is_rebuilt(self, have: Option, best: Option) -> bool:
        """Whether a source has another content now under the version that it had when the linked one was fetched."""
        record = have.stored.record if have.stored is not None else None
        if record is None or best.candidate is None or compare(best.version, have.version) != 0:
            return False
        return best.candidate.source == record.source and not record.has(best.sha256)

    def _waits_for_its_source(self, have: Option, best: Option) -> bool:
        """Whether another source, which Source= lets serve it, is not needed while a stronger one is away."""
        record = have.stored.record if have.stored is not None else None
        if record is None or best.candidate is None or best.candidate.source == record.source:
            return False
        return bool(stronger_not_asked(self._facts, self._wanted, best.candidate.source))

    def _is_of_another_source(self, have: Option) -> bool:
        record = have.stored.record if have.stored is not None else None
        return record is not None and not self._wanted.may_be_of(record.source)

    def _keep(self, have: Considered) -> ImagePlan:
        option = have.option
        name = merge_name(self._facts, option)
        link = have.link if name is None else f"{name}.raw"
        there = self._linked.get(link or "")
        return ImagePlan(
            wanted=self._wanted,
            action=Action.KEEP if there is not None and there.file_name == option.file_name else Action.LINK,
            reason=have.reason,
            chosen=self._published_as(option) or option,
            link=link,
            remove=self._links_but(link),
            before=option.version,
            before_file=option.file_name,
            warnings=tuple(self._warnings_of_kept(have)),
            considered=self._considered(have),
        )

    def _warnings_of_kept(self, have: Considered) -> Iterator[str]:
        """What people have to know of an image that stays."""
        option, sources = have.option, self._wanted.sources
        if not option.whole:
            yield f"{option.file_name} is kept, but {have.reason}"
        if sources and not {*self._facts.sources, *self._facts.unusable} & set(sources):
            yield f"source {' '.join(sources)} is not configured, so that it gets no update"
        rebuilt = next((each.option for each in self._published if self._is_rebuilt(option, each.option)), None)
        if rebuilt is not None and self._wanted.hold is None:
            name = self._wanted.name
            yield f"{rebuilt.origin} has another content of {rebuilt.version} now: tukit-sysext update {name} takes it"

    def _take(self, best: Considered) -> ImagePlan:
        option, have = best.option, self._have
        name = merge_name(self._facts, option)
        link = f"{name}.raw" if name is not None else None
        warnings: list[str] = []
        if have is not None and have.standing is Standing.BROKEN:
            warnings.append(f"{have.option.file_name} is {have.reason}")
        record = have.option.stored.record if have is not None and have.option.stored is not None else None
        if record is not None and option.candidate is not None and record.source not in self._facts.sources:
            warnings.append(
                f"{record.version} is of {record.source}, which is not configured any more: from now on it comes from "
                f"{option.origin}"
            )
        if self._published_as(option) is None:
            warnings.append(f"{option.version} is taken from the store: no source offers one that can be used")
        return ImagePlan(
            wanted=self._wanted,
            action=Action.LINK if option.whole else Action.FETCH,
            reason=best.reason,
            chosen=option,
            link=link,
            remove=self._links_but(link) if link is not None else (),
            before=self._before,
            before_file=self._have.option.file_name if self._have is not None else None,
            warnings=tuple(warnings),
            considered=self._considered(best),
        )

    def _remove(self) -> ImagePlan:
        return ImagePlan(
            wanted=self._wanted,
            action=Action.REMOVE,
            reason=f"{self._wanted.origin} says State=removed",
            remove=self._links_but(None),
            before=self._before,
            before_file=self._have.option.file_name if self._have is not None else None,
        )

    def left_out(self, why: Why, considered: tuple[Considered, ...] = ()) -> ImagePlan:
        """Leave it out for a reason, which may refuse the update."""
        facts, wanted = self._facts, self._wanted
        follows, in_use = consequence(facts, wanted, why.kind), facts.in_use.get(wanted.name)
        bounded = in_use is not None and wanted.may_refuse and is_over(facts, wanted)
        age = span_text(facts.refused_for.get(wanted.name, 0))
        warning = f"it held back updates for {age}, more than RefuseFor= allows: counted as optional"
        lost = in_use if follows is Consequence.LOUD else None
        also = f"; {lost.shown} of {lost.system} is lost" if lost is not None else ""
        return ImagePlan(
            wanted=wanted,
            action=Action.LEAVE_OUT,
            reason=f"{why.kind}: {why.reason}{also}",
            remove=self._links_but(None) if why.kind is not LeftOut.NO_PLACE else (),
            before=self._before,
            before_file=self._have.option.file_name if self._have is not None else None,
            left_out=why.kind,
            next_step=why.next_step,
            consequence=follows,
            in_use=in_use,
            warnings=(warning,) if bounded else (),
            considered=considered,
        )

    def occupied(self, foreign: Foreign) -> ImagePlan:
        """Something that is not ours has the name: it is never touched; where it would be merged it serves."""
        reason = f"/etc/extensions/{foreign.entry.name} is not ours ({foreign.note or foreign.entry.kind})"
        if foreign.complaint:
            return self.left_out(Why(kind=LeftOut.NO_PLACE, reason=f"{reason}: {foreign.complaint}"))
        warning = f"{reason} and is left as it is; move it away to have the published image"
        return ImagePlan(wanted=self._wanted, action=Action.LEAVE_ALONE, reason=reason, warnings=(warning,))

    @property
    def _before(self) -> str | None:
        return self._have.option.version if self._have is not None else None

    def _links_but(self, link: str | None) -> tuple[str, ...]:
        return tuple(sorted(name for name in self._linked if name != link))

    def _published_as(self, option: Option) -> Option | None:
        """The first published version that has the same file name."""
        return next((each.option for each in self._published if each.option.file_name == option.file_name), None)

    def _considered(self, also: Considered | None) -> tuple[Considered, ...]:
        """What is published, and one more version if that is not among it."""
        more = also is not None and self._published_as(also.option) is None
        return (*self._published, also) if also is not None and more else self._published


def _foreign(facts: Facts, stem: str) -> Foreign | None:
    """The entry that is not ours and that systemd-sysext would see under this name."""
    return next((foreign for foreign in facts.foreign if foreign.entry.stem == stem), None)


def _without_twins(facts: Facts, images: Iterable[ImagePlan]) -> Iterator[ImagePlan]:
    """Let one image alone have a name: of two that turn out to share it, systemd would merge one."""
    taken: dict[str, str] = {}
    for image in images:
        if image.link is None:
            yield image
            continue
        stem = image.link.removesuffix(".raw")
        in_the_way = _foreign(facts, stem)
        if in_the_way is not None:
            yield _Case(facts, image.wanted).occupied(in_the_way)
        elif taken.setdefault(stem, image.name) != image.name:
            reason = f"its content calls itself {stem}, as that of {taken[stem]} does"
            why = Why(kind=LeftOut.BROKEN, reason=reason)
            yield without(facts, image, why)
        else:
            yield image
