# SPDX-License-Identifier: LGPL-2.1-or-later
"""One rule for an image as it is shown: its name, and the values of both sides."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple


class Side(StrEnum):
    """What a rule is about, beside systemd's own (whose names are those of :mod:`tukit_sysext.rules.matching`)."""

    PLACE = "place"
    """Whether a link can be made in the tree."""
    STATE = "state"
    """State= of the image, or a mask in its place."""
    SOURCE = "source"
    VENDOR = "other-source"
    """An installed image stays with its source, and nothing comes from a weaker one while a stronger is away."""
    FILE = "file-architecture"
    """The architecture that the file's name tells."""
    HOLD = "hold"
    VERSION = "version"
    SERIES = "series"
    BLOCK = "block"
    CONTENT = "content"
    """Whether what the image says of itself can be had, and used."""
    HIDES = "hides"
    """Whether it would hide a part of the system."""
    REQUIRED = "required"
    """Requires= of the wanted image."""
    STATED = "stated"
    """What its publisher requires for it."""
    NEEDS = "needs"
    """What was found out of its files, held against the version in use."""
    SHADOW = "shadow"
    """What of the system it replaces with something older."""
    NOTE = "note"
    """What people have to know of it; the image fits all the same."""
    PLUGIN = "plugin"


class Rule(NamedTuple):
    """One rule: what the system (or its configuration) has, what the image has.

    ``fits`` is None where it was not looked at, because something before it decided.
    """

    rule: str
    fits: bool | None
    system: str | None = None
    image: str | None = None
