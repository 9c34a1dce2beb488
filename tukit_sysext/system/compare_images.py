# SPDX-License-Identifier: LGPL-2.1-or-later
"""Which files of two images differ: in a child with limits and a timeout, which mounts both where nobody sees it."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path

from tukit_sysext.errors import NoVerdict, ToolBroken
from tukit_sysext.system import compare_child, inspect_image
from tukit_sysext.system.compare_child import NOT_COMPARED
from tukit_sysext.system.inspect_image import blame_machine, last_line
from tukit_sysext.system.look_through import IN_NAMESPACE, WALK
from tukit_sysext.system.process import run
from tukit_sysext.system.scratch import scratch_folder

_MOUNT = f"""
"$1" --mount --read-only --mkdir "$2" "$4" >/dev/null || exit {NOT_COMPARED}
"$1" --mount --read-only --mkdir "$3" "$5" >/dev/null || exit {NOT_COMPARED}
exec "$6" -I -S -c "$7" "$4" "$5" "$8" "$9"
"""
_PACKAGE = Path(__file__).parents[1]
_TIMEOUT = 30.0
_CPU_SECONDS = 30


def differing(one: int, other: int, paths: Sequence[str], *, scratch: Path) -> frozenset[str]:
    """Which files have other contents in two images, given by descriptor; the paths are regular files in both.

    Raises NoVerdict where that cannot be found out, TimedOut where it takes too long, ToolBroken where what finds it
    out does not work, NoSpace where ``scratch`` is full.
    """
    with scratch_folder(scratch, what="images cannot be compared") as folder:
        asked = folder / "paths"
        try:
            asked.write_text(json.dumps(paths))
        except OSError as error:
            raise NoVerdict(f"images cannot be compared: {asked}: {error.strerror}") from error
        argv = [*IN_NAMESPACE, _MOUNT, "sh", inspect_image.DISSECT, f"/proc/self/fd/{one}", f"/proc/self/fd/{other}"]
        argv += [str(folder / "one"), str(folder / "other"), sys.executable, WALK.format(module=compare_child.__name__)]
        argv += [str(asked), str(_PACKAGE.parent)]
        result = run(argv, timeout=_TIMEOUT, cpu_seconds=_CPU_SECONDS, descriptors=(one, other))
        if result.status != 0:
            blame_machine(folder, result)
            said = f"images cannot be compared: {result.died or last_line(result)}"
            raise NoVerdict(said) if result.died or result.status == NOT_COMPARED else ToolBroken(said)
    try:
        return frozenset(str(path) for path in json.loads(result.output))
    except (ValueError, TypeError) as error:
        raise ToolBroken(f"images cannot be compared: {error}") from error
