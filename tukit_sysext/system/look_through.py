# SPDX-License-Identifier: LGPL-2.1-or-later
"""Looking through the whole of an image: what it has, and what its programs and libraries need.

In a child with limits and a timeout. Only for images whose hash is right, or that systemd-sysext would merge anyway.
What cannot be found out convicts no image.
"""

from __future__ import annotations

import json
import logging
from pathlib import Path

from tukit_sysext.errors import NoSpace, NoVerdict, ToolBroken
from tukit_sysext.requirements.contents import Contents, ImageFolder, less_own, node_of, pack
from tukit_sysext.system.mounted_images import run_where_mounted
from tukit_sysext.system.process import TimedOut
from tukit_sysext.system.scratch import scratch_folder

log = logging.getLogger(__name__)

_TIMEOUT = 60.0


def look_through(image: int | Path, *, scratch: Path) -> Contents:
    """What an image has and needs, given by descriptor or by path; ``scratch`` is a directory of ours.

    Raises NoVerdict where that cannot be found out, ToolBroken where what finds it out does not work, NoSpace where
    ``scratch`` is full.
    """
    without = "what it needs is not known"
    from tukit_sysext.system import contents_child  # 1 ms, for which who looks through nothing does not wait

    with scratch_folder(scratch, what="images cannot be looked through") as folder:
        try:
            output = run_where_mounted(contents_child, [image], folder=folder, timeout=_TIMEOUT, without=without)
        except TimedOut as error:
            raise NoVerdict(str(error)) from error
    try:
        document = json.loads(output)
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
        raise NoVerdict(f"{without}: {error}") from error


def look_through_or_say(image: int | Path, *, called: str, scratch: Path) -> Contents | None:
    """The same; None where it cannot be found out, which is logged of the image that is ``called`` so."""
    try:
        return look_through(image, scratch=scratch)
    except (NoVerdict, NoSpace) as error:
        log.info("%s: %s", called, error)  # says nothing of the image
    except ToolBroken as error:
        log.error("%s: %s", called, error)
    return None
