# SPDX-License-Identifier: LGPL-2.1-or-later
"""Running one of our modules where images are mounted, and nobody else sees that: in a child with limits and a timeout.

The mounts go with the last process of their namespace, however that ends.
"""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

from tukit_sysext.errors import NoVerdict, ToolBroken
from tukit_sysext.system import inspect_image
from tukit_sysext.system.inspect_image import blame_machine, last_line
from tukit_sysext.system.process import TimedOut, run

_NAMESPACE = ("/usr/bin/unshare", "--mount", "--propagation", "private", "--", "/bin/sh", "-c")
_CPU_SECONDS = 60
_MEMORY = 2 * 1024**3
_PACKAGE = Path(__file__).parents[1]
_UNREADABLE = 3
"""Exit status where an image cannot be mounted, or read once it is."""
CHILD = f"""
import sys
sys.path.insert(0, sys.argv.pop())
from {{module}} import main
wrong = main(*sys.argv[1:])
if wrong:
    print(wrong, file=sys.stderr)
    sys.exit({_UNREADABLE})
"""
"""It calls ``main`` of a module, which prints what it finds, and returns why an image cannot be read."""


def run_where_mounted(
    module: ModuleType, images: Sequence[int | Path], *arguments: str, folder: Path, timeout: float, without: str
) -> str:
    """What ``main`` of a module prints, called with the folders of images and the arguments.

    Images are given by descriptor or by path, ``folder`` is one of ours. ``without`` begins the message of
    what is raised: NoVerdict where an image cannot be read, TimedOut where it takes too long, ToolBroken where what
    reads it does not work, NoSpace where the folder is full.
    """
    descriptors = [image for image in images if isinstance(image, int)]
    wheres = [f"/proc/self/fd/{image}" if isinstance(image, int) else str(image) for image in images]
    places = [str(folder / f"image{number}") for number, _ in enumerate(images)]
    mount = [inspect_image.DISSECT, "--mount", "--read-only", "--mkdir"]
    script = [
        f"{shlex.join([*mount, where, place])} >/dev/null || exit {_UNREADABLE}"
        for where, place in zip(wheres, places, strict=True)
    ]
    child = [sys.executable, "-IBS", "-c", CHILD.format(module=module.__name__)]
    script.append(f"exec {shlex.join([*child, *places, *arguments, str(_PACKAGE.parent)])}")
    argv = [*_NAMESPACE, "\n".join(script)]
    try:
        result = run(argv, timeout=timeout, cpu_seconds=_CPU_SECONDS, memory=_MEMORY, descriptors=descriptors)
    except TimedOut as error:  # which names the whole script
        raise TimedOut(f"{without}: no end after {timeout:g} s") from error
    if result.status != 0:
        blame_machine(folder, result)
        said = f"{without}: {result.died or last_line(result)}"
        raise NoVerdict(said) if result.died or result.status == _UNREADABLE else ToolBroken(said)
    return result.output
