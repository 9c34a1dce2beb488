# SPDX-License-Identifier: LGPL-2.1-or-later
"""Whether an image would hide a part of the system that it is merged over. Pure.

overlayfs shows the directory of a name where a link or a file of another layer has the same one, and the upper layer's
mode of a directory that all have: with a directory usr/sbin over the link ``usr/sbin -> bin`` every program of the
system in /usr/sbin is gone, and with a usr/bin of mode 0700 only root finds any.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from tukit_sysext.requirements.contents import ImageFolder
from tukit_sysext.requirements.ground import Ground, Kind, in_both

_OTHERS = 0o005
"""What everybody needs to look into a directory and to go through it."""


class HiddenPart(NamedTuple):
    """A path of the system that an image hides, and what it is there and in the image, in words."""

    path: str
    system: str
    image: str
    how: str = "which it hides"

    def __str__(self) -> str:
        return f"{self.path} is {self.image} in it and {self.system} in the system, {self.how}"


def what_it_hides(files: ImageFolder, system: Ground) -> Iterator[HiddenPart]:
    """Each part of the system that would be hidden."""
    for path, node, kind in in_both(files, system):
        if isinstance(node, ImageFolder):
            if kind is Kind.LINK:
                yield HiddenPart(path=path, system=f"a link to {system.target(path)}", image="a directory")
            elif node.mode & _OTHERS != _OTHERS and kind is Kind.DIRECTORY and system.mode(path) & _OTHERS == _OTHERS:
                yield HiddenPart(
                    path=path,
                    system=f"one of mode {system.mode(path):04o}",
                    image=f"a directory of mode {node.mode:04o}",
                    how="shutting others out",
                )
        elif kind is Kind.DIRECTORY:
            what = f"a link to {node}" if isinstance(node, str) else "a file"
            yield HiddenPart(path=path, system="a directory", image=what)
