# SPDX-License-Identifier: LGPL-2.1-or-later
"""Looking through the whole of an image: what it has, and what its programs and libraries need.

In a child with limits and a timeout, which mounts the image where nobody else sees it. Only for images whose hash is
right, or that systemd-sysext would merge anyway. What cannot be found out convicts no image.
"""

from __future__ import annotations

import json
import logging
import sys
from pathlib import Path

from tukit_sysext.errors import NoSpace, NoVerdict, ToolBroken
from tukit_sysext.requirements.contents import Contents, ImageFolder, less_own, node_of, pack
from tukit_sysext.system import contents_child, inspect_image
from tukit_sysext.system.contents_child import NOT_WALKED
from tukit_sysext.system.inspect_image import blame_machine, last_line
from tukit_sysext.system.process import TimedOut, run
from tukit_sysext.system.scratch import scratch_folder

log = logging.getLogger(__name__)

_UNSHARE = "/usr/bin/unshare"
IN_NAMESPACE = (_UNSHARE, "--mount", "--propagation", "private", "--", "/bin/sh", "-c")
_MOUNT = f'"$1" --mount --read-only "$2" "$3" >/dev/null || exit {NOT_WALKED}; exec "$4" -I -S -c "$5" "$3" "$6"'
"""The mount goes with the last process of its namespace, however that ends."""
WALK = "import sys; sys.path.insert(0, sys.argv.pop()); from {module} import main; sys.exit(main(*sys.argv[1:]))"
_PACKAGE = Path(__file__).parents[1]
_TIMEOUT = 60.0
_CPU_SECONDS = 60


def look_through(image: int | Path, *, scratch: Path) -> Contents:
    """What an image has and needs, given by descriptor or by path; ``scratch`` is a directory of ours.

    Raises NoVerdict where that cannot be found out, ToolBroken where what finds it out does not work, NoSpace where
    ``scratch`` is full.
    """
    where = f"/proc/self/fd/{image}" if isinstance(image, int) else str(image)
    descriptors = (image,) if isinstance(image, int) else ()
    walk = WALK.format(module=contents_child.__name__)
    with scratch_folder(scratch, what="images cannot be looked through") as folder:
        argv = [*IN_NAMESPACE, _MOUNT, "sh", inspect_image.DISSECT, where]
        argv += [str(folder), sys.executable, walk, str(_PACKAGE.parent)]
        try:
            result = run(argv, timeout=_TIMEOUT, cpu_seconds=_CPU_SECONDS, descriptors=descriptors)
        except TimedOut as error:
            raise NoVerdict(f"what it needs is not known: {error}") from error
        if result.status != 0:
            blame_machine(folder, result)
            said = f"what it needs is not known: {result.died or last_line(result)}"
            raise NoVerdict(said) if result.died or result.status == NOT_WALKED else ToolBroken(said)
    try:
        document = json.loads(result.output)
        files = node_of(document.pop("files"))
        if not isinstance(files, ImageFolder):
            raise TypeError("expected a directory")
        needs = less_own(document.pop("needs"), document["provides"], files)
        return Contents(
            needs=needs,
            provides=tuple(document["provides"]),
            packed=pack(files),
            refused=tuple(document["refused"]),
            labelled=int(document["labelled"]),
            unlabelled=int(document["unlabelled"]),
            first_unlabelled=str(document["first_unlabelled"]),
        )
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise NoVerdict(f"what it needs is not known: {error}") from error


def look_through_or_say(image: int | Path, *, called: str, scratch: Path) -> Contents | None:
    """The same; None where it cannot be found out, which is logged of the image that is ``called`` so."""
    try:
        return look_through(image, scratch=scratch)
    except (NoVerdict, NoSpace) as error:
        log.info("%s: %s", called, error)  # it speaks against nobody
    except ToolBroken as error:
        log.error("%s: %s", called, error)
    return None
