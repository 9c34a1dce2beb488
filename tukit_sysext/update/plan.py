# SPDX-License-Identifier: LGPL-2.1-or-later
"""What happens to the images of a tree, and why. Values only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from itertools import takewhile

from tukit_sysext.config.files import Problem
from tukit_sysext.config.wanted import Policy, WantedImage
from tukit_sysext.rules.names import shown_version
from tukit_sysext.rules.prerelease import order
from tukit_sysext.snapshots.fitting import TreeFacts
from tukit_sysext.sources.candidate import Standing
from tukit_sysext.update.considered import Considered, Option
from tukit_sysext.update.facts import Foreign, InUse
from tukit_sysext.update.left_out import Consequence, LeftOut


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
    ``notes`` what people have to know of it, ``warnings`` all that. ``masked``: the administrator does without it.
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
    masked: bool = False

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
        """What the chosen version lacks in the system, in words; empty where that is nothing, or it is not known."""
        chosen = next((each for each in self.considered if each.option.file_name == self._file), None)
        if chosen is None or chosen.standing is not Standing.LACKS or self.action is Action.LEAVE_OUT:
            return ""
        return f"{chosen.option.shown} {chosen.reason.removeprefix('it ')}"

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
