# SPDX-License-Identifier: LGPL-2.1-or-later
"""Where a command that only looks puts what it has to write, such as a copy of an RPM database."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tukit_sysext.machine import Machine


@contextmanager
def looking_scratch(machine: Machine) -> Iterator[Path]:
    """A directory that may be written: ours, or one for an ordinary user that goes again."""
    if machine.privileged:
        yield machine.layout.cache
        return
    from tempfile import TemporaryDirectory

    with TemporaryDirectory(prefix="tukit-sysext-") as folder:
        yield Path(folder)
