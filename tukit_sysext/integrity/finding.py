# SPDX-License-Identifier: LGPL-2.1-or-later
"""What an entry of a tree's /etc/extensions is worth, and what has to be done about it. Values only."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from tukit_sysext.config.wanted import State, WantedImage
from tukit_sysext.integrity.quarantine_folder import Held
from tukit_sysext.snapshots.entries import Entry
from tukit_sysext.store.image_store import Condition

GOOD = (Condition.WHOLE, Condition.UNRECORDED)

_LOST = (Condition.MISSING, Condition.DAMAGED, Condition.BROKEN)
"""The content is not what it has to be: repaired by having it again."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """One entry and what it is worth.

    ``file_name`` is the file of the store that it leads to (None: it leads elsewhere), ``name`` and ``version`` the
    image's. ``ours`` for a link into the store of an image that is wanted. ``recorded``: there is a record of its
    content. ``blocks``: as it is, systemd-sysext would merge nothing at all. ``unseen``: whether it does was not found
    out, as nobody looked into it. ``held`` is its place in quarantine, and
    ``obsolete`` why it need not come back from there (empty: it may).
    """

    entry: Entry
    name: str
    version: str
    condition: Condition
    reason: str = ""
    ours: bool = False
    recorded: bool = False
    blocks: bool = False
    unseen: bool = False
    held: Held | None = None
    obsolete: str = ""

    @property
    def file_name(self) -> str | None:
        """The file of the store that the entry leads to."""
        return self.entry.image

    @property
    def good(self) -> bool:
        """Whether nothing speaks against merging it."""
        return self.condition in GOOD

    @property
    def wrong(self) -> bool:
        """Whether something has to be done: somebody else's entry that only is not merged is none of our business."""
        if self.good or self.obsolete:
            return False
        return self.ours or self.blocks or (self.recorded and self.condition in _LOST)

    @property
    def can_be_mended(self) -> bool:
        """Whether a repair can be tried: what somebody else put there can only be taken away."""
        known = self.file_name is not None and self.condition is not Condition.UNKNOWN
        return known and self.wrong and (self.ours or self.recorded)

    @property
    def to_be_mended(self) -> bool:
        """Whether the content has to be had again."""
        return self.can_be_mended and self.condition in _LOST


def obsolete(held: Finding, there: Collection[str], wanted: Mapping[str, WantedImage]) -> str:
    """Why a link in quarantine has nothing to come back for; ``there`` are the images that have a good link."""
    if not held.ours:
        return ""
    if held.name in there:
        return f"{held.name} has a good link meanwhile"
    image = wanted[held.name]
    return f"{image.origin} says State=removed" if image.state is State.REMOVED else ""
