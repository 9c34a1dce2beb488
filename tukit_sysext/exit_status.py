# SPDX-License-Identifier: LGPL-2.1-or-later
"""The exit statuses of the command line and of the hook executables."""

from __future__ import annotations

from enum import IntEnum
from typing import Self


class ExitStatus(IntEnum):
    """An exit status; ``meaning`` is its text in the manual page, command names between asterisks.

    The numbers from 64 to 78 are those of sysexits.h.
    """

    meaning: str

    def __new__(cls, status: int, meaning: str) -> Self:
        member = int.__new__(cls, status)
        member._value_ = status
        member.meaning = meaning
        return member

    DONE = 0, "Done. Of a command that only looks: all is well, or what was asked for is possible."
    FAILED = 1, "It failed, or something is wrong; standard error says what, and the next step."
    USAGE = 2, "Wrong usage."
    LOST = 3, "An image is lost that the snapshot before has (**verify --lost**)."
    # EX_SOFTWARE; the sh hook turns it into 0, after a last check of its own
    NOT_DONE = 70, "A fault of tukit-sysext itself kept a hook from doing its job."
    # EX_TEMPFAIL: the same update may pass later
    REFUSED = 75, "An update with this tree would be refused by a required image (**check**, **preflight**)."
    INTERRUPTED = 130, "Interrupted (Ctrl-C). Nothing is left half done."
    BROKEN_PIPE = 141, "Whoever read the output has gone away."


COMMAND_LINE = tuple(status for status in ExitStatus if status is not ExitStatus.NOT_DONE)
"""The statuses of ``tukit-sysext``; the others are those of hook executables alone."""
