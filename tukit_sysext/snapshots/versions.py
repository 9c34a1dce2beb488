# SPDX-License-Identifier: LGPL-2.1-or-later
"""Folders of versions (systemd.v(7)): of ``tool.raw.v/`` systemd takes the newest ``tool_VERSION.raw`` for ``tool``."""

from __future__ import annotations

import os
import re
from functools import cmp_to_key
from pathlib import Path

from tukit_sysext.rules.architectures import ARCHITECTURES
from tukit_sysext.rules.version import compare

VERSIONS = ".v"
"""Ending of such a folder."""

_TRIES = re.compile(r"\+([0-9]+)(?:-[0-9]+)?")
"""How often an entry may be tried still, and was tried."""


def newest(folder: Path, architecture: str) -> Path | None:
    """The entry that systemd takes for a machine of this architecture; None where it takes none. Raises OSError."""
    name = folder.name.removesuffix(VERSIONS)
    suffix = ".raw" if name.endswith(".raw") else ""
    start = f"{name.removesuffix(suffix)}_"
    found: list[tuple[bool, str, Path]] = []
    for entry in os.listdir(folder):
        if not entry.startswith(start) or not entry.endswith(suffix):
            continue
        path = folder / entry
        if not (path.is_file() if suffix else path.is_dir()):
            continue
        version = entry.removeprefix(start).removesuffix(suffix)
        tries = re.search(_TRIES.pattern + r"\Z", version)
        version = version[: tries.start()] if tries is not None else version
        head, separator, last = version.rpartition("_")
        if separator and last in ARCHITECTURES:
            if last != architecture:
                continue
            version = head
        found.append((tries is None or int(tries[1]) > 0, version, path))
    return max(found, key=cmp_to_key(_order), default=(False, "", None))[2]


def _order(one: tuple[bool, str, Path], other: tuple[bool, str, Path]) -> int:
    """What has no try left comes last."""
    if one[0] != other[0]:
        return 1 if one[0] else -1
    return compare(one[1], other[1])
