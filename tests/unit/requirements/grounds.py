# SPDX-License-Identifier: LGPL-2.1-or-later
"""A system in a few words, as what images are merged over."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from tukit_sysext.requirements.capabilities import UNKNOWN, Package, Unknown
from tukit_sysext.requirements.contents import ImageFolder, Node
from tukit_sysext.requirements.evr import meets
from tukit_sysext.requirements.ground import Kind
from tukit_sysext.requirements.requirement import Requirement


@dataclass(kw_only=True)
class PlainPackages:
    """What is offered, as a package's name by capability; ``unknown``: nobody knows what else."""

    offered: Mapping[Requirement, str] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    unknown: str | None = None
    asked: list[Requirement] = field(default_factory=list)

    def prepare(self, requirements: Iterable[Requirement], names: Iterable[str] = ()) -> None:
        """Nothing takes long."""

    def provides(self, requirement: Requirement) -> Package | Unknown | None:
        """See Capabilities."""
        self.asked.append(requirement)
        name = next((name for offered, name in self.offered.items() if meets(offered, requirement)), None)
        if name is not None:
            return Package(name, self.versions.get(name, ""))
        return None if self.unknown is None else UNKNOWN

    def installed(self, name: str) -> Package | Unknown | None:
        """See Capabilities."""
        if name in self.versions:
            return Package(name, self.versions[name])
        return None if self.unknown is None else UNKNOWN


class PlainGround:
    """A Ground of a folder as an image has it."""

    def __init__(
        self, files: ImageFolder | None = None, packages: PlainPackages | None = None, selinux: str = ""
    ) -> None:
        self.files = files or ImageFolder(0o755, {})
        self.packages = packages or PlainPackages()
        self.selinux = selinux

    def _node(self, path: str) -> Node:
        node: Node = self.files
        for name in filter(None, path.split("/")):
            node = node.entries.get(name) if isinstance(node, ImageFolder) else None
        return node

    def names(self, folder: str) -> Mapping[str, Kind]:
        """See Ground."""
        node = self._node(folder)
        return {name: _kind(each) for name, each in node.entries.items()} if isinstance(node, ImageFolder) else {}

    def target(self, path: str) -> str:
        """See Ground."""
        return str(self._node(path))

    def mode(self, folder: str) -> int:
        """See Ground."""
        node = self._node(folder)
        return node.mode if isinstance(node, ImageFolder) else 0


def _kind(node: Node) -> Kind:
    if isinstance(node, ImageFolder):
        return Kind.DIRECTORY
    return Kind.LINK if isinstance(node, str) else Kind.OTHER


def folder(*, mode: int = 0o755, **entries: Node) -> ImageFolder:
    """A directory with entries by name."""
    return ImageFolder(mode, entries)


def offering(*capabilities: str, package: str = "some", also: Collection[str] = ()) -> PlainPackages:
    """A system that offers these capabilities, by one package."""
    return PlainPackages(offered={Requirement(name): package for name in (*capabilities, *also)})
