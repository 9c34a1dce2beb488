# SPDX-License-Identifier: LGPL-2.1-or-later
"""Marks: files below /run that tell something of the system that runs, and of no other one.

A soft-reboot leaves /run as it is. So a mark names the root subvolume that it was written under, and under another one
it is none.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tukit_sysext.system.durable import make_directory, write_file
from tukit_sysext.system.small_file import read_small

_ROOT = "root"


def running_root() -> str:
    """What tells the root from other ones. Of btrfs the kernel mixes file system and subvolume; anybody may ask."""
    return f"{os.statvfs('/').f_fsid:016x}"


def read_mark(path: Path, *, limit: int) -> dict[str, Any]:
    """The mark. Raises OSError, and ValueError or RecursionError where it is none of the system that runs.

    One that names no root is from before this was written down, and counts.
    """
    document = json.loads(read_small(path, limit=limit))
    if not isinstance(document, dict):
        raise ValueError(f"{path}: no JSON object")
    here = running_root()
    if document.pop(_ROOT, here) != here:
        raise ValueError(f"{path}: of another root")
    return document


def write_mark(path: Path, document: Mapping[str, Any]) -> None:
    """Set a mark, with its folder. Raises OSError."""
    make_directory(path.parent)
    content = json.dumps({**document, _ROOT: running_root()}, indent=1)
    write_file(path, content.encode() + b"\n", durable=False)
