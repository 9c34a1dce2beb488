# SPDX-License-Identifier: LGPL-2.1-or-later
"""The condition of what systemd-sysext finds in a tree, and whether something has to be done. Values only."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from tukit_sysext.config.files import ConfigurationFile, Keys
from tukit_sysext.config.intent import State, take_state
from tukit_sysext.integrity.quarantine_folder import Quarantined
from tukit_sysext.rules.names import shown_version
from tukit_sysext.snapshots.entries import Entry
from tukit_sysext.store.image_store import Condition

GOOD = (Condition.WHOLE, Condition.UNRECORDED)

_LOST = (Condition.MISSING, Condition.DAMAGED, Condition.BROKEN)
"""The content is lost: repaired by bringing it back."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """An entry with its condition.

    ``name`` and ``version`` are the image's. ``ours`` for a link into the store of an image that is wanted.
    ``recorded``: there is a record of its content. ``blocks``: as it is, systemd-sysext would merge nothing at all.
    ``unseen``: whether it does is not known, as nobody looked into it. ``passed_over``: it is no image to it.
    ``quarantined`` is its place in quarantine, and ``obsolete`` why it need not come back from there (empty: it may).
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
    passed_over: bool = False
    quarantined: Quarantined | None = None
    obsolete: str = ""

    @property
    def file_name(self) -> str | None:
        """The file of the store that the entry leads to; None where it leads elsewhere."""
        return self.entry.image

    @property
    def shown(self) -> str:
        """The version for people, two contents of it told apart."""
        return shown_version(self.version, self.file_name or "")

    @property
    def taken(self) -> bool:
        """Whether systemd-sysext takes it for an image, whose name it does not look for in weaker folders then."""
        return not self.passed_over and self.condition is not Condition.MISSING

    @property
    def good(self) -> bool:
        """Whether nothing is known against merging it."""
        return self.condition in GOOD

    @property
    def wrong(self) -> bool:
        """Whether something has to be done. An entry that is not ours, and only is not merged, is left alone."""
        if self.good or self.obsolete:
            return False
        return self.ours or self.blocks or (self.recorded and self.condition in _LOST)

    @property
    def repairable(self) -> bool:
        """Whether a repair can be tried: what is neither ours nor recorded can only be moved away."""
        known = self.file_name is not None and self.condition is not Condition.UNKNOWN
        return known and self.wrong and (self.ours or self.recorded)

    @property
    def content_lost(self) -> bool:
        """Whether a repair has to bring the content back."""
        return self.repairable and self.condition in _LOST


def obsolete(quarantined: Finding, good: Collection[str], wanted: Mapping[str, ConfigurationFile]) -> str:
    """Why a link in quarantine need not come back; ``good`` are the images that have a good link."""
    if not quarantined.ours:
        return ""
    if quarantined.name in good:
        return f"{quarantined.name} has a good link meanwhile"
    file = wanted[quarantined.name]
    return f"{file.path} says State=removed" if take_state(Keys(file)) is State.REMOVED else ""
