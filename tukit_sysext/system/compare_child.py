# SPDX-License-Identifier: LGPL-2.1-or-later
"""What runs as a process of its own where two images are mounted: says as JSON which of their files differ.

tukit_sysext.system.compare_images starts it, and has put the paths into a file.
"""

from __future__ import annotations

import json
import os
import sys

_BLOCK = 1024 * 1024


def main(one: str, other: str, paths: str) -> str:
    """Print which of the paths in a file have other contents in the images that are mounted on two folders.

    Why one of them cannot be read, if so.
    """
    with open(paths, encoding="utf-8") as file:
        asked: list[str] = json.load(file)
    try:
        differ = [path for path in asked if not _same(os.path.join(one, path), os.path.join(other, path))]
    except OSError as error:
        return f"{error.filename}: {error.strerror}"
    json.dump(differ, sys.stdout)
    return ""


def _same(one: str, other: str) -> bool:
    """Whether two files, which were regular and of one size when the images were looked through, are the same."""
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    with open(os.open(one, flags), "rb") as a, open(os.open(other, flags), "rb") as b:
        while (block := a.read(_BLOCK)) == b.read(_BLOCK):
            if not block:
                return True
    return False
