# SPDX-License-Identifier: LGPL-2.1-or-later
"""Where links lead: every name on the way, as what an image is called last is what counts.

Also what lies behind a folder of versions: systemd takes one of its entries, whatever the folder is called
(systemd.v(7)).
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator, Set
from functools import cache, partial
from pathlib import Path

from tukit_sysext.collect.mounts import Unseen
from tukit_sysext.errors import UnknownState
from tukit_sysext.layout import Layout
from tukit_sysext.snapshots.versions import VERSIONS

_WILDCARD = "___"
"""What stands for the version in the name of a file that is to be taken of such a folder, as units may name it."""

_SUFFIXES = (VERSIONS, ".raw", ".sysext", ".confext")

_MOST_PATHS = 256
"""How many paths one link may lead over."""
_MOST_OF_A_VERSION = 40
"""How many more each version in a folder may lead over: the kernel follows no more links."""


class Chains:
    """Follows the links of a machine.

    What the paths of a snapshot mean when it runs depends on what is mounted then (of /var there is only one): each is
    followed in the snapshot and in the running system.
    """

    def __init__(self, layout: Layout, mount_points: Callable[[Path], Set[str]]) -> None:
        self._root = layout.root
        self._unseen = Unseen(layout, mount_points)
        self._next_in_running = cache(partial(self._next, self._root))

    def names(self, start: str, tree: Path) -> Iterator[str]:
        """The last components of all paths that an absolute path of a tree leads over.

        Raises UnknownState where one leads over a place that cannot be seen, or over too many, OSError.
        """
        stems = _stems(start)
        waiting, seen, most = [start], set[str](), _MOST_PATHS
        folder, name = os.path.split(start)
        if folder.endswith(VERSIONS) and _WILDCARD in name:
            waiting.insert(0, folder)
            stems = (name.rpartition(_WILDCARD)[0],)
        while waiting:
            path = waiting.pop()
            if path in seen:
                continue
            if len(seen) == most:
                raise UnknownState(
                    f"{tree}{start}: leads over more than {_MOST_PATHS} paths; which images is not known"
                )
            seen.add(path)
            yield os.path.basename(os.path.normpath(path))
            further = [*self._next_in_running(path, stems)]
            if tree != self._root:
                further += self._next(tree, path, stems)
            waiting += further
            most += _MOST_OF_A_VERSION * max(0, len(further) - 2)  # beyond one in the tree, and one in /

    def _next(self, root: Path, path: str, stems: tuple[str, ...]) -> list[str]:
        """Where a path leads when its first link is followed, or the versions in the folder that it is."""
        here, rest = "", path.split("/")
        while rest:
            name = rest.pop(0)
            if name == "..":
                here = here.rpartition("/")[0]
            elif name not in ("", "."):
                here = f"{here}/{name}"
                self._unseen.check(root, here)
                try:
                    target = os.readlink(f"{root}{here}")
                except OSError as error:
                    if error.errno in (errno.ENOENT, errno.ENOTDIR):
                        self._unseen.check_missing(root, here)
                        return []
                    if error.errno != errno.EINVAL:  # no link
                        raise
                    continue
                return [os.path.join(os.path.dirname(here), target, *rest)]
        stems = (*stems, *_stems(here))
        if not stems or not os.path.isdir(f"{root}{here}"):
            return []
        return [f"{here}/{name}" for name in os.listdir(f"{root}{here}") if name.startswith(stems)]


def _stems(path: str) -> tuple[str, ...]:
    """How versions in a folder begin, when it is given by this path; none where it is no folder of versions."""
    name = os.path.basename(path.rstrip("/"))
    if not name.endswith(VERSIONS):
        return ()
    for suffix in _SUFFIXES:
        name = name.removesuffix(suffix)
    return (name,)
