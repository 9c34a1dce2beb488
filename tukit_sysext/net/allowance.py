# SPDX-License-Identifier: LGPL-2.1-or-later
"""Time that requests may take together, whatever each of them may take: many that are slow add up to no more."""

from __future__ import annotations


class Allowance:
    """``seconds`` for all requests that are run with it; ``setting`` names where they are set, for messages.

    ``regained`` seconds come back with each answer, so that a thousand that come are not stopped by what stops six
    that do not.
    """

    def __init__(self, seconds: float, setting: str, *, regained: float = 0.0) -> None:
        self.left = self._most = seconds
        self.setting = setting
        self._regained = regained

    def spend(self, seconds: float) -> None:
        """So much of it is used up."""
        self.left -= seconds

    def answered(self) -> None:
        """An answer came."""
        self.left = min(self._most, self.left + self._regained)
