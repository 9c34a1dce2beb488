# SPDX-License-Identifier: LGPL-2.1-or-later
"""The decision: which image each wanted one gets in a tree. Pure; ``check`` prints it and the hook carries it out.

Order of preference for one image:

1. what sources offer now, the strongest source first, in it the newest version (UAPI.10); the first that fits
2. the linked image stays where it fits and that of rule 1 is not newer: an update never brings an older version, unless
   ``Source=`` wants it from another source than that of the linked one
3. where nothing that is offered can be used, an image that is in the store already
4. a held version alone counts, wherever it is
5. a blocked version (``Block=`` of the image, ``[Block]`` of the settings) is never chosen, not where it is linked,
   held or in the store either: in rules 1 to 4 it counts as one that does not fit. An update may bring an older version
   then, and leaves the image out, or is refused, where there is no other. What other snapshots have is not touched, and
   a repair by the recorded hash brings a blocked version back where it was
6. so does a version that ``Version=`` of the image does not allow
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from tukit_sysext.config.files import Problem
from tukit_sysext.config.wanted import State, WantedImage
from tukit_sysext.quantities import span_text
from tukit_sysext.rules.version import compare
from tukit_sysext.sources.candidate import Candidate, Standing
from tukit_sysext.update.facts import Facts, Foreign, TreeFacts
from tukit_sysext.update.kept_away import kept_away, nothing_fits, undescribed
from tukit_sysext.update.options import Considered, Option, current, linked, merge_name, offered, spare


class Action(StrEnum):
    """What happens to one wanted image."""

    KEEP = "keep"
    LINK = "link"
    FETCH = "fetch"
    LEAVE_OUT = "leave out"
    REMOVE = "remove"
    LEAVE_ALONE = "leave alone"


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


_FAULTS = (LeftOut.NOT_STORED, LeftOut.FAULT)


@dataclass(frozen=True, kw_only=True, slots=True)
class ImagePlan:
    """What happens to one wanted image, and why.

    ``chosen`` is the image afterwards and ``link`` the name of its link (known once its content is), ``remove`` the
    links of ours that go, ``before`` the version that the tree had. ``left_out`` says which kind of reason there is for
    having none afterwards, ``next_step`` what can be done where that kind does not tell it, ``refuses`` whether it
    stops the update.
    """

    wanted: WantedImage
    action: Action
    reason: str
    chosen: Option | None = None
    link: str | None = None
    remove: tuple[str, ...] = ()
    before: str | None = None
    left_out: LeftOut | None = None
    next_step: str = ""
    refuses: bool = False
    warnings: tuple[str, ...] = ()
    considered: tuple[Considered, ...] = ()

    @property
    def name(self) -> str:
        """The image's name."""
        return self.wanted.name


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
        return {image.name: image.reason for image in self.images if image.refuses}

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
    images = [_decide_one(facts, wanted) for _, wanted in sorted(facts.wanted.items())]
    return Plan(
        tree=facts.tree,
        images=tuple(_without_twins(facts, images)),
        foreign=facts.foreign,
        problems=facts.problems,
        unreachable={**facts.unreachable, **facts.broken_sources},
        masked=facts.masked,
    )


def undecided(facts: Facts) -> tuple[Candidate, ...]:
    """What has to be described next: of each image the best candidate that nobody looked at, if it could be taken.

    Where none can be, those are next that the configuration keeps away: who has to mend it depends on them.
    """
    ask: list[Candidate] = []
    for _, wanted in sorted(facts.wanted.items()):
        for item in offered(facts, wanted):
            if item.standing is Standing.NOT_ASKED and item.option.candidate is not None:
                ask.append(item.option.candidate)
            if item.usable or item.standing is Standing.NOT_ASKED:
                break
        else:
            nothing = _decide_one(facts, wanted).left_out in (LeftOut.NOTHING_FITS, LeftOut.KEPT_AWAY)
            more = undescribed(facts, wanted) if nothing else None
            ask += [more] if more is not None else []
    return tuple(ask)


def _decide_one(facts: Facts, wanted: WantedImage) -> ImagePlan:
    if facts.tree.unusable:
        return _left_out(facts, wanted, LeftOut.NO_PLACE, facts.tree.unusable)
    if wanted.state is State.REMOVED:
        return _removal(facts, wanted)
    in_the_way = _foreign(facts, wanted.name)
    if in_the_way is not None:
        return _occupied(facts, wanted, in_the_way)
    candidates = tuple(offered(facts, wanted))
    best = next((item for item in candidates if item.usable), None)
    have = current(facts, wanted)
    if have is not None and have[1].standing is Standing.FITS and _stays(have[1].option, best, wanted):
        return _keep(facts, wanted, *have, candidates)
    if best is None:
        best = next((item for item in spare(facts, wanted) if item.standing is Standing.FITS), None)
    if best is not None:
        return _take(facts, wanted, best, have, candidates)
    if have is not None and have[1].usable:
        return _keep(facts, wanted, *have, candidates)
    if have is not None and not _among(have[1].option, candidates):
        candidates = (*candidates, have[1])
    return _nothing(facts, wanted, candidates)


