# SPDX-License-Identifier: LGPL-2.1-or-later
"""Which files of two images differ: in a child with limits and a timeout."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from tukit_sysext.errors import NoVerdict, ToolBroken
from tukit_sysext.system import compare_child
from tukit_sysext.system.mounted_images import run_where_mounted
from tukit_sysext.system.scratch import scratch_folder

_TIMEOUT = 30.0
_WITHOUT = "images cannot be compared"


def differing(one: int, other: int, paths: Sequence[str], *, scratch: Path) -> frozenset[str]:
    """Which files have other contents in two images, given by descriptor; the paths are regular files in both.

    Raises NoVerdict where that cannot be found out, TimedOut where it takes too long, ToolBroken where what finds it
    out does not work, NoSpace where ``scratch`` is full.
    """
    with scratch_folder(scratch, what=_WITHOUT) as folder:
        asked = folder / "paths"
        try:
            asked.write_text(json.dumps(paths))
        except OSError as error:
            raise NoVerdict(f"{_WITHOUT}: {asked}: {error.strerror}") from error
        output = run_where_mounted(
            compare_child, [one, other], str(asked), folder=folder, timeout=_TIMEOUT, without=_WITHOUT
        )
    try:
        return frozenset(str(path) for path in json.loads(output))
    except (ValueError, TypeError) as error:
        raise ToolBroken(f"{_WITHOUT}: {error}") from error
