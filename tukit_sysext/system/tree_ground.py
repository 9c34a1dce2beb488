# SPDX-License-Identifier: LGPL-2.1-or-later
"""The ground of images that a tree is, read where it is asked for."""

from __future__ import annotations

import logging
import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from tukit_sysext.errors import UnknownState
from tukit_sysext.requirements.ground import Kind
from tukit_sysext.system.tree import Tree

if TYPE_CHECKING:
    from tukit_sysext.system.tree_packages import Memory, TreePackages

log = logging.getLogger(__name__)


class TreeGround:
    """A Ground; each directory is read once."""

    def __init__(self, tree: Tree, *, scratch: Path, memory: Memory | None = None) -> None:
        """``tree`` stays open as long as this is used; for ``scratch`` and ``memory`` see TreePackages."""
        self._tree = tree
        self._scratch = scratch
        self._memory = memory
        self._packages: TreePackages | None = None
        self._selinux: str | None = None
        self._names: dict[str, Mapping[str, Kind]] = {}

    @property
    def packages(self) -> TreePackages:
        """See Ground."""
        if self._packages is None:
            from tukit_sysext.system.tree_packages import TreePackages

            self._packages = TreePackages(self._tree, scratch=self._scratch, memory=self._memory)
        return self._packages

    def names(self, folder: str) -> Mapping[str, Kind]:
        """See Ground."""
        if folder not in self._names:
            self._names[folder] = self._read(folder)
        return self._names[folder]

    def target(self, path: str) -> str:
        """See Ground."""
        try:
            return self._tree.link_text(path) or ""
        except UnknownState as error:
            log.warning("%s", error)
            return ""

    def mode(self, folder: str) -> int:
        """See Ground."""
        try:
            descriptor = self._tree.find(folder or ".")
        except UnknownState as error:
            log.warning("%s", error)
            descriptor = None
        if descriptor is None:
            return 0
        try:
            return stat.S_IMODE(os.fstat(descriptor).st_mode)
        finally:
            os.close(descriptor)

    @property
    def selinux(self) -> str:
        """See Ground."""
        if self._selinux is None:
            from tukit_sysext.system.selinux import configured_policy

            try:
                self._selinux = configured_policy(self._tree)
            except UnknownState as error:
                log.warning("%s: whether images need labels of SELinux is not known", error)
                self._selinux = ""
        return self._selinux

    def _read(self, folder: str) -> Mapping[str, Kind]:
        try:
            descriptor = self._tree.find(folder or ".")
            if descriptor is None:
                return {}
            try:
                with os.scandir(descriptor) as entries:
                    return {entry.name: _kind(entry) for entry in entries}
            finally:
                os.close(descriptor)
        except (UnknownState, OSError) as error:
            log.warning("%s/%s: what images hide there is not known: %s", self._tree.path, folder, error)
            return {}


def _kind(entry: os.DirEntry[str]) -> Kind:
    if entry.is_symlink():
        return Kind.LINK
    return Kind.DIRECTORY if entry.is_dir(follow_symlinks=False) else Kind.OTHER