def _stays(have: Option, best: Considered | None, wanted: WantedImage) -> bool:
    if best is None:
        return True
    if _of_another_source(have, wanted) and best.option.file_name != have.file_name:
        return False  # older or not: Source= says from where it is wanted
    if wanted.hold is not None and have.whole:
        return True
    if not have.whole and best.option.file_name == have.file_name:
        return False  # the source can tell whether this file of unknown origin is the published one
    return compare(best.option.version, have.version) <= 0


def _of_another_source(have: Option, wanted: WantedImage) -> bool:
    record = have.stored.record if have.stored is not None else None
    return wanted.source is not None and record is not None and record.source != wanted.source


def _keep(
    facts: Facts, wanted: WantedImage, link: str, have: Considered, candidates: tuple[Considered, ...]
) -> ImagePlan:
    option = have.option
    warnings = [
        f"{item.option.version} of {item.option.origin} is not taken: {item.reason}"
        for item in candidates
        if item.standing in (Standing.BROKEN, Standing.UNREACHABLE, Standing.NOT_STORED)
        and compare(item.option.version, option.version) > 0
    ]
    if not option.whole:
        warnings.append(f"{option.file_name} is kept, but {have.reason}")
    if wanted.source is not None and wanted.source not in facts.sources and wanted.source not in facts.unusable:
        warnings.append(f"source {wanted.source} is not configured, so that it gets no update")
    same = next((item.option for item in candidates if item.option.file_name == option.file_name), None)
    if same is not None and _of_another_source(option, wanted) and same.sha256 != option.sha256:
        warnings.append(
            f"{option.file_name} of {same.origin} has other content than the linked one, and cannot be had beside it: "
            "ask its publisher for a new version"
        )
    name = merge_name(facts, option)
    right = link if name is None else f"{name}.raw"
    ours = linked(facts, wanted)
    there = ours.get(right)
    return ImagePlan(
        wanted=wanted,
        action=Action.KEEP if there is not None and there.file_name == option.file_name else Action.LINK,
        reason=have.reason,
        chosen=next((item.option for item in candidates if item.option.file_name == option.file_name), option),
        link=right,
        remove=tuple(sorted(name for name in ours if name != right)),
        before=option.version,
        warnings=tuple(warnings),
        considered=candidates if _among(option, candidates) else (*candidates, have),
    )


def _take(
    facts: Facts,
    wanted: WantedImage,
    best: Considered,
    have: tuple[str, Considered] | None,
    candidates: tuple[Considered, ...],
) -> ImagePlan:
    option = best.option
    name = merge_name(facts, option)
    link = f"{name}.raw" if name is not None else None
    warnings: list[str] = []
    if have is not None and have[1].standing is Standing.BROKEN:
        warnings.append(f"{have[1].option.file_name} is {have[1].reason}")
    if not _among(option, candidates):
        warnings.append(f"{option.version} is taken from the store: no source offers one that can be used")
    return ImagePlan(
        wanted=wanted,
        action=Action.LINK if option.whole else Action.FETCH,
        reason=best.reason,
        chosen=option,
        link=link,
        remove=tuple(sorted(name for name in linked(facts, wanted) if name != link)) if link is not None else (),
        before=have[1].option.version if have is not None else None,
        warnings=tuple(warnings),
        considered=candidates if _among(option, candidates) else (*candidates, best),
    )


def _among(option: Option, items: Iterable[Considered]) -> bool:
    return any(item.option.file_name == option.file_name for item in items)


