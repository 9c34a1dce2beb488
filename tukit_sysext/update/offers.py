# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the systems of this machine offer to images: what a version lacks in one, measured by the version in use."""

from __future__ import annotations

import hashlib
import logging
import weakref
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from tukit_sysext import __version__
from tukit_sysext.errors import UnknownState
from tukit_sysext.machine import Machine
from tukit_sysext.requirements.capabilities import Capabilities, Package, Unknown
from tukit_sysext.requirements.contents import FORMAT, Contents
from tukit_sysext.requirements.ground import Ground, Kind
from tukit_sysext.requirements.requirement import Requirement
from tukit_sysext.snapshots.snapper import running_snapshot
from tukit_sysext.sources.cache import Cache
from tukit_sysext.store.image_store import Store
from tukit_sysext.system.tree import Tree
from tukit_sysext.system.tree_ground import TreeGround
from tukit_sysext.update.facts import Lacks
from tukit_sysext.update.in_use import SystemInUse

log = logging.getLogger(__name__)


class SystemsOffers:
    """The :class:`Offers` of the system that is planned for, beside the running one and the one that boots next.

    ``systems`` are those, as far as they are known by now.
    """

    def __init__(
        self,
        machine: Machine,
        ground: Ground,
        called: str,
        *,
        store: Store,
        systems: Callable[[], Sequence[SystemInUse]],
        lacks: Lacks,
    ) -> None:
        self._machine = machine
        self._ground = ground
        self._called = called
        self._store = store
        self._systems = systems
        self._lacks = lacks
        self._grounds: dict[Path, Ground | None] = {}
        self._lacking: dict[tuple[str, str, Contents], frozenset[str]] = {}
        self._before: dict[str, frozenset[str] | Unknown | None] = {}

    def worse(self, name: str, version: str, contents: Contents, others: frozenset[str]) -> frozenset[str]:
        """See Offers."""
        key = (name, version, contents)
        if key not in self._lacking:
            self._lacking[key] = self._lacks(contents, self._ground, name, version)
        lacking = self._lacking[key] - others
        if not lacking:
            return lacking
        if name not in self._before:
            self._before[name] = self._lacked(name)
        before = self._before[name]
        if isinstance(before, Unknown):
            return frozenset()
        return lacking - (before or frozenset())

    def in_words(self, need: str) -> str:
        """See Offers."""
        for system in self._systems():
            ground = self._ground_of(system)
            provider = ground.packages.provides(Requirement(need)) if ground is not None else None
            if isinstance(provider, Package):
                what = f"package {provider.name} provides" if provider.evr else f"{provider.name} meets"
                return f"{what} it in {_label(system)}, nothing does in {self._called}"
        return f"nothing provides it in {self._called}"

    def _lacked(self, name: str) -> frozenset[str] | Unknown | None:
        """What the version in use lacks where it is in use; None where there is none, and none is linked."""
        found: frozenset[str] | None = None
        for system in self._systems():
            for entry in system.entries or ():
                stored = self._store.look(entry.image) if entry.image is not None else None
                if stored is None or stored.name != name:
                    continue
                ground = self._ground_of(system)
                contents = stored.record.contents if stored.record is not None else None
                if contents is None or ground is None:
                    return Unknown.UNKNOWN
                lacking = self._lacks(contents, ground, name, stored.version)
                found = lacking if found is None else found | lacking
        return found

    def _ground_of(self, system: SystemInUse) -> Ground | None:
        path = system.path
        if path is None:
            return None
        if path not in self._grounds:
            try:
                self._grounds[path] = open_ground(self._machine, path)
            except UnknownState as error:
                log.warning("%s", error)
                self._grounds[path] = None
        return self._grounds[path]


def open_ground(machine: Machine, path: Path) -> Ground:
    """What images of a system are merged over: of the running one its snapshot, where /usr has no image in it.

    Its tree is closed with it. Raises UnknownState.
    """
    if path == machine.layout.root:
        try:
            path = running_snapshot(machine.layout, machine.subvolumes) or path
        except OSError as error:
            log.info("the running system's snapshot cannot be read: %s", error)
    tree = Tree(path)
    ground = RememberedGround(
        TreeGround(tree, scratch=machine.layout.cache), Cache(machine.layout.cache, writable=machine.privileged)
    )
    weakref.finalize(ground, tree.close)
    return ground


class RememberedGround:
    """A ground whose packages were asked in former runs too: the answers hold as long as its database is the same."""

    def __init__(self, ground: TreeGround, cache: Cache) -> None:
        self._ground = ground
        self._cache = cache
        self._packages: Capabilities | None = None

    @property
    def packages(self) -> Capabilities:
        """See Ground."""
        if self._packages is None:
            packages = self._ground.packages
            identity = packages.identity
            self._packages = _Remembered(packages, self._cache, identity) if identity is not None else packages
        return self._packages

    def names(self, folder: str) -> Mapping[str, Kind]:
        """See Ground."""
        return self._ground.names(folder)

    def target(self, path: str) -> str:
        """See Ground."""
        return self._ground.target(path)

    def mode(self, folder: str) -> int:
        """See Ground."""
        return self._ground.mode(folder)


class _Remembered:
    """Capabilities that are kept in one of a few notes, by what identifies the database."""

    _KIND = "offers"
    _SLOTS = 1

    def __init__(self, packages: Capabilities, cache: Cache, identity: str) -> None:
        self._packages = packages
        self._cache = cache
        self._identity = f"{__version__} {FORMAT} {identity}"
        self._slot = hashlib.sha256(identity.encode()).hexdigest()[: self._SLOTS]
        note = cache.note(self._KIND, self._slot) or {}
        met = note.get("met") if note.get("identity") == self._identity else None
        self._met: dict[str, list[str]] = met if isinstance(met, dict) else {}

    @property
    def unknown(self) -> str | None:
        """See Capabilities."""
        return self._packages.unknown

    def prepare(self, requirements: Iterable[Requirement]) -> None:
        """See Capabilities. What nothing meets is asked anew: a file may have been put there since."""
        asked = [requirement for requirement in requirements if str(requirement) not in self._met]
        self._packages.prepare(asked)
        found = {str(requirement): self._packages.provides(requirement) for requirement in asked}
        met = {need: [each.name, each.evr] for need, each in found.items() if isinstance(each, Package) and each.evr}
        if not met:
            return
        self._met |= met
        self._cache.put_note(self._KIND, self._slot, {"identity": self._identity, "met": self._met})

    def provides(self, requirement: Requirement) -> Package | Unknown | None:
        """See Capabilities."""
        match self._met.get(str(requirement)):
            case [str(name), str(evr)]:
                return Package(name, evr)
        return self._packages.provides(requirement)

    def installed(self, name: str) -> Package | Unknown | None:
        """See Capabilities."""
        return self._packages.installed(name)


def _label(system: SystemInUse) -> str:
    return (system.release.get("VERSION_ID") if system.release is not None else None) or system.called
