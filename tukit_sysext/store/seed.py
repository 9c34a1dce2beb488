# SPDX-License-Identifier: LGPL-2.1-or-later
"""An image of the store of which another version can be made in part, or the same anew."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class Seed:
    """The hash that the list of its source had, the index of its chunks (caibx; None: there is none), and what opens it
    for reading, which raises OSError. One that is not ``whole`` is damaged, or gone: what it has is to be looked at.
    """

    sha256: str
    index: bytes | None
    opened: Callable[[], AbstractContextManager[int]]
    whole: bool = True
