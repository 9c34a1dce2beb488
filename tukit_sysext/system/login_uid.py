# SPDX-License-Identifier: LGPL-2.1-or-later
"""Who is at work: the user who logged in, whatever he became since (credentials(7), pam_loginuid(8))."""

from __future__ import annotations

import os
from pathlib import Path

_UNSET = 0xFFFFFFFF
"""What the kernel says of a process that no login started."""


def login_uid(root: Path) -> int | None:
    """The user id of the login that this process belongs to, below ``root``; None for what systemd starts.

    Where no session sets it, as in a container, sudo's word counts.
    """
    try:
        kernel = int((root / "proc/self/loginuid").read_text())
    except (OSError, ValueError):
        kernel = _UNSET
    if kernel != _UNSET:
        return kernel
    asked = os.environ.get("SUDO_UID", "")
    return int(asked) if asked.isascii() and asked.isdigit() and int(asked) < _UNSET else None
