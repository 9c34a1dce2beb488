# SPDX-License-Identifier: LGPL-2.1-or-later
"""Everything that a plugin imports; ``tukit-sysext plugins --hooks`` says what it can implement.

Not stable before tukit-sysext 1.0: until then any version may change it, and says so in its CHANGELOG. Nothing else of
this package is meant for plugins.

* to implement hooks: :data:`hookimpl`
* to offer images: :class:`Source`, :class:`Sink`, :class:`Candidate`, :class:`Description`, :class:`Standing`,
  :class:`ReleaseData`
* to keep images: :class:`Root`
* to say what went wrong: :class:`SourceUnreachable`, :class:`ImageBroken`; what a sink raises: :class:`StoreError`; all
  of them are a :class:`TukitSysextError`
* to judge images: :class:`Contents`, :class:`Requirement`, :class:`Ground`
* what hooks are given, of which public attributes alone are meant: :class:`Machine`, :class:`Configuration`,
  :class:`SourceSettings`, :class:`Scan`, :class:`Snapshot`, :class:`Transaction`, :class:`Outcome`, :class:`Change`
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

import pluggy

from tukit_sysext.all_plugins import Root
from tukit_sysext.errors import ImageBroken, SourceUnreachable, StoreError, TukitSysextError

if TYPE_CHECKING:
    from tukit_sysext.config.settings import Configuration, SourceSettings
    from tukit_sysext.machine import Machine
    from tukit_sysext.requirements.contents import Contents
    from tukit_sysext.requirements.ground import Ground
    from tukit_sysext.requirements.requirement import Requirement
    from tukit_sysext.rules.release import ReleaseData
    from tukit_sysext.snapshots.snapper import Scan
    from tukit_sysext.snapshots.snapshot import Snapshot
    from tukit_sysext.sources.candidate import Candidate, Description, Standing
    from tukit_sysext.sources.protocol import Sink, Source
    from tukit_sysext.update.outcome import Change, Outcome
    from tukit_sysext.update.transaction import Transaction

__all__ = [
    "Candidate",
    "Change",
    "Configuration",
    "Contents",
    "Description",
    "Ground",
    "ImageBroken",
    "Machine",
    "Outcome",
    "ReleaseData",
    "Requirement",
    "Root",
    "Scan",
    "Sink",
    "Snapshot",
    "Source",
    "SourceSettings",
    "SourceUnreachable",
    "Standing",
    "StoreError",
    "Transaction",
    "TukitSysextError",
    "hookimpl",
]

PROJECT = "tukit_sysext"
"""The project's name towards pluggy, and the group of entry points."""

hookimpl = pluggy.HookimplMarker(PROJECT)
"""Marks the implementation of a hook: @hookimpl."""

_LATER = {
    "Candidate": "sources.candidate",
    "Change": "update.outcome",
    "Configuration": "config.settings",
    "Contents": "requirements.contents",
    "Description": "sources.candidate",
    "Ground": "requirements.ground",
    "Machine": "machine",
    "Outcome": "update.outcome",
    "ReleaseData": "rules.release",
    "Requirement": "requirements.requirement",
    "Scan": "snapshots.snapper",
    "Sink": "sources.protocol",
    "Snapshot": "snapshots.snapshot",
    "Source": "sources.protocol",
    "SourceSettings": "config.settings",
    "Standing": "sources.candidate",
    "Transaction": "update.transaction",
}
"""What is imported when a plugin asks for it, by its module: collecting and settling do without."""


def __getattr__(name: str) -> object:
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{PROJECT}.{_LATER[name]}"), name)
