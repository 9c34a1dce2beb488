# SPDX-License-Identifier: LGPL-2.1-or-later
"""Files that two images of one system have under one path, and not the same: which one is seen, and what follows. Pure.

systemd-sysext lays images over each other in the order of their names, compared as versions (UAPI.10), the last on top.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations
from typing import NamedTuple

from tukit_sysext.config.wanted import Attitude, WantedImage
from tukit_sysext.requirements.contents import Contents
from tukit_sysext.requirements.shadowing import in_short, overlap
from tukit_sysext.rules.version import compare
from tukit_sysext.store.record import Record
from tukit_sysext.update.facts import Offers


class MergedImage(NamedTuple):
    """An image as a system gets it: ``stem`` is its link without ``.raw``, ``record`` what the store has of it.

    ``kept``: it is linked already.
    """

    wanted: WantedImage
    stem: str
    version: str
    contents: Contents | None
    record: Record | None
    kept: bool

    @classmethod
    def of_record(cls, record: Record, *, wanted: WantedImage, stem: str, kept: bool) -> MergedImage:
        """An image of the store."""
        version, contents = record.version, record.contents
        return cls(wanted=wanted, stem=stem, version=version, contents=contents, record=record, kept=kept)

    @property
    def shown(self) -> str:
        """Name and version for people."""
        return f"{self.wanted.name} {self.version}"

    @property
    def refuses(self) -> bool:
        """Whether it must not collide with another."""
        return self.wanted.shadow is Attitude.REFUSE


class Collision(NamedTuple):
    """Two images whose ``paths`` differ, those of ``upper`` are seen."""

    upper: MergedImage
    lower: MergedImage
    paths: tuple[str, ...]

    @property
    def refused(self) -> MergedImage | None:
        """The one of them that Shadow= refuses: of two that say so what is new before what is linked, then the upper.

        None where neither says so.
        """
        refusing = [image for image in (self.upper, self.lower) if image.refuses]
        return min(refusing, key=lambda image: image.kept, default=None)

    def told_of(self, image: MergedImage) -> str:
        """What is said of one of them."""
        paths = in_short(self.paths)
        what = (
            f"it hides {paths} of {self.lower.shown}"
            if image is self.upper
            else f"{self.upper.shown} hides its {paths}"
        )
        return f"{what}, which differs: the last name is on top"


def collisions(images: Sequence[MergedImage], offers: Offers | None) -> Iterator[Collision]:
    """All that matter to somebody; where neither refuses, and one ignores them, they do not.

    Files of one size are compared where the store has both images, and there is who does that.
    """
    for one, other in combinations(images, 2):
        attitudes = {one.wanted.shadow, other.wanted.shadow}
        if Attitude.IGNORE in attitudes and Attitude.REFUSE not in attitudes:
            continue
        order = (one, other) if compare(one.stem, other.stem) < 0 else (other, one)
        paths = _differing(*order, offers)
        if paths:
            yield Collision(lower=order[0], upper=order[1], paths=paths)


def _differing(lower: MergedImage, upper: MergedImage, offers: Offers | None) -> tuple[str, ...]:
    if lower.contents is None or upper.contents is None:
        return ()
    found = overlap(lower.contents, upper.contents)
    differ = set(found.differ)
    if found.as_large and offers is not None and lower.record is not None and upper.record is not None:
        differ |= offers.differing(lower.record, upper.record, found.as_large)
    return tuple(sorted(differ))
