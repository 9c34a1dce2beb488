# SPDX-License-Identifier: LGPL-2.1-or-later
"""What tests download, kept beside the caches of the tests."""

from __future__ import annotations

import fcntl
import tempfile
from collections.abc import Callable
from pathlib import Path

from tests.rpm import CACHE


def kept(name: str, make: Callable[[Path], Path]) -> Path:
    """The file or folder of this name; made where it is missing, once, also when several processes ask.

    :param make: makes it in an empty folder, and returns its path
    """
    target = CACHE.with_name(name)
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.with_name(f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not target.exists():
            with tempfile.TemporaryDirectory(dir=target.parent) as scratch:
                make(Path(scratch)).rename(target)
    return target
