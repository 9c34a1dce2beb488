# SPDX-License-Identifier: LGPL-2.1-or-later
"""Whether a transaction is at work: a process of tukit."""

from __future__ import annotations

import os
from pathlib import Path

_NAMES = frozenset(name[:15] for name in ("tukit", "tukitd", "transactional-update"))
"""Names as the kernel has them, cut (proc_pid_comm(5))."""


def tukit_runs(root: Path) -> bool:
    """Whether tukit, its service or transactional-update runs; also where that is not known."""
    try:
        processes = [name for name in os.listdir(root / "proc") if name.isdecimal()]
    except OSError:
        return True
    return not processes or any(_name(root / "proc" / process / "comm") in _NAMES for process in processes)


def _name(path: Path) -> str:
    try:
        return path.read_text(errors="replace").strip()
    except OSError:
        return ""  # it has ended
