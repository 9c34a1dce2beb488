# SPDX-License-Identifier: LGPL-2.1-or-later
"""What targets need on a disk: one folder for a process, and trees that are none."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import cast

from tests.machine import PlainMachine
from tukit_sysext.system.tree import Tree

NUMBER = 7
"""A snapshot of the machine."""


@cache
def folder() -> Path:
    """A folder of this process, in memory where that is possible."""
    memory = Path("/dev/shm")
    made = Path(tempfile.mkdtemp(prefix="fuzz-", dir=memory if memory.is_dir() else None))
    atexit.register(shutil.rmtree, made, ignore_errors=True)
    return made


@cache
def site() -> PlainMachine:
    """A machine with a snapshot."""
    made = PlainMachine(folder() / "machine")
    made.snapshot(NUMBER)
    return made


class _MemoryTree:
    """A tree of files alone, by path, as the parsers of configuration see it."""

    path = Path("/tree")

    def __init__(self, files: Mapping[str, bytes]) -> None:
        self._files = files

    def read(self, path: str, *, limit: int) -> bytes | None:
        """See Tree."""
        content = self._files.get(path)
        return content[:limit] if content is not None else None

    def names(self, path: str) -> list[str] | None:
        """See Tree."""
        return sorted({name[len(path) + 1 :].partition("/")[0] for name in self._files if name.startswith(f"{path}/")})

    def link_text(self, path: str) -> None:
        """See Tree: there are no links."""


def tree(files: Mapping[str, bytes]) -> Tree:
    """A tree that is on no disk, for what only reads files."""
    return cast(Tree, _MemoryTree(files))
