# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a tree offers to images, by its RPM database, and by its files where no package has brought them."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Protocol

from tukit_sysext.errors import UnknownState
from tukit_sysext.requirements.capabilities import UNKNOWN, Package, Unknown
from tukit_sysext.requirements.requirement import Requirement
from tukit_sysext.system.rpm_database import RpmDatabase
from tukit_sysext.system.tree import Tree

log = logging.getLogger(__name__)

_LIBRARY = re.compile(r"(?P<file>[^/()\s]+\.so[^/()\s]*)\((?P<version>[^()]*)\)(?P<wide>\(64bit\))?")
"""A soname as RPM spells it: ``libssl.so.3(OPENSSL_3.0.0)(64bit)``."""

_WIDE = ("usr/lib64", "usr/local/lib64")
_NARROW = ("usr/lib", "usr/local/lib")


def _any_version(requirement: Requirement) -> Requirement | None:
    """The library of which a requirement names a version of symbols; None where it names none."""
    library = _LIBRARY.fullmatch(requirement.name)
    if library is None or not library["version"]:
        return None
    return Requirement(f"{library['file']}(){library['wide'] or ''}")


class Memory(Protocol):
    """Keeps what a database answered as JSON, by what identifies that; what it has may be lost, and is not trusted."""

    def recall(self, identity: str) -> Mapping[str, Any]:
        """What was kept; nothing where there is none."""

    def keep(self, identity: str, answers: Mapping[str, Any]) -> None:
        """Keep it in the place of what is there."""


class TreePackages:
    """The Capabilities of a tree, which stays open as long as they are used."""

    def __init__(self, tree: Tree, *, scratch: Path, memory: Memory | None = None) -> None:
        """``scratch`` is a folder of ours that may be written; answers are found in ``memory``, and kept there."""
        self._tree = tree
        self._scratch = scratch
        self._memory = memory
        self._met: dict[str, Package | None] = {}
        self._installed: dict[str, Package | None] = {}
        self._database: RpmDatabase | None = None
        self.unknown: str | None = None
        try:
            self._database = RpmDatabase(tree)
        except UnknownState as error:
            self._forget(error)
        else:
            self._recall(self._database.identity)

    def prepare(self, requirements: Iterable[Requirement], names: Iterable[str] = ()) -> None:
        """Ask for these, and for the packages of these names, at once: each question of its own reads the database."""
        asked = set(requirements)
        asked |= {library for each in asked if (library := _any_version(each))}
        wanted = sorted(each for each in asked if str(each) not in self._met)
        packages = sorted(set(names) - self._installed.keys())
        if self._database is None or not (wanted or packages):
            return
        try:
            found = self._database.ask(wanted, packages, scratch=self._scratch)
        except UnknownState as error:
            self._forget(error)
        else:
            self._met |= {str(requirement): package for requirement, package in found.met.items()}
            self._installed |= found.installed
            self._keep(self._database.identity)

    def provides(self, requirement: Requirement) -> Package | Unknown | None:
        self.prepare([requirement])
        package = self._met.get(str(requirement))
        if package is not None:
            return package
        nothing = None if str(requirement) in self._met else UNKNOWN
        if requirement.operator:
            return nothing
        library = _any_version(requirement)
        if library is not None and self._met.get(str(library)) is not None:
            return nothing  # the file is that of a package, which does not have this version of symbols
        return self._file(requirement.name) or nothing

    def installed(self, name: str) -> Package | Unknown | None:
        self.prepare((), [name])
        return self._installed.get(name, UNKNOWN)

    def _recall(self, identity: str) -> None:
        answers = self._memory.recall(identity) if self._memory is not None else {}
        try:
            self._met = {str(need): _package(found) for need, found in answers["met"].items()}
            self._installed = {str(name): _package(found) for name, found in answers["installed"].items()}
        except (KeyError, TypeError, ValueError, AttributeError):
            self._met, self._installed = {}, {}

    def _keep(self, identity: str) -> None:
        if self._memory is not None:
            met = {need: package and [package.name, package.evr] for need, package in self._met.items()}
            installed = {name: package and [package.name, package.evr] for name, package in self._installed.items()}
            self._memory.keep(identity, {"met": met, "installed": installed})

    def _forget(self, error: UnknownState) -> None:
        log.warning("%s: what images need of its packages is not known", error)
        self._database, self.unknown = None, str(error)
        self._met.clear()
        self._installed.clear()

    def _file(self, name: str) -> Package | Unknown | None:
        """What a file of the tree meets: one that was put there by hand, or brought by no package's scripts."""
        if name.startswith("/"):
            return Package(name) if self._tree.has(name.lstrip("/")) else None
        library = _LIBRARY.fullmatch(name)
        if library is None:
            return None
        paths = [f"{folder}/{library['file']}" for folder in (_WIDE if library["wide"] else _NARROW)]
        there = next((path for path in paths if self._tree.has(path)), None)
        if there is None:
            return None
        # which versions of symbols it has would need another look into it
        return UNKNOWN if library["version"] else Package(f"/{there}")


def _package(found: Any) -> Package | None:
    """A package as it was kept. Raises TypeError, ValueError."""
    if found is None:
        return None
    name, evr = found
    return Package(str(name), str(evr))
