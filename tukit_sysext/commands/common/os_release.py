# SPDX-License-Identifier: LGPL-2.1-or-later
"""An os-release(5) that ``--for`` names."""

from __future__ import annotations

from pathlib import Path

from tukit_sysext.errors import TukitSysextError
from tukit_sysext.rules.release import ReleaseData, parse
from tukit_sysext.system.small_file import read_small

_LIMIT = 64 * 1024


def read_os_release(path: Path, *, expected: str = "an os-release") -> ReleaseData:
    """That of a file; ``expected`` is what else could have been named. Raises TukitSysextError for what is none."""
    try:
        release = parse(read_small(path, limit=_LIMIT).decode("utf-8", "surrogateescape"))
    except OSError as error:
        raise TukitSysextError(f"{path}: {error.strerror}, expected {expected}") from error
    return with_id(path, release)


def with_id(path: Path, release: ReleaseData | None) -> ReleaseData:
    """The os-release that was read at a path. Raises TukitSysextError where it names no system."""
    if release is None or not release.get("ID"):
        raise TukitSysextError(f"{path}: expected an os-release, found no ID in it")
    return release
