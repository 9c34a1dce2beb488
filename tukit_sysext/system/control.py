# SPDX-License-Identifier: LGPL-2.1-or-later
"""The control run: does a program of ours work, or did it fail on an input because it fails on everything?

What a program says against an image or a signature counts only when the same program, with the same limits, accepts an
input that is known to be good, which the package ships (tests/known_good.py makes it). That is tried once in a process,
and only after a failure: the good path costs nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tukit_sysext.errors import ImageBroken, NoVerdict, ToolBroken

KNOWN_GOOD = Path(__file__).parent / "known_good"
"""The folder of the known good input."""


class Control:
    """Remembers of programs, by their paths, whether they work."""

    def __init__(self) -> None:
        self._faults: dict[str, str | None] = {}

    def recall(self, program: str) -> None:
        """Raise ToolBroken where the program is known not to work: it is not waited for again."""
        fault = self._faults.get(program)
        if fault is not None:
            raise ToolBroken(
                f"{program} does not work on this machine, it fails on a good input too: {fault}",
                next_step=f"correct {program}, and try it:\ntukit-sysext doctor",
            )

    def check(self, program: str, attempt: Callable[[], None]) -> None:
        """See whether the program works. Raises ToolBroken where it does not.

        ``attempt`` runs it on the known good input, and raises where it does not accept that.
        """
        if program not in self._faults:
            try:
                attempt()
            except (ImageBroken, NoVerdict, ToolBroken) as error:
                self._faults[program] = str(error)
            else:
                self._faults[program] = None
        self.recall(program)


CONTROL = Control()
"""Of this process."""
