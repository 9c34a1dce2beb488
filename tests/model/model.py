# SPDX-License-Identifier: LGPL-2.1-or-later
"""The model: what was done to the machine, and what follows from it. Knows nothing of how the package looks at it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum, StrEnum

from tests.model.images import file_of

EXTENSIONS = "extensions"
CONFEXTS = "confexts"
QUARANTINE = "tukit-sysext/quarantine"
PLACES = (EXTENSIONS, CONFEXTS, QUARANTINE)
"""Folders of links, relative to /etc."""


class Etc(StrEnum):
    """What stands where a snapshot's /etc should be."""

    THERE = "there"
    MISSING = "missing"
    EMPTY = "empty"


class Words(Enum):
    """What the third-party plugin says of its references."""

    NOTHING = 0
    REFERS = 1
    FAILS = 2


@dataclass(slots=True)
class Snap:
    """A snapshot. ``links`` by place and name: the file of the store that each leads to.

    ``overlay`` is the number of the overlay that its /etc is. ``abandoned``: its transaction was killed.
    """

    number: int
    uuid: str
    level: str
    wanted: dict[str, int | None]
    links: dict[tuple[str, str], str]
    open: bool = False
    read_only: bool = False
    abandoned: bool = False
    tree: bool = True
    info: bool = True
    etc: Etc = Etc.THERE
    overlay: int | None = None

    @property
    def complete(self) -> bool:
        """Whether everything of it can be read."""
        return self.tree and self.info and self.etc is Etc.THERE


@dataclass(slots=True)
class Model:
    """Everything that the test did, as far as it matters.

    Of images: ``offered`` contents (by their hash) that any source ever had under a name, ``truth`` the hash that each
    file of the store had when it came, ``damaged`` those that the test has changed since, ``silent`` those where that
    shows in nothing but the content. ``born`` in seconds by the test's clock. ``waiting`` has the times of the runs in
    which a collection may have seen that nothing needs a file of this name. ``lost`` is needed and not there, by the
    test's own doing.
    """

    snaps: dict[int, Snap] = field(default_factory=dict)
    running: int = 1
    default: int = 1
    mounted: bool = True
    overlays: dict[int, dict[str, str]] = field(default_factory=dict)
    merged: set[str] = field(default_factory=set)
    words: Words = Words.NOTHING
    referred: str = ""
    offered: dict[str, set[str]] = field(default_factory=dict)
    source: dict[str, bytes] = field(default_factory=dict)
    truth: dict[str, str] = field(default_factory=dict)
    damaged: set[str] = field(default_factory=set)
    silent: set[str] = field(default_factory=set)
    born: dict[str, int] = field(default_factory=dict)
    waiting: dict[str, list[int]] = field(default_factory=dict)
    lost: set[str] = field(default_factory=set)
    latest: int = 0
    made: int = 0
    serial: int = 0

    def trees(self) -> list[Snap]:
        """Snapshots that have a tree, by number."""
        return [snap for _, snap in sorted(self.snaps.items()) if snap.tree]

    def usable(self) -> list[Snap]:
        """Snapshots of today's kind that everything is known of."""
        return [snap for snap in self.trees() if snap.complete and snap.overlay is None]

    def pending(self) -> list[Snap]:
        """Open transactions that tukit still has in hand."""
        return [snap for snap in self.trees() if snap.open and not snap.abandoned]

    def removable(self) -> list[Snap]:
        """What snapper would delete: neither the running one nor that which boots next."""
        return [snap for _, snap in sorted(self.snaps.items()) if snap.number not in (self.running, self.default)]

    def sure(self) -> bool:
        """Whether all that keeps images can be read."""
        halves = any((snap.tree and not snap.complete) or (snap.info and not snap.tree) for snap in self.snaps.values())
        return self.mounted and not halves and self.words is not Words.FAILS

    def needed(self) -> set[str]:
        """All files that something needs, whether it can be read now or not."""
        found = {image for snap in self.trees() for image in snap.links.values()}
        found |= {image for links in self.overlays.values() for image in links.values()}
        found |= self.merged | set(self.held())
        return found | ({self.referred} if self.words is Words.REFERS else set())

    def held(self) -> Iterator[str]:
        """Files of versions that are held where that counts."""
        for snap in self.trees():
            if snap.etc is Etc.THERE and (snap.open or snap.number in (self.running, self.default)):
                yield from (file_of(name, hold) for name, hold in snap.wanted.items() if hold is not None)

    def free_number(self, *, reuse: bool) -> int:
        """The next number as snapper has it; with ``reuse`` the smallest that is free."""
        if reuse:
            return next(number for number in range(2, 100) if number not in self.snaps)
        return max(self.latest, *self.snaps) + 1