def _nothing(facts: Facts, wanted: WantedImage, considered: tuple[Considered, ...]) -> ImagePlan:
    """No image can be had: find out which of the reasons it is."""
    unusable = [f"{name}: {why}" for name, why in sorted(facts.unusable.items()) if wanted.source in (None, name)]
    if unusable:
        return _left_out(facts, wanted, LeftOut.FAULT, "; ".join(unusable), considered)
    away = [f"{name}: {why}" for name, why in sorted(facts.unreachable.items()) if wanted.source in (None, name)]
    away += [item.reason for item in considered if item.standing is Standing.UNREACHABLE]
    broken = [item for item in considered if item.standing is Standing.BROKEN]
    refused = {name: why for name, why in sorted(facts.broken_sources.items()) if wanted.source in (None, name)}
    not_stored = [item for item in considered if item.standing is Standing.NOT_STORED]
    if not_stored:
        return _left_out(facts, wanted, LeftOut.NOT_STORED, not_stored[0].reason, considered)
    kept = kept_away(facts, wanted)
    if away:
        # what would fit without it is at hand: the network has its part in this alone
        also, next_step = ([kept.reason], kept.next_step) if kept is not None else ([], "")
        return _left_out(facts, wanted, LeftOut.UNREACHABLE, "; ".join((*away, *also)), considered, next_step=next_step)
    if refused:
        told = "; ".join(f"{name}: {why}" for name, why in refused.items())
        next_step = "; ".join(dict.fromkeys(facts.next_steps[name] for name in refused if name in facts.next_steps))
        return _left_out(facts, wanted, LeftOut.LIST_REFUSED, told, considered, next_step=next_step)
    if broken:
        told = f"{broken[0].option.version} of {broken[0].option.origin}: {broken[0].reason}"
        return _left_out(facts, wanted, LeftOut.BROKEN, told, considered)
    if kept is not None:
        return _left_out(facts, wanted, LeftOut.KEPT_AWAY, kept.reason, considered, next_step=kept.next_step)
    return _left_out(facts, wanted, LeftOut.NOTHING_FITS, nothing_fits(facts, wanted, considered), considered)


def _left_out(
    facts: Facts,
    wanted: WantedImage,
    left_out: LeftOut,
    reason: str,
    considered: tuple[Considered, ...] = (),
    *,
    next_step: str = "",
) -> ImagePlan:
    have = current(facts, wanted)
    age = facts.refused_for.get(wanted.name, 0)
    over = facts.refuse_for is not None and age >= facts.refuse_for > 0
    warning = f"it held back updates for {span_text(age)}, more than RefuseFor= allows: counted as optional"
    return ImagePlan(
        wanted=wanted,
        action=Action.LEAVE_OUT,
        reason=f"{left_out}: {reason}",
        remove=tuple(sorted(linked(facts, wanted))) if left_out is not LeftOut.NO_PLACE else (),
        before=have[1].option.version if have is not None else None,
        left_out=left_out,
        next_step=next_step,
        refuses=wanted.may_refuse and facts.policy_known and not over and left_out not in _FAULTS,
        warnings=(warning,) if wanted.may_refuse and over else (),
        considered=considered,
    )


def _removal(facts: Facts, wanted: WantedImage) -> ImagePlan:
    have = current(facts, wanted)
    return ImagePlan(
        wanted=wanted,
        action=Action.REMOVE,
        reason=f"{wanted.origin} says State=removed",
        remove=tuple(sorted(linked(facts, wanted))),
        before=have[1].option.version if have is not None else None,
    )


def _foreign(facts: Facts, stem: str) -> Foreign | None:
    """The entry that is not ours and that systemd-sysext would see under this name."""
    return next((item for item in facts.foreign if item.entry.name.removesuffix(".raw") == stem), None)


def _occupied(facts: Facts, wanted: WantedImage, item: Foreign) -> ImagePlan:
    """Something that is not ours has the name: it is never touched; where it would be merged it serves."""
    told = f"/etc/extensions/{item.entry.name} is not ours ({item.note or item.entry.kind})"
    if item.complaint:
        return _left_out(facts, wanted, LeftOut.NO_PLACE, f"{told}: {item.complaint}")
    warning = f"{told} and is left as it is; move it away to have the published image"
    return ImagePlan(wanted=wanted, action=Action.LEAVE_ALONE, reason=told, warnings=(warning,))


def _without_twins(facts: Facts, images: Iterable[ImagePlan]) -> Iterable[ImagePlan]:
    """Two images under one name, which only their contents told: the first has it, systemd would merge one alone."""
    taken: dict[str, str] = {}
    for image in images:
        if image.link is None:
            yield image
            continue
        stem = image.link.removesuffix(".raw")
        in_the_way = _foreign(facts, stem)
        if in_the_way is not None:
            yield _occupied(facts, image.wanted, in_the_way)
        elif taken.setdefault(stem, image.name) != image.name:
            told = f"its content calls itself {stem}, as that of {taken[stem]} does"
            yield replace(_left_out(facts, image.wanted, LeftOut.BROKEN, told), considered=image.considered)
        else:
            yield image
