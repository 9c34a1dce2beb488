# SPDX-License-Identifier: LGPL-2.1-or-later
"""What goes wrong with labs."""

from __future__ import annotations


class LabError(Exception):
    """A lab could not be built, started or used; the message says what to do where that is known."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(f"{message}\nHint: {hint}" if hint else message)
