# SPDX-License-Identifier: LGPL-2.1-or-later
"""Which image one wanted image gets in a tree. Pure.

Order of preference:

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

from collections.abc import Iterable, Iterator
from dataclasses import replace

from tukit_sysext.config.intent import State
from tukit_sysext.config.wanted import Attitude, WantedImage
from tukit_sysext.quantities import span_text
from tukit_sysext.rules.prerelease import is_prerelease, order
from tukit_sysext.rules.version import compare
from tukit_sysext.sources.candidate import Standing
from tukit_sysext.update.considered import Considered, Option, contents_of, merge_name
from tukit_sysext.update.facts import Facts, Foreign
from tukit_sysext.update.judging import last_resort
from tukit_sysext.update.left_out import Consequence, LeftOut, Why, consequence, is_over, why_nothing
from tukit_sysext.update.options import current, preferred, published, spare, stronger_not_asked, takes_prereleases
from tukit_sysext.update.plan import Action, ImagePlan


class Choice:
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
        in_the_way = self._facts.in_the_way(self._wanted.name)
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
            reason=f"{why.text}{also}",
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
        """Something that is not ours has the name: it is never touched; where it would be merged it serves.

        Who masks an image does without it, whatever its policy.
        """
        if foreign.entry.is_mask:
            reason = f"masked by /etc/extensions/{foreign.entry.name}, a link to /dev/null"
            return ImagePlan(wanted=self._wanted, action=Action.LEAVE_ALONE, reason=reason, masked=True)
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
