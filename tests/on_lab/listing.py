# SPDX-License-Identifier: LGPL-2.1-or-later
"""Recursive listings of a tree: what tells that nothing was written."""

from __future__ import annotations

import hashlib
import os
import stat
from pathlib import Path


def listing(root: Path) -> dict[str, tuple[object, ...]]:
    """Type, mode, owner, times, link text and content of everything below a tree that the system's users could notice.

    Not below var, proc, sys, dev, run and tmp, which are not the tree's own.
    """
    found: dict[str, tuple[object, ...]] = {}
    for folder, folders, files in os.walk(root):
        where = Path(folder)
        if where == root:
            folders[:] = [name for name in folders if name not in ("var", "proc", "sys", "dev", "run", "tmp")]
        for name in ("", *folders, *files):
            path = where / name if name else where
            found[str(path.relative_to(root))] = _facts(path)
    return found


def _facts(path: Path) -> tuple[object, ...]:
    status = path.lstat()
    content: object = None
    if stat.S_ISLNK(status.st_mode):
        content = os.readlink(path)
    elif stat.S_ISREG(status.st_mode):
        # the content of large files is told well enough by their times
        content = hashlib.sha256(path.read_bytes()).hexdigest() if status.st_size < 65536 else status.st_size
    return status.st_mode, status.st_uid, status.st_mtime_ns, status.st_ctime_ns, content
