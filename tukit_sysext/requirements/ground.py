# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a system is to the images that are merged over it: its packages, and what lies where in it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import Enum
from typing import Protocol

from tukit_sysext.requirements.capabilities import Capabilities
from tukit_sysext.requirements.contents import ImageFolder, Node


class Kind(Enum):
    """What stands under a name in a directory."""

    DIRECTORY = "a directory"
    LINK = "a link"
    OTHER = "a file"


class Ground(Protocol):
    """One system without any image; paths are without a slash in front. What cannot be read is not there."""

    @property
    def packages(self) -> Capabilities:
        """What it offers."""

    def names(self, folder: str) -> Mapping[str, Kind]:
        """What is in a directory, by name; nothing where there is none. Empty: the root."""

    def target(self, path: str) -> str:
        """Where a link leads, as it says."""

    def mode(self, folder: str) -> int:
        """The permission bits of a directory."""

    @property
    def selinux(self) -> str:
        """The name of the SELinux policy that it is configured to load, enforcing or not; empty where there is none."""


def in_both(files: ImageFolder, system: Ground, path: str = "") -> Iterator[tuple[str, Node, Kind]]:
    """Each path that an image and a system have, with what it is in both; below directories of both alone."""
    there = system.names(path)
    for name, node in files.entries.items():
        kind, here = there.get(name), f"{path}/{name}".lstrip("/")
        if kind is not None:
            yield here, node, kind
        if isinstance(node, ImageFolder) and kind is Kind.DIRECTORY:
            yield from in_both(node, system, here)
