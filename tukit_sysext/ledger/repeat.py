# SPDX-License-Identifier: LGPL-2.1-or-later
"""What of an event that was remembered before makes it one that need not be remembered again."""

from __future__ import annotations

from enum import Enum


class Repeat(Enum):
    """When an event is the repetition of one that is remembered already."""

    IN_A_ROW = "nothing else happened since"
    OF_ITS_KIND = "the last one of its kind is the same"
    OF_ITS_SNAPSHOT = "the last one of its kind and snapshot is the same"
